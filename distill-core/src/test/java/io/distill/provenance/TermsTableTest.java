package io.distill.provenance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import io.distill.provenance.Terms.Kind;
import io.distill.provenance.Terms.Permission;
import io.distill.provenance.Terms.Source;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class TermsTableTest {

  private static final String ROW =
      "acme\tacme-1 acme-2\tAcme Terms\tSERVICE\tNO\tSection 3\thttps://acme.example\t2026-01-31\tREAD";

  @TempDir private Path directory;

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "Apache-2.0, YES",
    "apache-2.0, YES",
    "MIT, YES",
    "BSD-3-Clause, YES",
    "CC-BY-4.0, CONDITIONAL",
    "CC-BY-NC-4.0, CONDITIONAL",
    "CC-BY-SA-4.0, CONDITIONAL",
    "openrail, CONDITIONAL",
    "llama2, NO",
    "llama3, NO",
    "llama3.1, CONDITIONAL",
    "llama3.3, CONDITIONAL",
    "gemma, CONDITIONAL",
    "qwen, CONDITIONAL",
    "deepseek, YES",
    "openai, NO",
    "anthropic, NO",
    "gemini, NO",
    "mistral, CONDITIONAL",
    "cohere, NO",
    "granite, YES",
    "phi, YES",
    "no-such-licence, UNKNOWN"
  })
  void knownTerms_sayWhetherOthersMayBeTrained(String id, Permission permission) {
    assertThat(Terms.spdx(id).trainingOthers()).isEqualTo(permission);
  }

  @Test
  void shippedRows_sayHowTheyAreKnown() {
    assertThat(TermsTable.shipped().rows())
        .hasSizeGreaterThan(30)
        .allSatisfy(
            row -> {
              assertThat(row.clause()).as(row.id()).isNotBlank().hasSizeLessThan(300);
              assertThat(row.url()).as(row.id()).isPresent();
              assertThat(URI.create(row.url().get()).getScheme()).isEqualTo("https");
              assertThat(row.kind()).isIn(Kind.LICENCE, Kind.SERVICE);
              // a row that somebody looked up has a date; one from memory must not claim one
              assertThat(row.checked().isPresent())
                  .as(row.id())
                  .isEqualTo(row.source() == Source.READ || row.source() == Source.QUOTED);
              assertThat(row.source()).isNotEqualTo(Source.USER);
            });
  }

  @Test
  void service_isOneOfTheTable() {
    assertThat(Terms.service("OpenAI").kind()).isEqualTo(Kind.SERVICE);
    assertThatThrownBy(() -> Terms.service("acme"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("one of [openai, anthropic, ")
        .hasMessageContaining("but was acme");
  }

  @Test
  void rowsOfAFile_goBeforeTheShippedOnes() throws IOException {
    Path file = directory.resolve("terms.tsv");
    Files.writeString(
        file, "# ours\n\n" + ROW + "\nopenai\t-\tOur contract\tAGREEMENT\tYES\t-\t-\t-\tUSER\n");
    TermsTable table = TermsTable.read(file).over(TermsTable.shipped());
    Terms acme =
        new Terms(
            "acme",
            "Acme Terms",
            Kind.SERVICE,
            Permission.NO,
            "Section 3",
            Optional.of("https://acme.example"),
            Optional.of(LocalDate.of(2026, 1, 31)),
            Source.READ);
    assertThat(table.find("ACME-2")).contains(acme);
    assertThat(table.find("openai").orElseThrow().trainingOthers()).isEqualTo(Permission.YES);
    assertThat(table.find("MIT")).contains(Terms.spdx("MIT"));
    assertThat(table.find("nobody")).isEmpty();
    assertThat(TermsTable.of(acme).over(TermsTable.shipped()).find("acme")).contains(acme);
    assertThatThrownBy(() -> TermsTable.of(acme, acme))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("'acme'");
  }

  static Stream<Arguments> malformed() {
    return Stream.of(
        Arguments.of("one column", "acme", "line 1 must have 9 columns but has 1"),
        Arguments.of("ten columns", ROW + "\tx", "must have 9 columns but has 10"),
        Arguments.of("spaces", ROW.replace('\t', ' '), "must have 9 columns but has 1"),
        Arguments.of("same id", ROW + "\n" + ROW, "line 2 must have names that no other row has"),
        Arguments.of("alias is id", ROW.replace("acme-2", "Acme"), "but has 'Acme'"),
        Arguments.of("two blanks", ROW.replace(" acme-2", "  acme-2"), "but has ''"),
        Arguments.of("kind", ROW.replace("SERVICE", "THING"), "Kind.THING"),
        Arguments.of("permission", ROW.replace("\tNO\t", "\tMAYBE\t"), "Permission.MAYBE"),
        Arguments.of("source", ROW.replace("READ", "HEARSAY"), "Source.HEARSAY"),
        Arguments.of("date", ROW.replace("2026-01-31", "2026-02-31"), "2026-02-31"),
        Arguments.of("blank id", ROW.replace("acme\t", " \t"), "id must not be blank"),
        Arguments.of("long name", ROW.replace("Acme Terms", "x".repeat(1001)), "at most 1000"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("malformed")
  void malformedTable_isRefused(String name, String text, String message) throws IOException {
    Path file = Files.writeString(directory.resolve("terms.tsv"), text);
    assertThatThrownBy(() -> TermsTable.read(file))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining(message);
  }

  @Test
  void fileThatIsNone_isRefused() throws IOException {
    assertThatThrownBy(() -> TermsTable.read(directory.resolve("nothing")))
        .isInstanceOf(DistillationException.class);
    assertThatThrownBy(() -> TermsTable.read(directory)).isInstanceOf(DistillationException.class);
    Path latin = directory.resolve("latin");
    Files.write(latin, "# \u00e9".getBytes(StandardCharsets.ISO_8859_1));
    assertThatThrownBy(() -> TermsTable.read(latin))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must be UTF-8");
    Path large = directory.resolve("large");
    try (RandomAccessFile file = new RandomAccessFile(large.toFile(), "rw")) {
      file.setLength(1L << 40);
    }
    assertThatThrownBy(() -> TermsTable.read(large))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("at most 1048576 bytes");
  }

  @Test
  void stricterTerms_count() {
    Terms no = Terms.agreement("a", Permission.NO, "");
    Terms unknown = Terms.agreement("b", Permission.UNKNOWN, "");
    Terms conditional = Terms.agreement("c", Permission.CONDITIONAL, "");
    Terms yes = Terms.agreement("d", Permission.YES, "");
    List<Terms> byStrictness = List.of(yes, conditional, unknown, no);
    for (int i = 0; i < byStrictness.size(); i++) {
      for (int j = 0; j < byStrictness.size(); j++) {
        assertThat(byStrictness.get(i).stricter(byStrictness.get(j)))
            .isEqualTo(byStrictness.get(Math.max(i, j)));
      }
    }
    assertThat(yes.orInherited(conditional)).isEqualTo(yes);
    assertThat(yes.orInherited(no)).isEqualTo(no);
    assertThat(Terms.undeclared().orInherited(yes)).isEqualTo(yes);
  }

  @Test
  void policies_decide() {
    assertThat(Permission.values())
        .extracting(each -> TermsPolicy.standard().decide(Terms.agreement("x", each, "")))
        .containsExactly(
            TermsPolicy.Verdict.ALLOW,
            TermsPolicy.Verdict.WARN,
            TermsPolicy.Verdict.REFUSE,
            TermsPolicy.Verdict.WARN);
    assertThat(Permission.values())
        .extracting(each -> TermsPolicy.strict().decide(Terms.agreement("x", each, "")))
        .containsExactly(
            TermsPolicy.Verdict.ALLOW,
            TermsPolicy.Verdict.REFUSE,
            TermsPolicy.Verdict.REFUSE,
            TermsPolicy.Verdict.REFUSE);
    assertThat(Permission.values())
        .extracting(each -> TermsPolicy.warning().decide(Terms.agreement("x", each, "")))
        .containsExactly(
            TermsPolicy.Verdict.ALLOW,
            TermsPolicy.Verdict.WARN,
            TermsPolicy.Verdict.WARN,
            TermsPolicy.Verdict.WARN);
    assertThatThrownBy(
            () ->
                new TermsDecision(
                    "t", Terms.undeclared(), TermsPolicy.Verdict.REFUSE, Optional.empty()))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
