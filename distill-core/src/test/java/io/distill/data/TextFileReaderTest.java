package io.distill.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TextFileReaderTest {

  @TempDir private Path directory;

  private Path file(String content) throws IOException {
    return Files.writeString(directory.resolve("data"), content);
  }

  private Path file(byte[] content) throws IOException {
    return Files.write(directory.resolve("data"), content);
  }

  private static byte[] compressed(String content) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream stream = new GZIPOutputStream(bytes)) {
      stream.write(content.getBytes(StandardCharsets.UTF_8));
    }
    return bytes.toByteArray();
  }

  private static List<String> labels(TextDataset dataset) {
    return IntStream.range(0, dataset.size())
        .mapToObj(
            row -> dataset.label(row) < 0 ? "-" : dataset.classNames().get(dataset.label(row)))
        .toList();
  }

  private static void assertFault(ThrowingCallable action, String message) {
    assertThatThrownBy(action).isInstanceOf(DistillationException.class).hasMessage(message);
  }

  @Test
  void csv_withHeader_readsNamedColumns() throws IOException {
    TextDataset dataset =
        TextDataset.csv(file("id,Category,Text\n1,refund,give it back\n2,,who knows\n")).read();

    assertThat(dataset.texts()).containsExactly("give it back", "who knows");
    assertThat(labels(dataset)).containsExactly("refund", "-");
    assertThat(dataset.classNames()).containsExactly("refund");
  }

  @Test
  void csv_quotedFields_mayHoldLinesCommasAndQuotes() throws IOException {
    TextDataset dataset =
        TextDataset.csv(file("text,label\r\n\"a, \"\"b\"\"\r\nc\",x\r\n\r\nd \"e\",y")).read();

    assertThat(dataset.texts()).containsExactly("a, \"b\"\r\nc", "d \"e\"");
    assertThat(labels(dataset)).containsExactly("x", "y");
  }

  @Test
  void csv_withoutHeader_takesTextThenLabel() throws IOException {
    assertThat(labels(TextDataset.csv(file("one,a\ntwo,b\n")).read())).containsExactly("a", "b");
    assertThat(TextDataset.csv(file("only texts\nin here\n")).read().texts())
        .containsExactly("only texts", "in here");
    assertThat(labels(TextDataset.csv(file("one,a\n")).unlabelled().read())).containsExactly("-");
  }

  @Test
  void csv_columnsByPosition_areTaken() throws IOException {
    assertThat(TextDataset.csv(file("a,9,one\nb,9,two\n")).columns(2, 0).read().texts())
        .containsExactly("one", "two");
    // a header is recognised there as well, or declared
    assertThat(TextDataset.csv(file("label,text\na,one\n")).columns(1, 0).read().texts())
        .containsExactly("one");
    assertThat(TextDataset.csv(file("k,t\na,one\n")).columns(1, 0).header(true).read().texts())
        .containsExactly("one");
    assertThat(TextDataset.csv(file("label,text\n")).columns(1, 0).header(false).read().texts())
        .containsExactly("text");
    assertThat(TextDataset.csv(file("one\n")).columns(0, 1).unlabelled().read().texts())
        .containsExactly("one");
  }

  @Test
  void csv_namedColumns_areTaken() throws IOException {
    Path path = file("mail, kind ,text\nhello,greeting,ignored\n");

    assertThat(TextDataset.csv(path).textColumn("mail").labelColumn("kind").read().texts())
        .containsExactly("hello");
    assertThat(TextDataset.csv(path).textColumn("mail").unlabelled().read().classNames()).isEmpty();
  }

  @Test
  void csv_onlyTextColumn_isUnlabelled() throws IOException {
    assertThat(labels(TextDataset.csv(file("text\none\n\ntwo\n")).read()))
        .containsExactly("-", "-");
  }

  @Test
  void csv_missingColumn_listsThePresentOnes() throws IOException {
    Path path = file("text,category\none,a\n");

    assertFault(
        () -> TextDataset.csv(path).labelColumn("intent").read(),
        "label column 'intent' must exist in "
            + path
            + " but the header has: text, category; name it with labelColumn(...), or call"
            + " unlabelled()");
    assertFault(
        () -> TextDataset.csv(path).textColumn("mail").read(),
        "text column 'mail' must exist in "
            + path
            + " but the header has: text, category; name it with textColumn(...)");
  }

  @Test
  void csv_unrecognisedColumns_areReported() throws IOException {
    Path path = file("text,kind\none,a\n");

    assertFault(
        () -> TextDataset.csv(path).read(),
        "label column (one of label, category, intent, class, target) must exist in "
            + path
            + " but the header has: text, kind; name it with labelColumn(...), or call"
            + " unlabelled()");
    assertFault(
        () -> TextDataset.csv(file("a,b\none,a\n")).header(true).read(),
        "text column (one of text, sentence, document, utterance, query, content, body) must exist"
            + " in "
            + path
            + " but the header has: a, b; name it with textColumn(...)");
    assertFault(
        () -> TextDataset.csv(file("one,two,three\n")).read(),
        "columns of "
            + path
            + " must be named in its first line, or be text and label, but were 3; say where they"
            + " are with columns(text, label), or how they are named with textColumn(...) and"
            + " labelColumn(...)");
    assertFault(
        () -> TextDataset.csv(file("one,two\n")).columns(0, 2).read(),
        "columns(text, label) must be positions from 0 to 1 in " + path + " but were 0 and 2");
  }

  @Test
  void csv_raggedRow_isReportedWithLine() throws IOException {
    Path path = file("text,label\n\"two\nlines\",a\none,b,c\n");

    assertFault(
        () -> TextDataset.csv(path).read(),
        "row at line 4 of "
            + path
            + " must have 2 columns like the first but had 3; quote a field that has a separator in"
            + " it");
    assertFault(
        () -> TextDataset.tsv(file("text\tlabel\n\none\n")).read(),
        "row at line 3 of " + path + " must have 2 columns like the first but had 1");
  }

  @Test
  void csv_brokenQuotes_areReportedWithLine() throws IOException {
    Path path = file("text,label\nfine,a\n\"broken\" here,b\n");

    assertThatThrownBy(() -> TextDataset.csv(path).read())
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("row at line 3 of " + path + " must be well-formed but was not: ")
        .hasMessageEndingWith(
            "; double a quote inside a quoted field and close the field, or read with"
                + " quoted(false)");
    assertThatThrownBy(() -> TextDataset.csv(file("text,label\n\"never closed,a\nb,c\n")).read())
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("row at line 2 of " + path);
    assertThat(
            TextDataset.csv(file("text,label\n\"broken\" here,b\n")).quoted(false).read().text(0))
        .isEqualTo("\"broken\" here");
  }

  @Test
  void csv_blankText_isReportedWithLine() throws IOException {
    Path path = file("text,label\nfine,a\n ,b\n");

    assertFault(
        () -> TextDataset.csv(path).read(),
        "text at line 3 of " + path + " must not be blank but was ' '; remove the row");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "\n\n", "text,label\n", "\uFEFF"})
  void csv_withoutRows_isReported(String content) throws IOException {
    Path path = file(content);

    assertFault(
        () -> TextDataset.csv(path).read(),
        "data file " + path + " must have at least one row of text but had none");
  }

  @Test
  void tsv_quotes_areCharacters() throws IOException {
    Path path = file("text\tlabel\n\"Hi\" he said\ta\n\"unclosed\tb\n");

    assertThat(TextDataset.tsv(path).read().texts())
        .containsExactly("\"Hi\" he said", "\"unclosed");
    assertThat(TextDataset.tsv(file("\"a\tb\"\tx\n")).quoted(true).read().texts())
        .containsExactly("a\tb");
  }

  @Test
  void file_withByteOrderMark_isRead() throws IOException {
    assertThat(labels(TextDataset.csv(file("\uFEFFtext,label\none,a\n")).read()))
        .containsExactly("a");
    assertThat(TextDataset.jsonLines(file("\uFEFF{\"text\":\"é\"}")).read().text(0)).isEqualTo("é");
  }

  @Test
  void file_compressed_isRead() throws IOException {
    StringBuilder content = new StringBuilder("text,label\n");
    for (int i = 0; i < 20_000; i++) {
      content.append("Grüße an ").append(i).append(" \ud83d\ude00,").append(i % 7).append('\n');
    }
    TextDataset dataset = TextDataset.csv(file(compressed(content.toString()))).read();

    assertThat(dataset.size()).isEqualTo(20_000);
    assertThat(dataset.text(19_999)).isEqualTo("Grüße an 19999 \ud83d\ude00");
    assertThat(dataset.classNames()).containsExactly("0", "1", "2", "3", "4", "5", "6");
  }

  @Test
  void file_truncatedGzip_isReported() throws IOException {
    byte[] whole = compressed("text,label\none,a\n");
    Path path = file(Arrays.copyOf(whole, whole.length - 6));

    assertThatThrownBy(() -> TextDataset.csv(path).read())
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "data file " + path + " must be a complete gzip file but ends early")
        .hasMessageEndingWith("; copy or download it again");
    assertFault(
        () -> TextDataset.csv(file(Arrays.copyOf(whole, 5))).read(),
        "data file "
            + path
            + " must be a complete gzip file but ends early, in line 1; copy or download it again");
  }

  @Test
  void file_damagedGzip_isReported() throws IOException {
    byte[] bytes = compressed("text,label\none,a\n");
    bytes[bytes.length - 8] ^= 1;
    Path path = file(bytes);

    assertThatThrownBy(() -> TextDataset.csv(path).read())
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "data file " + path + " must be a valid gzip file but is damaged in line ");
    bytes[2] = 3;
    assertThatThrownBy(() -> TextDataset.csv(file(bytes)).read())
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("data file " + path + " must be readable but was not: ");
  }

  @Test
  void file_malformedUtf8_isReportedWithLine() throws IOException {
    byte[] bytes = "text,label\none,a\ntw\u00ff,b\n".getBytes(StandardCharsets.ISO_8859_1);
    Path path = file(bytes);
    String message =
        "data file "
            + path
            + " must be UTF-8 text but line 3 has the byte 0xFF where no character can have it;"
            + " save the file as UTF-8";

    assertFault(() -> TextDataset.csv(path).read(), message);
    assertFault(
        () ->
            TextDataset.jsonLines(
                    file("{\"text\":\"a\"}\n\n\u00e9".getBytes(StandardCharsets.ISO_8859_1)))
                .read(),
        message.replace("0xFF", "0xE9"));
  }

  @Test
  void file_malformedUtf8FarInside_isReportedWithLine() throws IOException {
    byte[] bytes = ("x".repeat(99) + "\n").repeat(5000).getBytes(StandardCharsets.US_ASCII);
    bytes[100 * 4321 + 7] = (byte) 0xC3;
    Path path = file(bytes);

    assertThatThrownBy(() -> TextDataset.csv(path).read())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("but line 4322 has the byte 0xC3 ");
  }

  @Test
  void file_missingOrDirectory_isReported() {
    Path missing = directory.resolve("none.csv");

    assertFault(
        () -> TextDataset.csv(missing).read(),
        "data file must exist but "
            + missing
            + " does not; it was looked for at "
            + missing.toAbsolutePath());
    assertFault(
        () -> TextDataset.jsonLines(directory).read(),
        "data file must be a file but " + directory + " is a directory; name a file in it");
  }

  @Test
  void file_relativePath_isNamedAsGiven() {
    assertThatThrownBy(() -> TextDataset.csv(Path.of("no/such.csv")).read())
        .hasMessageStartingWith(
            "data file must exist but " + Path.of("no/such.csv") + " does not;");
  }

  @Test
  void jsonLines_readsKeys() throws IOException {
    TextDataset dataset =
        TextDataset.jsonLines(
                file(
                    """
                    {"Text":"one","intent":"a","more":{"x":[1]}}

                    {"Text":"two","intent":null}
                    {"Text":"three"}
                    {"Text":"four","intent":7}
                    {"Text":"five","intent":true}
                    """))
            .read();

    assertThat(dataset.texts()).containsExactly("one", "two", "three", "four", "five");
    assertThat(labels(dataset)).containsExactly("a", "-", "-", "7", "true");
  }

  @Test
  void jsonLines_namedKeys_areTaken() throws IOException {
    Path path = file("{\"q\":\"one\",\"k\":\"a\",\"label\":\"no\"}\n");

    assertThat(labels(TextDataset.jsonLines(path).textColumn("q").labelColumn("k").read()))
        .containsExactly("a");
    assertThat(labels(TextDataset.jsonLines(path).textColumn("q").unlabelled().read()))
        .containsExactly("-");
    assertFault(
        () -> TextDataset.jsonLines(path).read(),
        "text column (one of text, sentence, document, utterance, query, content, body) must exist"
            + " in "
            + path
            + " but the object in the first line has: q, k, label; name it with textColumn(...)");
    assertFault(
        () -> TextDataset.jsonLines(path).textColumn("q").labelColumn("z").read(),
        "label column 'z' must exist in "
            + path
            + " but the object in the first line has: q, k, label; name it with labelColumn(...),"
            + " or call unlabelled()");
  }

  @Test
  void jsonLines_badLine_isReportedWithNumber() throws IOException {
    Path path = file("{\"text\":\"one\"}\n\n{\"text\":\n");

    assertFault(
        () -> TextDataset.jsonLines(path).read(),
        "line 3 of " + path + " must be one JSON object but was: {\"text\":");
    assertFault(
        () -> TextDataset.jsonLines(file("[1]\n")).read(),
        "line 1 of " + path + " must be one JSON object but was: [1]");
    assertFault(
        () -> TextDataset.jsonLines(file("{\"text\":\"a\"} {\"text\":\"" + "b".repeat(50))).read(),
        "line 1 of "
            + path
            + " must be one JSON object but was: {\"text\":\"a\"} {\"text\":\""
            + "b".repeat(18)
            + "...");
  }

  @Test
  void jsonLines_wrongTypes_areReportedWithLine() throws IOException {
    Path path = file("{\"text\":\"one\"}\n{\"label\":\"a\"}\n");

    assertFault(
        () -> TextDataset.jsonLines(path).read(),
        "text at line 2 of " + path + " must be a string at key 'text' but was missing");
    assertFault(
        () -> TextDataset.jsonLines(file("{\"text\":5}")).read(),
        "text at line 1 of " + path + " must be a string at key 'text' but was 5");
    assertFault(
        () -> TextDataset.jsonLines(file("{\"text\":\"\"}")).read(),
        "text at line 1 of " + path + " must not be blank but was ''; remove the row");
    assertFault(
        () -> TextDataset.jsonLines(file("{\"text\":\"x\",\"label\":[1]}")).read(),
        "label at line 1 of "
            + path
            + " must be a string, number, boolean or null at key 'label' but was [1]");
  }

  @Test
  void options_thatContradict_areRejected() {
    assertThatThrownBy(() -> TextDataset.csv(directory).columns(0, 1).textColumn("x").read())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("columns must be given by name or by position but were given by both");
    assertThatThrownBy(() -> TextDataset.jsonLines(directory).columns(0, 1).read())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("columns and header must not be set for JSON Lines, whose columns are keys");
    assertThatThrownBy(() -> TextDataset.csv(directory).header(false).labelColumn("x").read())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "columns must be given by position, columns(text, label), in a file without a header"
                + " but were given by name");
    assertThatThrownBy(() -> TextDataset.csv(directory).columns(-1, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("text must be at least 0 but was -1");
    assertThatThrownBy(() -> TextDataset.csv(directory).columns(0, -1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("label must be at least 0 but was -1");
    assertThatThrownBy(() -> TextDataset.csv(directory).columns(1, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("text and label must be different columns but both were 1");
  }
}
