package io.distill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.core.Linear;
import io.distill.data.TextDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.provenance.Terms;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.Progress;
import io.distill.student.Student;
import io.distill.teacher.EnsembleTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.EarlyStopping;
import io.distill.training.Every;
import io.distill.training.FloatRows;
import io.distill.training.Optimizer;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import io.distill.training.TrainingListener.EndReason;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MutualLearningTest {

  private static final FloatRows DATA = FloatRows.random(60, 3, 1);
  private static final TextDataset TEXTS = TinyRuns.texts(24);

  private static Distiller.Builder recipe(Teacher teacher, Student student) {
    return recipe(teacher, student, 10, Optimizer.adamW().withLearningRate(0.01));
  }

  private static Distiller.Builder recipe(
      Teacher teacher, Student student, int batchSize, Optimizer optimizer) {
    return Distiller.builder()
        .teacher(teacher)
        .student(student)
        .loss(TinyRuns.divergence().plus(TinyRuns.crossEntropy()))
        .optimizer(optimizer)
        .batchSize(batchSize)
        .epochs(3);
  }

  /** Text students of different kinds, with dropout, on 4 steps an epoch. */
  private static Distiller.Builder encoder(Teacher peer) {
    return recipe(
            peer,
            Student.encoder()
                .layers(1)
                .hiddenSize(8)
                .heads(2)
                .dropout(0.2)
                .tokenizer(TinyRuns.tokenizer())
                .build(),
            3,
            Optimizer.adamW().withLearningRate(0.01))
        .gradientAccumulation(2)
        .validation(TinyRuns.texts(9));
  }

  private static Distiller.Builder bag(Teacher peer) {
    return recipe(
        peer,
        Student.bagOfEmbeddings()
            .embeddingSize(8)
            .tokenizer(TinyRuns.tokenizer().trimmedTo(TEXTS.texts()))
            .build(),
        6,
        Optimizer.adamW().withLearningRate(0.01));
  }

  private static List<Map<String, float[]>> weights(DistillationResults results) {
    return results.students().stream().map(TinyRuns::weights).toList();
  }

  private static void assertSame(
      List<Map<String, float[]>> actual, List<Map<String, float[]>> expected) {
    assertThat(actual).hasSameSizeAs(expected);
    for (int i = 0; i < actual.size(); i++) {
      for (Map.Entry<String, float[]> each : expected.get(i).entrySet()) {
        assertThat(actual.get(i).get(each.getKey()))
            .as("student %s, %s", i + 1, each.getKey())
            .containsExactly(each.getValue());
      }
    }
  }

  private static boolean same(Map<String, float[]> first, Map<String, float[]> second) {
    return first.keySet().stream()
        .allMatch(name -> Arrays.equals(first.get(name), second.get(name)));
  }

  @Test
  void students_takeTurns_andLearnFromEachOtherAsTheyAreThen() {
    List<String> order = new ArrayList<>();
    List<float[]> saidByPeer = new ArrayList<>();
    DistillationLoss watched =
        context -> {
          saidByPeer.add(context.teacher().logits().toFloatArray());
          assertThat(context.teacher().logits().hasGradient()).isFalse();
          return TinyRuns.divergence().compute(context);
        };
    FloatRows oneRow = FloatRows.of(new float[][] {{1, 2, 3}}, new int[] {2}, "a", "b", "c");
    List<float[]> after = new ArrayList<>();
    TinyRuns.Watched first = TinyRuns.Watched.of(TinyRuns.perceptron());
    Function<Teacher, Distiller.Builder> a =
        peer ->
            Distiller.builder()
                .teacher(peer)
                .student(first)
                .loss(TinyRuns.divergence().plus(TinyRuns.crossEntropy()))
                .optimizer(Optimizer.sgd(0.1))
                .steps(3)
                .listener(
                    TinyRuns.onStep(
                        step -> {
                          order.add("a" + step.progress().step());
                          after.add(first.opened().get().logits(oneRow)[0]);
                        }));
    Function<Teacher, Distiller.Builder> b =
        peer ->
            Distiller.builder()
                .teacher(peer)
                .student(TinyRuns.perceptron())
                .loss(watched)
                .steps(5)
                .listener(TinyRuns.onStep(step -> order.add("b" + step.progress().step())));
    try (DistillationResults results = MutualLearning.of(a, b).fit(oneRow)) {
      assertThat(order).containsExactly("a0", "b0", "a1", "b1", "a2", "b2", "b3", "b4");
      assertThat(results.all()).hasSize(2);
      assertThat(results.all().get(0).steps()).isEqualTo(3);
      assertThat(results.all().get(1).steps()).isEqualTo(5);
      assertThat(results.students().get(0).model()).isSameAs(first.opened().get().model());
      // what b heard in its step is what a says after its own
      assertThat(saidByPeer).hasSize(5);
      assertThat(saidByPeer.get(0)).isEqualTo(after.get(0));
      assertThat(saidByPeer.get(1)).isEqualTo(after.get(1)).isNotEqualTo(after.get(0));
      assertThat(saidByPeer.get(4)).isEqualTo(after.get(2));
    }
    assertThat(first.closed()).isTrue();
  }

  @Test
  void students_startFromDifferentWeights_inACommonOrder() {
    List<List<String>> ids = List.of(new ArrayList<>(), new ArrayList<>());
    List<float[]> starts = new ArrayList<>();
    List<Function<Teacher, Distiller.Builder>> recipes = new ArrayList<>();
    for (int i = 0; i < 2; i++) {
      List<String> own = ids.get(i);
      recipes.add(
          peer ->
              Distiller.builder()
                  .teacher(peer)
                  .student(
                      setup -> {
                        var model = TinyRuns.perceptron().open(setup);
                        starts.add(TinyRuns.weights(model).values().iterator().next());
                        return model;
                      })
                  .loss(
                      context -> {
                        own.addAll(context.sampleIds());
                        return TinyRuns.divergence().compute(context);
                      })
                  .batchSize(10)
                  .epochs(1));
    }
    MutualLearning.of(recipes.get(0), recipes.get(1)).fit(DATA).close();
    assertThat(ids.get(0)).hasSize(60).isEqualTo(ids.get(1));
    assertThat(starts.get(0)).isNotEqualTo(starts.get(1));
    ids.forEach(List::clear);
    MutualLearning.of(recipes.get(0), peer -> recipes.get(1).apply(peer).seed(9)).fit(DATA).close();
    assertThat(ids.get(0)).hasSize(60).isNotEqualTo(ids.get(1));
  }

  @Test
  void sameRecipes_giveTheSameStudents() {
    MutualLearning group = MutualLearning.of(MutualLearningTest::encoder, MutualLearningTest::bag);
    List<Map<String, float[]>> first;
    try (DistillationResults results = group.fit(TEXTS)) {
      first = weights(results);
      assertThat(results.all().get(0).history().get(2).metrics())
          .containsKeys("accuracy", "kl", "agreement");
    }
    try (DistillationResults results = group.fit(TEXTS)) {
      assertSame(weights(results), first);
    }
    // it matters who the peer is
    try (DistillationResults results =
        MutualLearning.of(MutualLearningTest::encoder, peer -> bag(peer).seed(8)).fit(TEXTS)) {
      assertThat(same(weights(results).get(0), first.get(0))).isFalse();
    }
  }

  @Test
  void threeStudents_learnFromTheOthersTogether() {
    List<Teacher> peers = new ArrayList<>();
    try (DistillationResults results =
        MutualLearning.of(
                3,
                peer -> {
                  peers.add(peer);
                  return recipe(peer, TinyRuns.perceptron());
                })
            .fit(DATA)) {
      assertThat(peers)
          .hasSize(3)
          .allSatisfy(peer -> assertThat(((EnsembleTeacher) peer).members()).hasSize(2));
      assertThat(results.all()).hasSize(3);
      List<Map<String, float[]>> weights = weights(results);
      assertThat(same(weights.get(0), weights.get(1))).isFalse();
      assertThat(same(weights.get(1), weights.get(2))).isFalse();
      assertThat(results.ensemble().predict(DATA)).hasSize(60);
    }
  }

  @Test
  void peers_teachTogetherWithATeacher() {
    Function<Teacher, Distiller.Builder> recipe =
        peer -> recipe(Teacher.ensemble(peer, RuleTeacher.echo()), TinyRuns.perceptron());
    try (DistillationResults results = MutualLearning.of(2, recipe).fit(DATA)) {
      assertThat(results.all()).hasSize(2);
    }
  }

  @Test
  void peers_learnThroughEachOther_underTheTermsOfTheirTeachers() {
    Teacher forbidden =
        RuleTeacher.echo()
            .declaring("forbidden", Terms.agreement("no", Terms.Permission.NO, "not at all"));
    Function<Teacher, Distiller.Builder> allowed =
        peer ->
            recipe(Teacher.ensemble(peer, forbidden), TinyRuns.perceptron()).allowTerms("a test");
    assertThatThrownBy(
            () -> MutualLearning.of(allowed, peer -> recipe(peer, TinyRuns.perceptron())).fit(DATA))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("teacher 'peer' must allow other models to be trained");
    try (DistillationResults results =
        MutualLearning.of(2, peer -> recipe(peer, TinyRuns.perceptron())).fit(DATA)) {
      assertThat(results.all().get(1).provenance().terms())
          .allSatisfy(
              each -> assertThat(each.terms().trainingOthers()).isEqualTo(Terms.Permission.YES));
    }
  }

  @Test
  void studentsOfBlocks_areNotTaughtThroughTheirPeer() {
    try (Model one = linear("one");
        Model alone = linear("alone");
        Model other = linear("other")) {
      Distiller.Builder labelsOnly =
          recipe(Teacher.none(), Student.of(alone), TinyRuns.crossEntropy());
      labelsOnly.fit(DATA).close();
      try (DistillationResults results =
          MutualLearning.of(
                  peer -> recipe(peer, Student.of(one), TinyRuns.crossEntropy()),
                  peer -> recipe(peer, Student.of(other), TinyRuns.divergence()))
              .fit(DATA)) {
        assertThat(results.all().get(1).history().get(2).loss())
            .isLessThan(results.all().get(1).history().get(0).loss());
        assertThat(weight(one)).isEqualTo(weight(alone)).isNotEqualTo(weight(other));
      }
      assertThatThrownBy(
              () ->
                  MutualLearning.of(2, peer -> recipe(peer, Student.of(one), 10, Optimizer.adamW()))
                      .fit(DATA))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage(
              "students must be different models but 1 and 2 both train the DJL model 'one'; copy"
                  + " the model");
    }
  }

  private static Distiller.Builder recipe(Teacher teacher, Student student, DistillationLoss loss) {
    return Distiller.builder()
        .teacher(teacher)
        .student(student)
        .loss(loss)
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .batchSize(10)
        .epochs(3);
  }

  private static float[] weight(Model model) {
    return model.getBlock().getParameters().get(0).getValue().getArray().toFloatArray();
  }

  private static Model linear(String name) {
    Model model = Model.newInstance(name, Device.cpu(), NativeEngine.NAME);
    model.setBlock(Linear.builder().setUnits(3).build());
    model.getBlock().initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 3));
    // whether it is the one that is looked at, or the other
    float scale = name.equals("other") ? -0.1f : 0.1f;
    model
        .getBlock()
        .getParameters()
        .get(0)
        .getValue()
        .getArray()
        .set(model.getNDManager().arange(9f).mul(scale).toByteBuffer());
    return model;
  }

  @Test
  void failure_inAStep_closesAllStudents_andIsToldToAll() {
    List<TinyRuns.Watched> students = new ArrayList<>();
    List<Throwable> told = new ArrayList<>();
    assertThatThrownBy(
            () ->
                MutualLearning.of(
                        peer -> watched(students, told, peer),
                        peer -> watched(students, told, peer).learningRateSchedule(failingAt(1)))
                    .fit(DATA))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("at 1");
    assertThat(students).hasSize(2).allMatch(TinyRuns.Watched::closed);
    assertThat(told).hasSize(2);
  }

  private static LearningRateSchedule failingAt(long step) {
    return (Progress progress) -> {
      if (progress.step() == step) {
        throw new IllegalStateException("at " + step);
      }
      return 1;
    };
  }

  private static Distiller.Builder watched(
      List<TinyRuns.Watched> students, List<Throwable> told, Teacher peer) {
    TinyRuns.Watched student = TinyRuns.Watched.of(TinyRuns.perceptron());
    students.add(student);
    return recipe(peer, student)
        .listener(
            new io.distill.training.TrainingListener() {
              @Override
              public void onRunFailure(RunFailure event) {
                told.add(event.cause());
              }
            });
  }

  @Test
  void failure_beforeTheFirstStep_closesAllStudents() {
    List<TinyRuns.Watched> students = new ArrayList<>();
    List<Throwable> told = new ArrayList<>();
    assertThatThrownBy(
            () ->
                MutualLearning.of(
                        peer -> watched(students, told, peer),
                        peer ->
                            watched(students, told, peer)
                                .earlyStopping(EarlyStopping.maximising("accuracy")))
                    .fit(DATA))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("earlyStopping must watch one of the metrics");
    assertThat(students).hasSize(2).allMatch(TinyRuns.Watched::closed);
    assertThat(told).hasSize(1);
    students.clear();
    assertThatThrownBy(
            () ->
                MutualLearning.of(
                        peer -> watched(students, told, peer),
                        peer ->
                            recipe(
                                peer, Student.encoder().layers(1).hiddenSize(8).heads(2).build()))
                    .fit(TEXTS))
        .isInstanceOf(RuntimeException.class);
    assertThat(students).hasSize(1);
  }

  @Test
  void groups_ofFewerThanTwo_areRefused() {
    assertThatThrownBy(() -> MutualLearning.of(1, MutualLearningTest::bag))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("students must be at least two but were 1");
    assertThatThrownBy(() -> MutualLearning.of(MutualLearningTest::bag))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("students must be at least two but were 1");
    Teacher[] kept = new Teacher[1];
    MutualLearning group =
        MutualLearning.of(
            peer -> {
              kept[0] = peer;
              throw new IllegalStateException("no");
            },
            MutualLearningTest::bag);
    assertThatThrownBy(() -> group.fit(TEXTS)).hasMessage("no");
    assertThat(kept[0].changes()).isTrue();
    assertThat(kept[0].classNames()).isEmpty();
    assertThatThrownBy(() -> kept[0].signals(null, java.util.Set.of()))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "peer must be a student of a run to answer but the run has not begun; give it to"
                + " Distiller.builder().teacher(...)");
  }

  @Test
  void interrupt_stopsAllAfterAWholeRound() {
    Thread trainer = Thread.currentThread();
    try (DistillationResults results =
        MutualLearning.of(
                peer ->
                    recipe(peer, TinyRuns.perceptron())
                        .listener(
                            TinyRuns.onStep(
                                step -> {
                                  if (step.progress().step() == 4) {
                                    trainer.interrupt();
                                  }
                                })),
                peer -> recipe(peer, TinyRuns.perceptron()))
            .fit(DATA)) {
      assertThat(Thread.interrupted()).isTrue();
      assertThat(results.all())
          .allSatisfy(
              each -> {
                assertThat(each.steps()).isEqualTo(5);
                assertThat(each.endReason()).isEqualTo(EndReason.STOPPED);
              });
    }
  }

  private static final long NEVER = -1;

  private static final class Crash extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  /**
   * Breaks off in the middle of a step, as if the process had died there. Whether it does is
   * nothing that two recipes differ in: they are compared at other steps.
   */
  private static LearningRateSchedule crashingAt(long step) {
    return (Progress progress) -> {
      if (progress.step() == step) {
        throw new Crash();
      }
      return 1;
    };
  }

  private static LearningRateSchedule steady() {
    return crashingAt(NEVER);
  }

  @ParameterizedTest(name = "student {0} crashes at step 7")
  @ValueSource(ints = {1, 2})
  void resumedGroup_endsInTheSameWeights(int crashing, @TempDir Path directory) {
    Path a = directory.resolve("a");
    Path b = directory.resolve("b");
    List<Map<String, float[]>> whole;
    try (DistillationResults results =
        MutualLearning.of(MutualLearningTest::encoder, MutualLearningTest::bag).fit(TEXTS)) {
      whole = weights(results);
    }
    assertThatThrownBy(
            () ->
                MutualLearning.of(
                        peer ->
                            encoder(peer)
                                .checkpoint(a, Every.steps(2))
                                .learningRateSchedule(crashingAt(crashing == 1 ? 7 : NEVER)),
                        peer ->
                            bag(peer)
                                .checkpoint(b, Every.steps(3))
                                .learningRateSchedule(crashingAt(crashing == 2 ? 7 : NEVER)))
                    .fit(TEXTS))
        .isInstanceOf(Crash.class);
    // whenever one of them is due, both are kept: 2, 3, 4, 6, of which the newest three stay; a
    // kept itself at 8 before b crashed in its eighth step
    assertThat(steps(a))
        .containsExactly(crashing == 1 ? new long[] {6, 4, 3} : new long[] {8, 6, 4});
    assertThat(steps(b)).containsExactly(6, 4, 3);
    try (DistillationResults results =
        MutualLearning.of(
                peer ->
                    encoder(peer)
                        .checkpoint(a, Every.steps(2))
                        .learningRateSchedule(steady())
                        .resumeFrom(a),
                peer ->
                    bag(peer)
                        .checkpoint(b, Every.steps(3))
                        .learningRateSchedule(steady())
                        .resumeFrom(b))
            .fit(TEXTS)) {
      assertSame(weights(results), whole);
    }
  }

  private static long[] steps(Path directory) {
    return io.distill.training.internal.CheckpointStore.list(directory).stream()
        .mapToLong(io.distill.training.internal.CheckpointStore.Found::step)
        .toArray();
  }

  @Test
  void resumedGroup_forgetsWhatIsNewerThanWhereItGoesOn(@TempDir Path directory) {
    Path a = directory.resolve("a");
    Path b = directory.resolve("b");
    Function<Teacher, Distiller.Builder> first =
        peer -> recipe(peer, TinyRuns.perceptron()).learningRateSchedule(steady());
    Function<Teacher, Distiller.Builder> second = peer -> recipe(peer, TinyRuns.perceptron());
    assertThatThrownBy(
            () ->
                MutualLearning.of(
                        peer -> first.apply(peer).checkpoint(a, Every.steps(2)),
                        peer ->
                            second
                                .apply(peer)
                                .checkpoint(b, Every.steps(2))
                                .learningRateSchedule(crashingAt(7)))
                    .fit(DATA))
        .isInstanceOf(Crash.class);
    assertThat(steps(a)).containsExactly(8, 6, 4);
    Thread trainer = Thread.currentThread();
    MutualLearning.of(
            peer ->
                first
                    .apply(peer)
                    .checkpoint(a, Every.steps(1))
                    .keepCheckpoints(1)
                    .resumeFrom(a)
                    .listener(TinyRuns.onStep(step -> trainer.interrupt())),
            peer ->
                second
                    .apply(peer)
                    .checkpoint(b, Every.steps(1))
                    .keepCheckpoints(1)
                    .resumeFrom(b)
                    .learningRateSchedule(steady()))
        .fit(DATA)
        .close();
    assertThat(Thread.interrupted()).isTrue();
    assertThat(steps(a)).containsExactly(7);
    assertThat(steps(b)).containsExactly(7);
  }

  @Test
  void resumedGroup_whoseFirstStudentIsDone_goesOnWithTheOther(@TempDir Path directory) {
    Path a = directory.resolve("a");
    Path b = directory.resolve("b");
    Function<Teacher, Distiller.Builder> shorter =
        peer ->
            recipe(peer, TinyRuns.perceptron(), 60, Optimizer.adamW())
                .checkpoint(a, Every.epochs(1));
    Function<Teacher, Distiller.Builder> longer =
        peer -> recipe(peer, TinyRuns.perceptron()).checkpoint(b, Every.epochs(1));
    List<Map<String, float[]>> whole;
    try (DistillationResults results =
        MutualLearning.of(
                peer -> recipe(peer, TinyRuns.perceptron(), 60, Optimizer.adamW()),
                peer -> recipe(peer, TinyRuns.perceptron()))
            .fit(DATA)) {
      whole = weights(results);
    }
    assertThatThrownBy(
            () ->
                MutualLearning.of(
                        shorter, peer -> longer.apply(peer).learningRateSchedule(crashingAt(15)))
                    .fit(DATA))
        .isInstanceOf(Crash.class);
    assertThat(steps(a)).containsExactly(3, 2, 1);
    assertThat(steps(b)[0]).isEqualTo(12);
    try (DistillationResults results =
        MutualLearning.of(
                peer -> shorter.apply(peer).resumeFrom(a),
                peer -> longer.apply(peer).learningRateSchedule(steady()).resumeFrom(b))
            .fit(DATA)) {
      assertSame(weights(results), whole);
      assertThat(results.all().get(1).steps()).isEqualTo(18);
    }
  }

  @Test
  void groupWithoutACommonCheckpoint_isRefused(@TempDir Path directory) {
    Path a = directory.resolve("a");
    Path b = directory.resolve("b");
    Function<Teacher, Distiller.Builder> first =
        peer -> recipe(peer, TinyRuns.perceptron()).checkpoint(a).resumeIfPresent(a);
    Function<Teacher, Distiller.Builder> second =
        peer -> recipe(peer, TinyRuns.perceptron()).checkpoint(b).resumeIfPresent(b);
    // nothing is there yet: both start afresh
    assertThatThrownBy(
            () ->
                MutualLearning.of(
                        first, peer -> second.apply(peer).learningRateSchedule(crashingAt(14)))
                    .fit(DATA))
        .isInstanceOf(Crash.class);
    assertThat(steps(a)).containsExactly(12, 6);
    assertThatThrownBy(
            () -> MutualLearning.of(first, peer -> recipe(peer, TinyRuns.perceptron())).fit(DATA))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "students that learn from each other must all resume or none but 1 of 2 do; call"
                + " resumeFrom(...) in each recipe");
    AtomicFiles.deleteQuietly(a.resolve("checkpoint-000000000012"));
    AtomicFiles.deleteQuietly(b.resolve("checkpoint-000000000006"));
    assertThatThrownBy(() -> MutualLearning.of(first, second).fit(DATA))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "students that learn from each other must have been kept at one step but were at ["
                + a
                + ": [6], "
                + b
                + ": [12]]; restore the checkpoints that are missing, or start anew in other"
                + " directories");
  }
}
