package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import io.distill.DistillationResult;
import io.distill.DistillationRun;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.training.TrainingListener.EndReason;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A run that is broken off anywhere and resumed ends in the weights of the run that was not. */
class CheckpointTest {

  private static final TextDataset TEXTS = TinyRuns.texts(24);
  private static final TextDataset VALIDATION = TinyRuns.texts(9);

  @TempDir Path directory;

  private static final class Crash extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  /** Breaks a run off right after a step, as if the process had died between two steps. */
  private static Distiller.Builder crashing(Distiller.Builder recipe, long afterSteps) {
    return recipe.learningRateSchedule(
        new io.distill.schedule.LearningRateSchedule() {
          @Override
          public double factor(io.distill.schedule.Progress progress) {
            if (progress.step() == afterSteps) {
              throw new Crash();
            }
            return 1;
          }

          @Override
          public String toString() {
            return "constant";
          }
        });
  }

  private Distiller.Builder recipe() {
    return ResumableRun.recipe(VALIDATION);
  }

  private Map<String, float[]> resumed() {
    try (DistillationResult result =
        recipe().checkpoint(directory).resumeFrom(directory).fit(TEXTS)) {
      return TinyRuns.weights(result.student());
    }
  }

  private static void assertSame(Map<String, float[]> actual, Map<String, float[]> expected) {
    assertThat(actual).containsOnlyKeys(expected.keySet());
    expected.forEach(
        (name, values) -> assertThat(actual.get(name)).as(name).containsExactly(values));
  }

  @ParameterizedTest(name = "stopped after {0} steps")
  @ValueSource(ints = {1, 2, 3, 4, 5, 7, 8, 11})
  void resumedRun_endsInTheSameWeights_withTheSameHistory(int steps) {
    Map<String, float[]> whole;
    List<TrainingListener.Epoch> history;
    List<GradientScales> scales;
    try (DistillationResult result = recipe().fit(TEXTS)) {
      whole = TinyRuns.weights(result.student());
      history = result.history();
      scales = result.gradientScales();
      assertThat(result.steps()).isEqualTo(12);
    }
    stopAfter(steps);
    TinyRuns.Events events = new TinyRuns.Events();
    try (DistillationResult result =
        recipe().checkpoint(directory).resumeFrom(directory).listener(events).fit(TEXTS)) {
      assertSame(TinyRuns.weights(result.student()), whole);
      assertThat(result.history())
          .usingRecursiveFieldByFieldElementComparatorIgnoringFields("seconds")
          .isEqualTo(history);
      assertThat(result.gradientScales()).isEqualTo(scales);
      assertThat(result.endReason()).isEqualTo(EndReason.COMPLETED);
    }
    assertThat(events.steps).hasSize(12 - steps);
    assertThat(events.all)
        .filteredOn(TrainingListener.RunStart.class::isInstance)
        .singleElement()
        .satisfies(
            event -> assertThat(((TrainingListener.RunStart) event).firstStep()).isEqualTo(steps));
  }

  /** Stops a run after so many steps; the last checkpoint is written then. */
  private void stopAfter(int steps) {
    Thread trainer = Thread.currentThread();
    try (DistillationResult result =
        recipe()
            .checkpoint(directory, Every.steps(1000))
            .listener(
                TinyRuns.onStep(
                    step -> {
                      if (step.progress().step() + 1 == steps) {
                        trainer.interrupt();
                      }
                    }))
            .fit(TEXTS)) {
      assertThat(result.steps()).isEqualTo(steps);
      assertThat(result.endReason()).isEqualTo(EndReason.STOPPED);
    }
    assertThat(Thread.interrupted()).as("the interrupt stays set").isTrue();
  }

  @Test
  void stop_fromAnotherThread_endsAfterThePresentStep_withACheckpoint() throws Exception {
    Map<String, float[]> whole = TinyRuns.train(recipe(), TEXTS);
    java.util.concurrent.CountDownLatch third = new java.util.concurrent.CountDownLatch(1);
    java.util.concurrent.CountDownLatch stopped = new java.util.concurrent.CountDownLatch(1);
    DistillationRun run =
        recipe()
            .checkpoint(directory)
            .listener(
                TinyRuns.onStep(
                    step -> {
                      if (step.progress().step() == 2) {
                        third.countDown();
                        try {
                          stopped.await();
                        } catch (InterruptedException e) {
                          throw new IllegalStateException(e);
                        }
                      }
                    }))
            .build()
            .start(TEXTS);
    third.await();
    assertThat(run.isDone()).isFalse();
    run.stop();
    stopped.countDown();
    try (DistillationResult result = run.result()) {
      assertThat(result.steps()).isEqualTo(3);
      assertThat(result.endReason()).isEqualTo(EndReason.STOPPED);
      assertThat(result.student().predict(TEXTS)).hasSize(24);
    }
    assertThat(run.isDone()).isTrue();
    assertSame(resumed(), whole);
  }

