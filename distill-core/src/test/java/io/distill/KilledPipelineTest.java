package io.distill;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.trace.EvaluationPipeline;
import io.distill.trace.TracePipeline;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pipelines whose process is killed, by SIGKILL, or asked to end, by SIGTERM. */
class KilledPipelineTest {

  private static final int CONCURRENCY = 2;
  private static final List<String> TRACE_FILES =
      List.of(TracePipeline.ANSWERS_FILE, TracePipeline.VERDICTS_FILE, TracePipeline.TRACES_FILE);

  @TempDir private Path temporary;

  private int processes;
  private final List<Path> logs = new ArrayList<>();

  private Process start(String what, Path directory, long teacherMillis, long filterMillis)
      throws IOException {
    logs.add(temporary.resolve("questions-" + processes++));
    return PipelineProcess.start(
        temporary.resolve("output"),
        what,
        directory.toString(),
        log().toString(),
        Long.toString(teacherMillis),
        Long.toString(filterMillis));
  }

  private Path log() {
    return logs.get(logs.size() - 1);
  }

  private static List<String> lines(Path file) {
    try {
      if (!Files.exists(file)) {
        return List.of();
      }
      String text = Files.readString(file);
      return text.substring(0, text.lastIndexOf('\n') + 1).lines().toList();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  /** Waits until a process got somewhere. */
  private void await(Process process, IntSupplier reached, int wanted) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
    while (reached.getAsInt() < wanted) {
      assertThat(process.isAlive() && System.nanoTime() < deadline)
          .as("got to %s of %s: %s", reached.getAsInt(), wanted, output())
          .isTrue();
      Thread.sleep(2);
    }
  }

  private String output() throws IOException {
    return Files.readString(temporary.resolve("output"));
  }

  private static void kill(Process process) throws InterruptedException {
    assertThat(process.isAlive()).as("the kill must come before the end").isTrue();
    process.destroyForcibly();
    process.waitFor();
  }

  private void finish(Process process) throws Exception {
    assertThat(process.waitFor(120, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as(output()).isZero();
  }

  /** Returns which answers a file has, as the teacher writes questions down. */
  private static Set<String> stored(Path answers) {
    Set<String> stored = new HashSet<>();
    for (String line : lines(answers)) {
      JsonObject json = JsonParser.parseString(line).getAsJsonObject();
      stored.add(json.get("id").getAsString() + "/" + json.get("index").getAsInt());
    }
    return stored;
  }

  private void assertAskedNone(Set<String> stored) {
    assertThat(lines(log())).noneMatch(stored::contains);
  }

  private static void assertSameTraces(Path directory, Path expected) throws IOException {
    for (String name : TRACE_FILES) {
      assertThat(Files.readAllBytes(directory.resolve(name)))
          .as(name)
          .isEqualTo(Files.readAllBytes(expected.resolve(name)));
    }
  }

  @Test
  void killedWhileAnsweringAndJudging_asksNoStoredAnswerAgain_andEndsInTheSameFiles()
      throws Exception {
    Path whole = temporary.resolve("whole");
    assertThat(
            PipelineProcess.traces(whole, temporary.resolve("log"), 0, 0).run().report().complete())
        .isTrue();
    int all = lines(whole.resolve(TracePipeline.ANSWERS_FILE)).size();
    Path directory = temporary.resolve("killed");
    Path answers = directory.resolve(TracePipeline.ANSWERS_FILE);
    Path verdicts = directory.resolve(TracePipeline.VERDICTS_FILE);
    Set<String> stored = Set.of();
    int asked = 0;
    // while the teacher is slow
    for (int answered : new int[] {7, 40, 75}) {
      Process process = start("traces", directory, 10, 0);
      await(process, () -> lines(answers).size(), answered);
      kill(process);
      assertAskedNone(stored);
      asked += lines(log()).size();
      stored = stored(answers);
    }
    // while the filter is slow, which then is far behind the teacher
    for (int judged : new int[] {80, 110}) {
      Process process = start("traces", directory, 0, 10);
      await(process, () -> lines(verdicts).size(), judged);
      kill(process);
      assertAskedNone(stored);
      asked += lines(log()).size();
      stored = stored(answers);
    }
    finish(start("traces", directory, 0, 0));
    assertAskedNone(stored);
    asked += lines(log()).size();
    assertThat(asked).isBetween(all, all + 5 * CONCURRENCY);
    assertSameTraces(directory, whole);
    assertThat(Files.readString(directory.resolve(TracePipeline.PROVENANCE_FILE)))
        .isEqualTo(Files.readString(whole.resolve(TracePipeline.PROVENANCE_FILE)));
  }

  /** What Ctrl-C and a container's end do. */
  @Test
  void processThatIsAskedToEnd_keepsAnswersUnderWay_andTellsThatItIsNotComplete() throws Exception {
    Path directory = temporary.resolve("ended");
    Path answers = directory.resolve(TracePipeline.ANSWERS_FILE);
    Process process = start("traces", directory, 50, 0);
    await(process, () -> lines(answers).size(), 4);
    process.destroy();
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).as("the signal, not the end of the program").isEqualTo(143);
    Set<String> stored = stored(answers);
    // nothing that was asked is lost
    assertThat(stored).containsExactlyInAnyOrderElementsOf(lines(log()));
    JsonObject report =
        JsonParser.parseString(Files.readString(directory.resolve(TracePipeline.PROVENANCE_FILE)))
            .getAsJsonObject()
            .getAsJsonObject("report");
    assertThat(report.get("complete").getAsBoolean()).isFalse();
    assertThat(report.get("answers").getAsInt()).isEqualTo(stored.size());
    finish(start("traces", directory, 0, 0));
    assertAskedNone(stored);
  }

  @Test
  void wholePipeline_killedInEachStage_endsInTheSameStudentAndFigures() throws Exception {
    Path whole = temporary.resolve("whole");
    try (TraceDistillation result =
        PipelineProcess.whole(whole, temporary.resolve("log"), 0).fit()) {
      assertThat(result.complete()).isTrue();
    }
    Path directory = temporary.resolve("killed");
    Path answers =
        directory.resolve(TraceDistiller.TRACES_DIRECTORY).resolve(TracePipeline.ANSWERS_FILE);
    Process answering = start("whole", directory, 10, 0);
    await(answering, () -> lines(answers).size(), 20);
    kill(answering);
    Set<String> stored = stored(answers);
    assertThat(stored).isNotEmpty();

    Process training = start("whole", directory, 0, 0);
    await(training, () -> checkpoints(directory), 2);
    kill(training);
    assertThat(directory.resolve(TraceDistiller.STUDENT_DIRECTORY)).doesNotExist();
    assertAskedNone(stored);
    stored = stored(answers);

    Process evaluating = start("whole", directory, 50, 0);
    await(evaluating, () -> lines(evaluated(directory)).size(), 3);
    kill(evaluating);
    byte[] student = weights(directory);
    assertAskedNone(stored);
    Set<String> evaluated = stored(evaluated(directory));

    finish(start("whole", directory, 0, 0));
    assertAskedNone(evaluated);
    assertAskedNone(stored);
    assertThat(weights(directory)).isEqualTo(student).isEqualTo(weights(whole));
    assertThat(files(directory)).isEqualTo(files(whole));
    assertThat(report(directory)).isEqualTo(report(whole));
  }

  private static int checkpoints(Path directory) {
    return names(directory.resolve(TraceDistiller.TRAINING_DIRECTORY), "checkpoint-\\d+").size();
  }

  private static Path evaluated(Path directory) {
    List<Path> found = names(directory.resolve(TraceDistiller.EVALUATION_DIRECTORY), "teacher-.*");
    return found.isEmpty() ? directory.resolve("none") : found.get(0).resolve("answers.jsonl");
  }

  private static List<Path> names(Path root, String pattern) {
    if (!Files.isDirectory(root)) {
      return List.of();
    }
    try (Stream<Path> tree = Files.walk(root)) {
      return tree.filter(each -> each.getFileName().toString().matches(pattern)).toList();
    } catch (IOException | java.io.UncheckedIOException e) {
      // a temporary directory may vanish meanwhile
      return List.of();
    }
  }

  private static byte[] weights(Path directory) throws IOException {
    return Files.readAllBytes(
        directory.resolve(TraceDistiller.STUDENT_DIRECTORY).resolve("model.safetensors"));
  }

  /** All files that no time or place is written into, by name. */
  private static Map<String, String> files(Path directory) throws IOException {
    Map<String, String> files = new TreeMap<>();
    for (String name :
        List.of(
            TracePipeline.ANSWERS_FILE,
            TracePipeline.VERDICTS_FILE,
            TracePipeline.TRACES_FILE,
            TracePipeline.PROVENANCE_FILE,
            EvaluationPipeline.SCORES_FILE,
            "config.json",
            "tokenizer.json")) {
      for (String stage :
          List.of(
              TraceDistiller.TRACES_DIRECTORY,
              TraceDistiller.STUDENT_DIRECTORY,
              TraceDistiller.EVALUATION_DIRECTORY)) {
        for (Path file : names(directory.resolve(stage), name.replace(".", "\\."))) {
          files.put(directory.relativize(file).toString(), Files.readString(file));
        }
      }
    }
    assertThat(files).hasSizeGreaterThan(10);
    return files;
  }

  private static JsonObject report(Path directory) throws IOException {
    JsonObject report =
        JsonParser.parseString(Files.readString(directory.resolve(TraceDistiller.REPORT_FILE)))
            .getAsJsonObject();
    report.getAsJsonObject("training").remove("seconds");
    assertThat(report.get("complete").getAsBoolean()).isTrue();
    return report;
  }
}
