package io.distill.listener;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import io.distill.exception.DistillationException;
import io.distill.schedule.Progress;
import io.distill.training.Every;
import io.distill.training.FloatRows;
import io.distill.training.ResumableRun;
import io.distill.training.TinyRuns;
import io.distill.training.TrainingListener;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JsonLinesMetricsTest {

  private static final FloatRows DATA = FloatRows.random(10, 3, 1);

  @TempDir Path directory;

  private final HandMade.Nanos nanos = new HandMade.Nanos();

  private Path file() {
    return directory.resolve("metrics.jsonl");
  }

  private JsonLinesMetrics listener(boolean replace, GrowingFile.Opener opener) {
    return new JsonLinesMetrics(file(), replace, HandMade.CLOCK, nanos::read, opener);
  }

  private JsonLinesMetrics listener() {
    return listener(false, GrowingFile.Opener.READ_WRITE);
  }

  private List<JsonObject> lines() {
    return lines(file());
  }

  private static List<JsonObject> lines(Path file) {
    try {
      String text = Files.readString(file);
      assertThat(text)
          .satisfiesAnyOf(t -> assertThat(t).isEmpty(), t -> assertThat(t).endsWith("\n"));
      List<JsonObject> lines = new ArrayList<>();
      for (String line : text.lines().toList()) {
        JsonReader reader = new JsonReader(new StringReader(line));
        reader.setStrictness(Strictness.STRICT);
        lines.add(JsonParser.parseReader(reader).getAsJsonObject());
      }
      return lines;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private List<String> events() {
    return lines().stream()
        .map(
            line ->
                line.get("event").getAsString()
                    + (line.has("step") ? " " + line.get("step").getAsLong() : ""))
        .toList();
  }

  private void append(String text) throws IOException {
    Files.writeString(file(), text, StandardOpenOption.APPEND, StandardOpenOption.CREATE);
  }

  @Test
  void lines_areWhatIsDocumented() throws IOException {
    JsonLinesMetrics metrics = listener();
    metrics.onTeacherPass(new TrainingListener.TeacherPass(160, 320));
    metrics.onTeacherPass(new TrainingListener.TeacherPass(320, 320));
    metrics.onRunStart(HandMade.start(0));
    nanos.passSeconds(0.5);
    metrics.onStep(
        new TrainingListener.Step(
            HandMade.progress(4),
            1.25,
            Map.of("softTargets", 1.5),
            Map.of("softTargets", 0.875),
            0.001,
            4,
            0.7,
            Map.of("softTargets", 0.25),
            32));
    metrics.onEvaluation(HandMade.evaluation(5));
    metrics.onEpoch(HandMade.epoch(1));
    metrics.onCheckpoint(
        new TrainingListener.Checkpoint(Path.of("a \"b\""), 5, 5_000_000_000L, 0.5));
    metrics.onRunEnd(HandMade.end(TrainingListener.EndReason.EARLY_STOPPED));
    String time = "\"time\":\"2026-03-01T12:00:00.000Z\",";
    assertThat(Files.readString(file()).lines())
        .containsExactly(
            "{\"event\":\"runStart\","
                + time
                + "\"firstStep\":0,\"rows\":320,\"epochs\":2,"
                + "\"totalSteps\":10,\"studentParameters\":1234}",
            "{\"event\":\"teacherPass\"," + time + "\"rowsDone\":320,\"rows\":320}",
            "{\"event\":\"step\","
                + time
                + "\"step\":5,\"epoch\":1,\"loss\":1.25,"
                + "\"terms\":{\"softTargets\":1.5},\"weights\":{\"softTargets\":0.875},"
                + "\"learningRate\":0.001,\"temperature\":4.0,"
                + "\"gradientNorm\":0.7,\"gradientNorms\":{\"softTargets\":0.25},\"rows\":32,"
                + "\"rowsPerSecond\":64.0}",
            "{\"event\":\"evaluation\","
                + time
                + "\"step\":5,\"metrics\":{\"accuracy\":0.3125},"
                + "\"best\":true,\"seconds\":0.25}",
            "{\"event\":\"epoch\","
                + time
                + "\"step\":5,\"epoch\":1,\"epochs\":2,\"loss\":0.75,"
                + "\"terms\":{\"softTargets\":0.5},\"learningRate\":0.01,\"temperature\":4.0,"
                + "\"metrics\":{\"accuracy\":0.625},\"seconds\":3.5}",
            "{\"event\":\"checkpoint\","
                + time
                + "\"step\":5,\"directory\":\"a \\\"b\\\"\","
                + "\"bytes\":5000000000,\"seconds\":0.5}",
            "{\"event\":\"runEnd\","
                + time
                + "\"step\":10,\"seconds\":12.5,"
                + "\"teacherSeconds\":2.5,\"reason\":\"EARLY_STOPPED\"}");
  }

  @Test
  void whatIsNotFinite_isNull() {
    JsonLinesMetrics metrics = listener();
    metrics.onRunStart(HandMade.start(0));
    metrics.onStep(
        new TrainingListener.Step(
            HandMade.progress(0),
            Double.POSITIVE_INFINITY,
            Map.of("a", Double.NEGATIVE_INFINITY),
            Map.of("a", 1.0),
            0.1,
            Double.NaN,
            Double.NaN,
            Map.of(),
            1));
    JsonObject step = lines().get(1);
    assertThat(step.get("loss").isJsonNull()).isTrue();
    assertThat(step.get("temperature").isJsonNull()).isTrue();
    assertThat(step.getAsJsonObject("terms").get("a").isJsonNull()).isTrue();
    assertThat(step.get("learningRate").getAsDouble()).isEqualTo(0.1);
    metrics.close();
  }

  @Test
  void failure_isTheLastLine_andClosesTheFile() {
    JsonLinesMetrics metrics = listener();
    metrics.onRunStart(HandMade.start(0));
    metrics.onRunFailure(HandMade.failure(3));
    JsonObject failure = lines().get(1);
    assertThat(failure.get("exception").getAsString()).isEqualTo("java.lang.IllegalStateException");
    assertThat(failure.get("message").getAsString())
        .isEqualTo("loss must be finite but was NaN\nand more");
    metrics.onStep(HandMade.step(4));
    assertThat(lines()).hasSize(2);
    metrics.onRunStart(HandMade.start(0));
    metrics.onRunFailure(new TrainingListener.RunFailure(0, new IllegalStateException()));
    assertThat(lines().get(3).get("message").isJsonNull()).isTrue();
  }

  @Test
  void realRun_writesEveryEvent() {
    Path file = directory.resolve("new/run/metrics.jsonl");
    TinyRuns.Events events = new TinyRuns.Events();
    TinyRuns.recipe()
        .batchSize(4)
        .epochs(2)
        .validation(DATA)
        .listener(events)
        .listener(JsonLinesMetrics.to(file))
        .fit(DATA)
        .close();
    List<JsonObject> lines = lines(file);
    assertThat(lines)
        .extracting(line -> line.get("event").getAsString())
        .containsExactly(
            "runStart",
            "teacherPass",
            "step",
            "step",
            "step",
            "evaluation",
            "epoch",
            "step",
            "step",
            "step",
            "evaluation",
            "epoch",
            "runEnd");
    for (TrainingListener.Step step : events.steps) {
      JsonObject line =
          lines.stream()
              .filter(each -> each.get("event").getAsString().equals("step"))
              .toList()
              .get((int) step.progress().step());
      assertThat(line.get("step").getAsLong()).isEqualTo(step.progress().step() + 1);
      assertThat(line.get("loss").getAsDouble()).isEqualTo(step.loss());
      assertThat(line.get("gradientNorm").getAsDouble()).isEqualTo(step.gradientNorm());
      assertThat(line.get("rowsPerSecond").getAsDouble()).isPositive();
    }
  }

  @Test
  void runs_followOneAnother_inTheSameFile() {
    JsonLinesMetrics metrics = listener();
    HandMade.wholeRun(metrics);
    int one = lines().size();
    HandMade.wholeRun(metrics);
    HandMade.wholeRun(listener());
    assertThat(lines()).hasSize(3 * one);
  }

  @Test
  void replacing_emptiesTheFile_whenARunStarts_butNotWhenItGoesOn() {
    HandMade.wholeRun(listener());
    JsonLinesMetrics metrics = listener(true, GrowingFile.Opener.READ_WRITE);
    assertThat(lines()).isNotEmpty();
    metrics.onRunStart(HandMade.start(0));
    HandMade.steps(metrics, 0, 7);
    metrics.close();
    metrics.onRunStart(HandMade.start(5));
    metrics.onStep(HandMade.step(6));
    metrics.close();
    assertThat(events())
        .containsExactly(
            "runStart",
            "step 1",
            "step 2",
            "step 3",
            "step 4",
            "step 5",
            "evaluation 5",
            "epoch 5",
            "checkpoint 5",
            "runStart",
            "step 6");
  }

  @Test
  void resumedRun_takesAwayWhatComesAgain() {
    JsonLinesMetrics first = listener();
    HandMade.wholeRun(first);
    JsonLinesMetrics killed = listener();
    killed.onTeacherPass(new TrainingListener.TeacherPass(320, 320));
    killed.onRunStart(HandMade.start(0));
    HandMade.steps(killed, 0, 8);
    killed.onRunFailure(HandMade.failure(8));
    int before = lines().size();
    JsonLinesMetrics resumed = listener();
    resumed.onTeacherPass(new TrainingListener.TeacherPass(320, 320));
    resumed.onRunStart(HandMade.start(5));
    HandMade.steps(resumed, 5, 7);
    resumed.close();
    resumed.onRunStart(HandMade.start(6));
    HandMade.steps(resumed, 6, 10);
    resumed.onRunEnd(HandMade.end());
    List<String> second =
        List.of(
            "runStart",
            "teacherPass",
            "step 1",
            "step 2",
            "step 3",
            "step 4",
            "step 5",
            "evaluation 5",
            "epoch 5",
            "checkpoint 5",
            "runStart",
            "teacherPass",
            "step 6",
            "runStart",
            "step 7",
            "step 8",
            "step 9",
            "step 10",
            "evaluation 10",
            "epoch 10",
            "checkpoint 10",
            "runEnd 10");
    assertThat(before).isEqualTo(33);
    // the run before is left alone
    assertThat(events().get(18)).isEqualTo("runEnd 10");
    assertThat(events().subList(19, events().size())).isEqualTo(second);
  }

  @Test
  void resumedRun_leavesOtherRunsAlone() {
    JsonLinesMetrics other = listener();
    other.onRunStart(new TrainingListener.RunStart(320, 2, 11, 0, 1234));
    HandMade.steps(other, 0, 10);
    other.close();
    List<String> before = events();
    JsonLinesMetrics resumed = listener();
    resumed.onRunStart(HandMade.start(5));
    resumed.onStep(HandMade.step(6));
    resumed.close();
    assertThat(events().subList(0, before.size())).isEqualTo(before);
    assertThat(events()).hasSize(before.size() + 2);
    // it started in another file, and is broken off once more
    resumed.onRunStart(HandMade.start(3));
    resumed.close();
    assertThat(events().subList(0, before.size())).isEqualTo(before);
    assertThat(events()).hasSize(before.size() + 1);
  }

  @Test
  void checkpointBeforeTheEvaluationOfItsStep_isTheLastThingThatStays() {
    JsonLinesMetrics metrics = listener();
    metrics.onRunStart(HandMade.start(0));
    metrics.onStep(HandMade.step(1));
    metrics.onCheckpoint(HandMade.checkpoint(1));
    metrics.onEvaluation(HandMade.evaluation(1));
    metrics.onRunEnd(HandMade.end(TrainingListener.EndReason.STOPPED));
    metrics.onRunStart(HandMade.start(1));
    metrics.close();
    assertThat(events()).containsExactly("runStart", "step 1", "checkpoint 1", "runStart");
  }

  @Test
  void realRun_thatIsStoppedAndResumed_hasEveryStepOnce() {
    Path checkpoints = directory.resolve("checkpoints");
    Thread trainer = Thread.currentThread();
    ResumableRun.recipe(TinyRuns.texts(9))
        .checkpoint(checkpoints, Every.steps(3))
        .listener(
            TinyRuns.onStep(
                step -> {
                  if (step.progress().step() + 1 == 7) {
                    trainer.interrupt();
                  }
                }))
        .listener(JsonLinesMetrics.to(file()))
        .fit(TinyRuns.texts(24))
        .close();
    assertThat(Thread.interrupted()).isTrue();
    // an interrupt does not close the file
    assertThat(events()).contains("step 7", "checkpoint 7", "runEnd 7");
    ResumableRun.recipe(TinyRuns.texts(9))
        .checkpoint(checkpoints, Every.steps(3))
        .resumeFrom(checkpoints)
        .listener(JsonLinesMetrics.to(file()))
        .fit(TinyRuns.texts(24))
        .close();
    assertThat(lines().stream().filter(line -> line.get("event").getAsString().equals("step")))
        .extracting(line -> line.get("step").getAsLong())
        .containsExactly(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L, 11L, 12L);
    assertThat(events()).containsOnlyOnce("evaluation 4", "epoch 8", "runEnd 12");
  }

  @Test
  void tornLastLine_isTakenAway_andAWholeOneCompleted() throws IOException {
    HandMade.wholeRun(listener());
    String whole = Files.readString(file());
    append("{\"event\":\"step\",\"ti");
    listener().close();
    assertThat(file()).hasContent(whole);
    append("{\"event\":\"step\",\"step\":1}");
    listener().close();
    assertThat(file()).hasContent(whole + "{\"event\":\"step\",\"step\":1}\n");
    // what a computer that lost its power may leave
    append("{\"ev" + "\0".repeat(5000));
    listener().close();
    assertThat(file()).hasContent(whole + "{\"event\":\"step\",\"step\":1}\n");
  }

  @Test
  void wholeFile_tornAnywhere_isMendedToWholeLines() throws IOException {
    HandMade.wholeRun(listener());
    byte[] whole = Files.readAllBytes(file());
    int longestLine =
        new String(whole, StandardCharsets.UTF_8).lines().mapToInt(String::length).max().orElse(0);
    Random random = new Random(7);
    for (int i = 0; i < 100; i++) {
      int length = random.nextInt(whole.length + 1);
      Files.write(file(), java.util.Arrays.copyOf(whole, length));
      listener().close();
      String mended = Files.readString(file());
      assertThat(new String(whole, StandardCharsets.UTF_8)).startsWith(mended);
      assertThat(length - mended.length()).isLessThanOrEqualTo(longestLine);
      assertThat(lines()).hasSize((int) mended.lines().count());
    }
  }

  @ParameterizedTest(name = "{index}")
  @ValueSource(
      strings = {
        "not json",
        "not json\n",
        "{\"loss\":1}\n",
        "[1]\n",
        "{\"event\":7,\"step\":{}\n",
        "{\"event\":null}\n",
        "{\"event\":\"step\"}{\"event\":\"step\"}\n",
        "{\"event\":\"step\",\"step\":1e999}\n",
        "\n",
        "\0\0\n",
        "{\"event\":\"step\",\"a\":[[[[[[[[\n",
        "{\"event\":\"step\"}\nbinary",
      })
  void foreignFile_isRefused_andLeftAlone(String content) throws IOException {
    append(content);
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(this::listener)
        .withMessageStartingWith(
            "metrics file must be new, empty or one that JsonLinesMetrics wrote but was "
                + file()
                + ", in which ")
        .withMessageEndingWith(" is something else; choose another path or move that file away");
    assertThat(Files.readString(file())).isEqualTo(content);
  }

  @Test
  void endlessLine_isRefused_withoutReadingItAll() throws IOException {
    append("{\"event\":\"" + "a".repeat(JsonLinesFile.MAXIMUM_LINE_BYTES + 100_000));
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(this::listener)
        .withMessageContaining("in which line 1 is something else");
  }

  @Test
  void flippedBits_areRefusedOrHarmless_andNeverLoseALine() throws IOException {
    HandMade.wholeRun(listener());
    byte[] whole = Files.readAllBytes(file());
    Random random = new Random(3);
    int refused = 0;
    for (int i = 0; i < 200; i++) {
      byte[] broken = whole.clone();
      broken[random.nextInt(broken.length - 1)] ^= (byte) (1 << random.nextInt(8));
      Files.write(file(), broken);
      try {
        listener().close();
      } catch (DistillationException e) {
        refused++;
      }
      assertThat(Files.readAllBytes(file())).isEqualTo(broken);
    }
    assertThat(refused).isPositive();
  }

  @Test
  void pathThatCannotBeWritten_isRefusedAtOnce() throws IOException {
    Files.writeString(directory.resolve("file"), "");
    Path below = directory.resolve("file/metrics.jsonl");
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> JsonLinesMetrics.to(below))
        .withMessageStartingWith("metrics file must be writable but was " + below + " (")
        .withMessageEndingWith("); check the path and its permissions");
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> JsonLinesMetrics.replacing(directory))
        .withMessage(
            "metrics file must be a regular file but was " + directory + "; choose another path");
    assertThatNullPointerException().isThrownBy(() -> JsonLinesMetrics.to(null));
  }

  @Test
  void twoRunsAtTheSameTime_needAFileEach() {
    JsonLinesMetrics first = listener();
    first.onRunStart(HandMade.start(0));
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(this::listener)
        .withMessage(
            "metrics file must belong to one run at a time but was "
                + file()
                + ", to which another run is writing; give each run its own file");
    first.onRunEnd(HandMade.end());
    HandMade.wholeRun(listener());
  }

  @Test
  void fullDisk_isLoggedOnce_andLeavesWholeLines() {
    HandMade.FullDisk disk = new HandMade.FullDisk();
    try (HandMade.Heard heard = new HandMade.Heard()) {
      JsonLinesMetrics metrics = listener(false, disk);
      metrics.onRunStart(HandMade.start(0));
      metrics.onStep(HandMade.step(1));
      disk.full.set(true);
      metrics.onStep(HandMade.step(2));
      metrics.onStep(HandMade.step(3));
      nanos.passSeconds(60);
      metrics.onStep(HandMade.step(4));
      assertThat(events()).containsExactly("runStart", "step 1");
      assertThat(heard.messages())
          .containsExactly(file() + " cannot be written any more; the run goes on without it");
      disk.full.set(false);
      metrics.onStep(HandMade.step(5));
      assertThat(events()).as("not tried at each step").hasSize(2);
      nanos.passSeconds(60);
      metrics.onStep(HandMade.step(6));
      metrics.onRunEnd(HandMade.end());
      assertThat(events()).containsExactly("runStart", "step 1", "step 6", "runEnd 10");
      assertThat(heard.messages().subList(1, heard.messages().size()))
          .containsExactly(file() + " is written again; 4 entries are missing");
    }
  }

  @Test
  void line_isInTheFile_afterItsEvent() {
    JsonLinesMetrics metrics = listener();
    metrics.onRunStart(HandMade.start(0));
    for (int step = 1; step <= 4; step++) {
      metrics.onStep(HandMade.step(step));
      // what another process sees now is what is left after a kill
      assertThat(lines()).hasSize(step + 1);
    }
    metrics.close();
  }

  /** Takes steps until it is killed. */
  static final class Endless {
    private static final long TOTAL = 100_000_000;

    private Endless() {}

    public static void main(String[] arguments) {
      long first = Long.parseLong(arguments[1]);
      JsonLinesMetrics metrics = JsonLinesMetrics.to(Path.of(arguments[0]));
      metrics.onRunStart(new TrainingListener.RunStart(320, 2, TOTAL, first, 1234));
      for (long step = first; step < TOTAL; step++) {
        metrics.onStep(
            new TrainingListener.Step(
                new Progress(0, step, TOTAL, 1),
                1,
                Map.of("a", 0.5),
                Map.of("a", 1.0),
                1,
                4,
                1,
                Map.of(),
                32));
      }
    }
  }

  @Test
  void killedProcesses_leaveAFileThatGoesOn() throws Exception {
    long first = 0;
    for (int kill = 0; kill < 4; kill++) {
      long size = Files.exists(file()) ? Files.size(file()) : 0;
      Process process =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  Endless.class.getName(),
                  file().toString(),
                  Long.toString(first))
              .redirectErrorStream(true)
              .redirectOutput(directory.resolve("log").toFile())
              .start();
      while (process.isAlive() && (!Files.exists(file()) || Files.size(file()) < size + 200_000)) {
        Thread.sleep(5);
      }
      process.destroyForcibly().waitFor();
      listener().close();
      List<Long> steps =
          lines().stream()
              .filter(line -> line.get("event").getAsString().equals("step"))
              .map(line -> line.get("step").getAsLong())
              .toList();
      assertThat(steps).hasSizeGreaterThan((int) first);
      for (int i = 0; i < steps.size(); i++) {
        assertThat(steps.get(i)).isEqualTo(i + 1L);
      }
      first = steps.size() - 100L;
    }
    assertThat(lines().stream().filter(line -> line.get("event").getAsString().equals("runStart")))
        .extracting(line -> line.get("firstStep").getAsLong())
        .hasSize(4)
        .isSorted();
  }
}