  @Test
  void start_failure_isThrownByResult() {
    DistillationRun run =
        crashing(ResumableRun.withoutSchedule(VALIDATION), 1).build().start(TEXTS);
    assertThatExceptionOfType(Crash.class).isThrownBy(run::result);
    assertThat(run.isDone()).isTrue();
  }

  @Test
  void failedRun_resumesFromItsLastCheckpoint() {
    Map<String, float[]> whole =
        TinyRuns.train(crashing(ResumableRun.withoutSchedule(VALIDATION), -1), TEXTS);
    TinyRuns.Events events = new TinyRuns.Events();
    List<TrainingListener.RunFailure> failures = new ArrayList<>();
    assertThatExceptionOfType(Crash.class)
        .isThrownBy(
            () ->
                crashing(ResumableRun.withoutSchedule(VALIDATION), 7)
                    .checkpoint(directory, Every.steps(2))
                    .listener(events)
                    .listener(
                        new TrainingListener() {
                          @Override
                          public void onRunFailure(RunFailure event) {
                            failures.add(event);
                          }
                        })
                    .fit(TEXTS));
    assertThat(failures).singleElement().satisfies(each -> assertThat(each.steps()).isEqualTo(7));
    assertThat(events.all).noneMatch(TrainingListener.RunEnd.class::isInstance);
    assertThat(checkpoints())
        .containsExactly(
            "checkpoint-000000000002", "checkpoint-000000000004", "checkpoint-000000000006");
    Map<String, float[]> resumed =
        TinyRuns.train(
            crashing(ResumableRun.withoutSchedule(VALIDATION), -1).resumeFrom(directory), TEXTS);
    assertSame(resumed, whole);
  }

  private List<String> checkpoints() {
    try (Stream<Path> children = Files.list(directory)) {
      return children
          .map(path -> path.getFileName().toString())
          .filter(name -> !name.equals(".lock"))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  @Test
  void newestCheckpoints_areKept_andTheLastIsOfTheEnd() {
    List<TrainingListener.Checkpoint> written = new ArrayList<>();
    recipe()
        .checkpoint(directory, Every.steps(5), Every.epochs(1))
        .keepCheckpoints(2)
        .listener(
            new TrainingListener() {
              @Override
              public void onCheckpoint(Checkpoint event) {
                written.add(event);
              }
            })
        .fit(TEXTS)
        .close();
    // 4 steps an epoch
    assertThat(written)
        .extracting(TrainingListener.Checkpoint::step)
        .containsExactly(4L, 5L, 8L, 10L, 12L);
    assertThat(written).allSatisfy(each -> assertThat(each.bytes()).isGreaterThan(1000));
    assertThat(checkpoints()).containsExactly("checkpoint-000000000010", "checkpoint-000000000012");
  }

  @Test
  void completedRun_resumed_givesItsResultAgain() {
    Map<String, float[]> whole = TinyRuns.train(recipe().checkpoint(directory), TEXTS);
    TinyRuns.Events events = new TinyRuns.Events();
    assertSame(TinyRuns.train(recipe().resumeFrom(directory).listener(events), TEXTS), whole);
    assertThat(events.steps).isEmpty();
  }

  @Test
  void checkpointedStudent_isAModelDirectory() {
    Map<String, float[]> weights = TinyRuns.train(recipe().checkpoint(directory), TEXTS);
    try (DeployableModel model =
        DeployableModel.load(directory.resolve("checkpoint-000000000012/student"))) {
      assertSame(TinyRuns.weights(model), weights);
    }
  }

  @Test
  void damagedCheckpoint_isPassedOver_forTheOneBefore() throws IOException {
    Map<String, float[]> whole = TinyRuns.train(recipe(), TEXTS);
    recipe().checkpoint(directory, Every.steps(5)).fit(TEXTS).close();
    flipABit(directory.resolve("checkpoint-000000000012/optimizer.safetensors"), 300);
    Files.delete(directory.resolve("checkpoint-000000000010/student/model.pt"));
    TinyRuns.Events events = new TinyRuns.Events();
    Map<String, float[]> resumed =
        TinyRuns.train(
            recipe().checkpoint(directory).resumeFrom(directory).listener(events), TEXTS);
    assertSame(resumed, whole);
    assertThat(events.steps).hasSize(7);
  }

  @Test
  void allCheckpointsDamaged_areRefused_withTheirDamages() throws IOException {
    recipe().checkpoint(directory).keepCheckpoints(1).fit(TEXTS).close();
    Path manifest = directory.resolve("checkpoint-000000000012/manifest.json");
    flipABit(manifest, 40);
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe().resumeFrom(directory).fit(TEXTS))
        .withMessage(
            "checkpoint directory "
                + directory
                + " must have a checkpoint that is whole but all are damaged"
                + " (checkpoint-000000000012: manifest.json is not what was written); start the run"
                + " anew in another directory");
  }

  private static void flipABit(Path file, int offset) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    bytes[offset] ^= 4;
    Files.write(file, bytes, StandardOpenOption.TRUNCATE_EXISTING);
  }

