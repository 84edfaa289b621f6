package io.distill.provenance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ProvenanceTest {

  @TempDir private Path directory;

  static Provenance provenance(String teacher, String reason, List<Provenance> lineage) {
    Map<String, Double> metrics = new LinkedHashMap<>();
    metrics.put("accuracy", 0.875);
    metrics.put("kl", Double.NaN);
    JsonObject recipe = new JsonObject();
    recipe.addProperty("seed", 42);
    return new Provenance(
        RecipeDescription.of(recipe),
        new TeacherOrigin(teacher, Optional.of("0a1b"), Terms.spdx("Apache-2.0")),
        new DataOrigin(Optional.of("mails"), "2c3d", 1200, Optional.empty()),
        new StudentOrigin(
            "TransformerEncoder", 123456, "4e5f", List.of("ham", "spam"), true, Optional.of("MIT")),
        new Environment("0.1", "0.36.0", "2.7.1", "17", "Linux amd64", "cpu", 1, 2),
        new RunFacts(Instant.parse("2026-01-02T03:04:05Z"), 12.345678, 3, 100, "EARLY_STOPPED"),
        metrics,
        List.of(
            new TermsDecision(
                teacher, Terms.service("openai"), TermsPolicy.Verdict.REFUSE, Optional.of(reason))),
        lineage,
        0);
  }

  private static Provenance plain() {
    return provenance("org/model", "contract", List.of());
  }

  @Test
  void provenance_isTheSameAfterItsText() {
    Provenance provenance = provenance("a", "b", List.of(provenance("c", "d", List.of(plain()))));
    assertThat(Provenance.parse(provenance.toJson())).isEqualTo(provenance);
    Path file = directory.resolve(Provenance.FILE);
    provenance.write(file);
    assertThat(Provenance.read(file)).isEqualTo(provenance);
    assertThat(Provenance.read(directory)).isEqualTo(provenance);
  }

  @Test
  void longLineages_areCutAndKeepTheirTerms() {
    Provenance provenance = provenance("0", "reason 0", List.of());
    List<TermsDecision> terms = new ArrayList<>(provenance.terms());
    for (int i = 1; i < 20; i++) {
      Provenance next = provenance("" + i, "reason " + i, List.of(provenance));
      terms.addAll(0, next.terms());
      provenance =
          new Provenance(
              next.recipe(),
              next.teacher(),
              next.data(),
              next.student(),
              next.environment(),
              next.run(),
              next.metrics(),
              terms,
              next.lineage(),
              next.omittedAncestors());
    }
    int generations = 0;
    Provenance each = provenance;
    while (!each.lineage().isEmpty()) {
      each = each.lineage().get(0);
      generations++;
    }
    assertThat(generations).isEqualTo(Provenance.MAXIMUM_GENERATIONS);
    assertThat(each.teacher().id()).isEqualTo("13");
    assertThat(provenance.terms()).hasSize(20);
    assertThat(Provenance.parse(provenance.toJson())).isEqualTo(provenance);
  }

  @Test
  void broadLineages_areCut() {
    List<Provenance> teachers = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      teachers.add(provenance("" + i, "r", List.of()));
    }
    Provenance provenance = provenance("ensemble", "r", teachers);
    assertThat(provenance.lineage()).hasSize(Provenance.MAXIMUM_ANCESTORS);
    assertThat(provenance.omittedAncestors()).isEqualTo(18);
  }

  private static JsonObject json() {
    return JsonParser.parseString(plain().toJson()).getAsJsonObject();
  }

  private static String with(String member, String value) {
    JsonObject json = json();
    String[] path = member.split("/", -1);
    JsonElement target = json;
    for (int i = 0; i < path.length - 1; i++) {
      target =
          target instanceof JsonArray array
              ? array.get(Integer.parseInt(path[i]))
              : target.getAsJsonObject().get(path[i]);
    }
    JsonObject object = target.getAsJsonObject();
    if (value.isEmpty()) {
      object.remove(path[path.length - 1]);
    } else {
      object.add(path[path.length - 1], JsonParser.parseString(value));
    }
    return json.toString();
  }

  static Stream<Arguments> malformed() {
    String whole = plain().toJson();
    return Stream.of(
        Arguments.of("nothing", "", "must be JSON but is not"),
        Arguments.of("half", whole.substring(0, whole.length() / 2), "must be JSON but is not"),
        Arguments.of("twice", whole + whole, "must be JSON but is not"),
        Arguments.of("trailing", whole + "x", "must be JSON but is not"),
        Arguments.of("comment", "/* */" + whole, "must be JSON but is not"),
        Arguments.of("single quotes", "{'format': 1}", "must be JSON but is not"),
        Arguments.of("unquoted", "{format: 1}", "must be JSON but is not"),
        Arguments.of("prefix", ")]}'\n" + whole, "must be JSON but is not"),
        Arguments.of("list", "[]", "must be a JSON object"),
        Arguments.of("null", "null", "must be a JSON object"),
        Arguments.of("depth", "[".repeat(100_000), "must be JSON but is not"),
        Arguments.of("objects", "{\"a\":".repeat(5000), "must be JSON but is not"),
        Arguments.of("two names", "{\"a\":1,\"a\":2}", "must name each value once"),
        Arguments.of("digits", "{\"a\":" + "9".repeat(40) + "}", "at most 32 characters"),
        Arguments.of("more digits", "{\"a\":" + "9".repeat(10_000) + "}", "must be JSON"),
        Arguments.of("exponent", "{\"a\":1e99999999999}", "must be JSON but is not"),
        Arguments.of("NaN", "{\"a\":NaN}", "must be JSON but is not"),
        Arguments.of("length", " ".repeat((16 << 20) + 1), "at most 16777216 characters"),
        Arguments.of("no format", with("format", ""), "must have a member 'format'"),
        Arguments.of("format", with("format", "\"zip\""), "must be of format 'distill provenance'"),
        Arguments.of("version", with("version", "2"), "but is of format"),
        Arguments.of("version text", with("version", "\"1\""), "must be a whole number"),
        Arguments.of("member", with("more", "1"), "has unknown members"),
        Arguments.of("no recipe", with("recipe", ""), "must have a member 'recipe'"),
        Arguments.of("recipe", with("recipe", "[]"), "must have an object 'recipe'"),
        Arguments.of("metrics", with("metrics", "[]"), "must have an object 'metrics'"),
        Arguments.of("metric", with("metrics/kl", "\"low\""), "metrics.kl must be a number"),
        Arguments.of("metric null", with("metrics/kl", "null"), "metrics.kl must be a number"),
        Arguments.of("terms", with("terms", "{}"), "must have a list 'terms'"),
        Arguments.of("term", with("terms", "[1]"), "terms[0] must be an object"),
        Arguments.of("verdict", with("terms/0/verdict", "\"MAYBE\""), "must be one of"),
        Arguments.of("no reason", with("terms/0/reason", ""), "reason must be given"),
        Arguments.of("blank", with("terms/0/reason", "\" \""), "reason must not be blank"),
        Arguments.of("kind", with("terms/0/terms/kind", "\"LAW\""), "must be one of"),
        Arguments.of("id", with("terms/0/terms/id", "\"\""), "id must not be blank"),
        Arguments.of("date", with("terms/0/terms/checked", "\"soon\""), "ISO 8601"),
        Arguments.of("lineage", with("lineage", "{}"), "must have a list 'lineage'"),
        Arguments.of("ancestor", with("lineage", "[{}]"), "lineage[0] must have a member 'format'"),
        Arguments.of("started", with("run/started", "\"now\""), "ISO 8601"),
        Arguments.of("steps", with("run/steps", "1.5"), "run.steps must be a whole number"),
        Arguments.of("no rows", with("data/rows", ""), "data.rows must be present"),
        Arguments.of("rows", with("data/rows", "1e30"), "data.rows must be a whole number"),
        Arguments.of("threads", with("environment/threads", "[]"), "must be a whole number"),
        Arguments.of("classes", with("student/classNames", "[1]"), "must be a text"),
        Arguments.of("text", with("student/readsText", "1"), "must be true or false"),
        Arguments.of("opaque", with("teacher", "{\"opaque\":\"x\"}"), "teacher.id must be present"),
        Arguments.of("type", with("teacher/type", "\"java.lang.Object\""), "has \"type\""));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("malformed")
  void malformedProvenance_isRefused(String name, String text, String message) {
    assertThatThrownBy(() -> Provenance.parse(text))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining(message)
        .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(1000));
  }

  @Test
  void tooManyGenerations_areRefused() {
    JsonObject json = json();
    for (int i = 0; i < 8; i++) {
      JsonObject next = json();
      next.getAsJsonArray("lineage").add(json);
      json = next;
    }
    String text = json.toString();
    assertThatThrownBy(() -> Provenance.parse(text))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("at most 6 generations");
  }

  @Test
  void filesThatAreNone_areRefused() throws IOException {
    assertThatThrownBy(() -> Provenance.read(directory.resolve("nothing")))
        .isInstanceOf(DistillationException.class);
    assertThatThrownBy(() -> Provenance.read(directory)).isInstanceOf(DistillationException.class);
    Path large = directory.resolve("large.json");
    try (RandomAccessFile file = new RandomAccessFile(large.toFile(), "rw")) {
      file.setLength(1L << 40);
    }
    assertThatThrownBy(() -> Provenance.read(large))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("at most 16777216 bytes");
    Path broken = directory.resolve("broken.json");
    Files.write(broken, new byte[] {'"', (byte) 0xff, '"'});
    assertThatThrownBy(() -> Provenance.read(broken))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must be UTF-8");
  }

  @ParameterizedTest(name = "seed={0}")
  @MethodSource("seeds")
  void flippedBit_neverDoesWorseThanARefusal(long seed) {
    byte[] bytes = plain().toJson().getBytes(StandardCharsets.UTF_8);
    SplittableRandom random = new SplittableRandom(seed);
    int at = random.nextInt(bytes.length);
    bytes[at] ^= (byte) (1 << random.nextInt(8));
    Path file = directory.resolve("flipped.json");
    try {
      Files.write(file, bytes);
      // a flipped letter of a name or a digit of a number cannot be told from the right one
      assertThat(Provenance.read(file).toJson()).isNotEqualTo(plain().toJson());
    } catch (DistillationException refused) {
      assertThat(refused.getMessage()).isNotBlank();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  static Stream<Long> seeds() {
    return Stream.iterate(1L, seed -> seed + 1).limit(100);
  }
}
