package io.distill.examples.email;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmailExampleTest {

  @TempDir Path directory;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  private int run(String... arguments) {
    return EmailExample.run(
        new PrintStream(out, true, StandardCharsets.UTF_8),
        new PrintStream(err, true, StandardCharsets.UTF_8),
        arguments);
  }

  private String error() {
    return err.toString(StandardCharsets.UTF_8).strip();
  }

  /** The main job, once: what the README promises of it, and serving without this library. */
  @Test
  void example_distilsAStudentThatPlainDjlServes() throws Exception {
    Path json = directory.resolve("figures.json");
    Path student = directory.resolve("student");

    Path report = directory.resolve("report");

    int status =
        run(
            "--seeds",
            "1",
            "--json",
            json.toString(),
            "--save",
            student.toString(),
            "--report",
            report.toString());

    assertThat(status).as(error()).isZero();
    JsonObject figures = JsonParser.parseString(Files.readString(json)).getAsJsonObject();
    for (String contestant : List.of("teacher", "plain", "selfTrained", "distilled")) {
      assertThat(figures.getAsJsonObject(contestant).keySet())
          .contains(
              "accuracy",
              "agreement",
              "parameters",
              "bytes",
              "sentencesPerSecond",
              "p50Millis",
              "trainingSeconds",
              "offTask");
    }
    double teacher = figure(figures, "teacher", "accuracy");
    double distilled = figure(figures, "distilled", "accuracy");
    assertThat(distilled).isGreaterThan(figure(figures, "plain", "accuracy") + 0.05);
    assertThat(distilled).isGreaterThan(figure(figures, "selfTrained", "accuracy") + 0.05);
    assertThat(distilled).isGreaterThan(0.95 * teacher);
    assertThat(figure(figures, "teacher", "parameters"))
        .isGreaterThan(50 * figure(figures, "distilled", "parameters"));
    assertThat(figure(figures, "teacher", "bytes"))
        .isGreaterThan(50 * figure(figures, "distilled", "bytes"));
    assertThat(out.toString(StandardCharsets.UTF_8)).contains("gave the same answers");
    servedWithoutThisLibrary(student);
    reportsTheSame(report, figures);
  }

  private static void reportsTheSame(Path report, JsonObject figures) throws IOException {
    JsonObject written =
        JsonParser.parseString(Files.readString(report.resolve("report.json"))).getAsJsonObject();
    JsonObject distilled = written.getAsJsonArray("models").get(3).getAsJsonObject();
    assertThat(distilled.get("name").getAsString()).isEqualTo("distilled");
    for (String name : List.of("accuracy", "agreement", "parameters", "bytes")) {
      assertThat(
              distilled.getAsJsonObject("figures").getAsJsonObject(name).get("value").getAsDouble())
          .as(name)
          .isEqualTo(figure(figures, "distilled", name));
    }
    assertThat(Files.readString(report.resolve("report.html")))
        .contains("The student keeps ", "Only 1 seed was trained.", "What it knows beyond");
  }

  private static double figure(JsonObject figures, String contestant, String name) {
    return figures.getAsJsonObject(contestant).get(name).getAsDouble();
  }

  private void servedWithoutThisLibrary(Path student) throws Exception {
    String libraries =
        Arrays.stream(
                System.getProperty(
                        "surefire.test.class.path", System.getProperty("java.class.path"))
                    .split(java.io.File.pathSeparator, -1))
            .filter(entry -> entry.endsWith(".jar") && !entry.contains("distill-"))
            .collect(Collectors.joining(java.io.File.pathSeparator));
    Path source = directory.resolve("Serve.java");
    Files.writeString(
        source,
        """
        import ai.djl.huggingface.translator.TextClassificationTranslatorFactory;
        import ai.djl.modality.Classifications;
        import ai.djl.repository.zoo.Criteria;
        import java.nio.file.Path;

        public class Serve {
          public static void main(String[] args) throws Exception {
            try {
              Class.forName("io.distill.Distiller");
              throw new IllegalStateException("distill is on the class path");
            } catch (ClassNotFoundException expected) {
            }
            try (var model = Criteria.builder()
                    .setTypes(String.class, Classifications.class)
                    .optModelPath(Path.of(args[0]))
                    .optModelName("model")
                    .optEngine("PyTorch")
                    .optTranslatorFactory(new TextClassificationTranslatorFactory())
                    .build().loadModel();
                var predictor = model.newPredictor()) {
              System.out.println("answer=" + predictor.predict(args[1]).best().getClassName());
            }
          }
        }
        """);
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dai.djl.offline=true",
                "-cp",
                libraries,
                source.toString(),
                student.toString(),
                "my parcel says delivered but there is nothing on the porch")
            .redirectErrorStream(true)
            .start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(2, TimeUnit.MINUTES)).isTrue();
    assertThat(output).contains("answer=delivery_problem");
  }

  @Test
  void help_explainsEveryFlag() {
    assertThat(run("--help")).isZero();
    assertThat(out.toString(StandardCharsets.UTF_8))
        .contains(
            "--data",
            "--unlabelled",
            "--test",
            "--labels-per-class",
            "--seeds",
            "--epochs",
            "--save",
            "--json",
            "--report");
  }

  @Test
  void flag_unknown_isRefused() {
    assertThat(run("--teacher")).isEqualTo(2);
    assertThat(error()).startsWith("Unknown option: '--teacher'");
  }

  @Test
  void data_missing_isRefused() {
    assertThat(run("--data", directory.resolve("no.csv").toString())).isEqualTo(1);
    assertThat(error()).startsWith("error: data file must exist but " + directory);
  }

  @Test
  void data_ragged_isRefusedWithItsLine() throws IOException {
    assertThat(run("--data", file("text,label\none,a\ntwo,b,c\n"))).isEqualTo(1);
    assertThat(error()).startsWith("error: row at line 3 of ").contains("must have 2 columns");
  }

  @Test
  void data_withoutRows_isRefused() throws IOException {
    assertThat(run("--data", file("text,label\n"))).isEqualTo(1);
    assertThat(error()).contains("must have at least one row of text but had none");
  }

  @Test
  void data_ofOneClass_isRefusedBeforeAnythingIsTrained() throws IOException {
    assertThat(run("--data", file("text,label\none,a\ntwo,a\nthree,a\n"))).isEqualTo(1);
    assertThat(error())
        .isEqualTo(
            "error: --data must have labels of at least two classes but has only [a]; add rows of"
                + " another class");
  }

  @Test
  void data_notUtf8_isRefusedWithItsLine() throws IOException {
    Path file = directory.resolve("bad.csv");
    Files.write(file, new byte[] {'t', 'e', 'x', 't', ',', 'l', 'a', 'b', 'e', 'l', '\n', -1});
    assertThat(run("--data", file.toString())).isEqualTo(1);
    assertThat(error()).contains("must be UTF-8 text but line 2 has the byte 0xFF");
  }

  @Test
  void save_intoForeignDirectory_isRefusedBeforeAnythingIsTrained() throws IOException {
    Files.writeString(directory.resolve("precious.txt"), "x");
    assertThat(run("--save", directory.toString())).isEqualTo(1);
    assertThat(error()).startsWith("error: output directory must be new, empty, or one that was");
    try (Stream<Path> files = Files.list(directory)) {
      assertThat(files).hasSize(1);
    }
  }

  @Test
  void arguments_outOfRange_areRefused() {
    assertThat(run("--seeds", "0")).isEqualTo(1);
    assertThat(error())
        .isEqualTo("error: --seeds must be at least 1 but was 0; give a larger number");
  }

  private String file(String content) throws IOException {
    return Files.writeString(directory.resolve("data.csv"), content).toString();
  }
}