  @Test
  void anotherRecipe_isRefused_withWhatDiffers() {
    recipe().checkpoint(directory).fit(TEXTS).close();
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> ResumableRun.recipe(VALIDATION, 6, 9).resumeFrom(directory).fit(TEXTS))
        .withMessageStartingWith(
            "resumed run must have the recipe and data of checkpoint "
                + directory.resolve("checkpoint-000000000012")
                + " but differs:\n")
        .withMessageContaining("seed was 5 and is 9")
        .withMessageEndingWith("restore them, or start a run of its own in another directory");
  }

  @Test
  void otherData_areRefused() {
    recipe().checkpoint(directory).fit(TEXTS).close();
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe().resumeFrom(directory).fit(TinyRuns.texts(23)))
        .withMessageContaining(TEXTS.fingerprint());
  }

  @Test
  void newRun_amongForeignCheckpoints_isRefused() {
    recipe().checkpoint(directory).keepCheckpoints(1).fit(TEXTS).close();
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe().checkpoint(directory).fit(TEXTS))
        .withMessage(
            "checkpoint directory of a new run must have no checkpoints but "
                + directory
                + " has 1; call resumeFrom with this directory to go on, or choose another");
  }

  @Test
  void nothingToResume_isRefused_unlessItMayBeAbsent() {
    Path empty = directory.resolve("empty");
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe().resumeFrom(empty).fit(TEXTS))
        .withMessage(
            "resumeFrom must name a directory with checkpoints but "
                + empty
                + " has none; check the path, or call resumeIfPresent(...) to start afresh without");
    assertSame(
        TinyRuns.train(recipe().checkpoint(empty).resumeIfPresent(empty), TEXTS),
        TinyRuns.train(recipe(), TEXTS));
  }

  @Test
  void directory_belongsToOneRunAtATime() {
    recipe()
        .checkpoint(directory)
        .listener(
            TinyRuns.onStep(
                step -> {
                  if (step.progress().step() == 0) {
                    assertThatExceptionOfType(DistillationException.class)
                        .isThrownBy(() -> recipe().checkpoint(directory).fit(TEXTS))
                        .withMessage(
                            "checkpoint directory must be used by one run at a time but "
                                + directory
                                + " is in use by another; choose another directory, or wait for"
                                + " that run");
                  }
                }))
        .fit(TEXTS)
        .close();
  }

  @Test
  void leftovers_ofAKilledWrite_areRemoved() throws IOException {
    Path leftover = directory.resolve(".checkpoint-000000000004.abc.tmp");
    Files.createDirectories(leftover.resolve("student"));
    Path foreign = Files.createDirectories(directory.resolve(".mine.tmp"));
    recipe().checkpoint(directory).fit(TEXTS).close();
    assertThat(leftover).doesNotExist();
    assertThat(foreign).exists();
  }

  @Test
  void readOnlyDirectory_isToldBeforeAnything() throws IOException {
    Path file = Files.createFile(directory.resolve("file"));
    TinyRuns.Events events = new TinyRuns.Events();
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe().checkpoint(file.resolve("in")).listener(events).fit(TEXTS))
        .withMessageStartingWith(
            "checkpoint directory must be writable but " + file.resolve("in") + " is not (");
    assertThat(events.all).isEmpty();
    Assumptions.assumeFalse("root".equals(System.getProperty("user.name")));
    Path locked = Files.createDirectories(directory.resolve("locked"));
    Files.setPosixFilePermissions(locked, PosixFilePermissions.fromString("r-xr-xr-x"));
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe().checkpoint(locked).fit(TEXTS))
        .withMessageStartingWith("checkpoint directory must be writable but " + locked);
  }

  @Test
  void earlyStopping_endsTheRun_withTheBestStudent() {
    // the rate grows until the loss does, too
    Distiller.Builder recipe =
        TinyRuns.recipe()
            .optimizer(Optimizer.sgd(0.01))
            .learningRateSchedule(progress -> progress.epoch() < 5 ? 1 : -progress.epoch() * -40.0)
            .epochs(60)
            .validation(FloatRows.random(8, 3, 2))
            .earlyStopping(EarlyStopping.minimising("kl").patience(2));
    TinyRuns.Events events = new TinyRuns.Events();
    List<TrainingListener.Evaluation> trials = new ArrayList<>();
    try (DistillationResult result =
        recipe
            .listener(events)
            .listener(
                new TrainingListener() {
                  @Override
                  public void onEvaluation(Evaluation event) {
                    trials.add(event);
                  }
                })
            .fit(FloatRows.random(8, 3, 1))) {
      assertThat(result.endReason()).isEqualTo(EndReason.EARLY_STOPPED);
      int best = 0;
      for (int i = 1; i < trials.size(); i++) {
        best = trials.get(i).best() ? i : best;
      }
      double lowest =
          trials.stream().mapToDouble(each -> each.metrics().get("kl")).min().orElseThrow();
      assertThat(trials.get(best).metrics().get("kl")).isEqualTo(lowest);
      assertThat(trials).hasSize(best + 3).hasSizeLessThan(60);
      // the student of the result is the best one, not the last
      try (DistillationResult again =
          TinyRuns.recipe()
              .optimizer(Optimizer.sgd(0.01))
              .learningRateSchedule(
                  progress -> progress.epoch() < 5 ? 1 : -progress.epoch() * -40.0)
              .epochs(best + 1)
              .fit(FloatRows.random(8, 3, 1))) {
        assertSame(TinyRuns.weights(result.student()), TinyRuns.weights(again.student()));
      }
    }
  }

  @Test
  void earlyStopped_resumed_isOver_withTheBestStudent() {
    Distiller recipe = stoppingEarly().checkpoint(directory, Every.epochs(1)).build();
    Map<String, float[]> best;
    long steps;
    try (DistillationResult result = recipe.fit(TEXTS)) {
      assertThat(result.endReason()).isEqualTo(EndReason.EARLY_STOPPED);
      best = TinyRuns.weights(result.student());
      steps = result.steps();
    }
    try (DistillationResult result = stoppingEarly().resumeFrom(directory).fit(TEXTS)) {
      assertThat(result.endReason()).isEqualTo(EndReason.EARLY_STOPPED);
      assertThat(result.steps()).isEqualTo(steps);
      assertSame(TinyRuns.weights(result.student()), best);
    }
  }

  /** Never gets better than at the first trial. */
  private static Distiller.Builder stoppingEarly() {
    return ResumableRun.recipe(VALIDATION)
        .earlyStopping(
            EarlyStopping.minimising(EarlyStopping.TRAINING_LOSS)
                .patience(1)
                .minimumImprovement(1e6));
  }

  @Test
  void earlyStopping_onAMetricThatNobodyReports_isRefusedBeforeTheRun() {
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(
            () ->
                TinyRuns.recipe()
                    .earlyStopping(EarlyStopping.maximising("f1"))
                    .fit(FloatRows.random(8, 3, 1)))
        .withMessage(
            "earlyStopping must watch one of the metrics that this run reports, [trainingLoss], but"
                + " watches 'f1'; set a validation set, or watch another metric");
  }

  @Test
  void evaluateEvery_steps_triesTheStudentInBetween() {
    List<Long> trials = new ArrayList<>();
    try (DistillationResult result =
        recipe()
            .evaluateEvery(Every.steps(3))
            .listener(
                new TrainingListener() {
                  @Override
                  public void onEvaluation(Evaluation event) {
                    trials.add(event.progress().step());
                  }
                })
            .fit(TEXTS)) {
      assertThat(trials).containsExactly(3L, 6L, 9L, 12L);
      assertThat(result.history().get(0).metrics()).isEmpty();
      assertThat(result.history().get(2).metrics()).containsKey("accuracy");
    }
  }

  @Test
  void settings_outOfRange_areRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Every.steps(0))
        .withMessage("count must be at least 1 but was 0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TinyRuns.recipe().evaluateEvery(Every.minutes(1)))
        .withMessage("evaluateEvery must count epochs or steps but was [every 60000 milliseconds]");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TinyRuns.recipe().evaluateEvery())
        .withMessage("evaluateEvery must have at least one interval but has none");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TinyRuns.recipe().keepCheckpoints(0))
        .withMessage("keepCheckpoints must be at least 1 but was 0");
    assertThatIllegalStateException()
        .isThrownBy(() -> TinyRuns.recipe().keepCheckpoints(2).build())
        .withMessage("keepCheckpoints must come with checkpoint(directory) but that is not set");
    assertThatIllegalStateException()
        .isThrownBy(() -> recipe().resumeFrom(directory).resumeIfPresent(directory))
        .withMessage("resumeFrom must be set only once but was already set");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> EarlyStopping.maximising(" "))
        .withMessage("metric must have a name but was blank");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> EarlyStopping.maximising("a").patience(0))
        .withMessage("patience must be at least 1 but was 0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> EarlyStopping.maximising("a").minimumImprovement(Double.NaN))
        .withMessage("minimumImprovement must be finite and at least 0 but was NaN");
  }
}
