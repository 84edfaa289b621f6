package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class EventsTest {

  private static final FloatRows DATA = FloatRows.random(10, 3, 1);

  @Test
  void events_arriveInOrder_onTheTrainingThread() {
    TinyRuns.Events events = new TinyRuns.Events();
    try (DistillationResult result =
        TinyRuns.recipe().batchSize(4).epochs(2).listener(events).fit(DATA)) {
      assertThat(events.all)
          .extracting(event -> event.getClass().getSimpleName())
          .containsExactly(
              "TeacherPass",
              "RunStart",
              "Step",
              "Step",
              "Step",
              "Epoch",
              "Step",
              "Step",
              "Step",
              "Epoch",
              "RunEnd");
      assertThat(events.threads).containsOnly(Thread.currentThread());
      assertThat(events.all.get(0)).isEqualTo(new TrainingListener.TeacherPass(10, 10));
      // 3 x 8 + 8 of the hidden layer, 8 x 3 + 3 of the classifier
      assertThat(events.all.get(1)).isEqualTo(new TrainingListener.RunStart(10, 2, 6, 0, 59));
      assertThat(events.steps)
          .extracting(step -> step.progress().step())
          .containsExactly(0L, 1L, 2L, 3L, 4L, 5L);
      assertThat(events.steps)
          .extracting(step -> step.progress().epoch())
          .containsExactly(0, 0, 0, 1, 1, 1);
      assertThat(events.steps).allSatisfy(s -> assertThat(s.progress().totalSteps()).isEqualTo(6));
      assertThat(events.epochs).extracting(TrainingListener.Epoch::epochs).containsOnly(2);
      assertThat(result.history()).isEqualTo(events.epochs);
      TrainingListener.RunEnd end = (TrainingListener.RunEnd) events.all.get(10);
      assertThat(end.steps()).isEqualTo(6);
      assertThat(end.seconds()).isEqualTo(result.seconds());
      assertThat(end.teacherSeconds()).isEqualTo(result.teacherSeconds());
    }
  }

  @Test
  void teacher_isAskedOncePerRow_howeverManyEpochs() {
    RuleTeacher teacher = RuleTeacher.echo();
    Distiller.builder()
        .teacher(teacher)
        .student(TinyRuns.perceptron())
        .loss(TinyRuns.logitDistance())
        .epochs(5)
        .fit(DATA)
        .close();
    // 2 rows by the check before the run
    assertThat(teacher.rowsAsked).hasValue(12);
  }

  @Test
  void teacher_hiddenStates_areAskedForInEveryStep() {
    RuleTeacher teacher = new RuleTeacher(row -> row, Set.of(SignalKind.HIDDEN_STATES), List.of());
    Distiller.builder()
        .teacher(teacher)
        .student(TinyRuns.perceptron())
        .loss(
            TinyRuns.of(
                context ->
                    context.meanOverRows(
                        context
                            .student()
                            .logits()
                            .sub(context.teacher().hiddenStates().get(0))
                            .square()
                            .sum(new int[] {1})),
                Set.of(SignalKind.LOGITS),
                Set.of(SignalKind.HIDDEN_STATES),
                false))
        .epochs(5)
        .fit(DATA)
        .close();
    assertThat(teacher.rowsAsked).hasValue(52);
  }

  /** Says of each of a row's tokens, of which there is one here, what another teacher says. */
  private record TokenTeacher(RuleTeacher inside) implements Teacher {
    @Override
    public Signals signals(Batch batch, Set<SignalKind> asked) {
      return inside
          .signals(batch, asked)
          .map(array -> array.reshape(array.getShape().get(0), 1, array.getShape().get(1)));
    }

    @Override
    public Set<SignalKind> provides() {
      return inside.provides();
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return inside.tokenizer();
    }

    @Override
    public List<String> classNames() {
      return inside.classNames();
    }

    @Override
    public Device device() {
      return inside.device();
    }
  }

  @Test
  void teacherOfTokens_isAskedInEveryStep_andNotAboutAgreement() {
    RuleTeacher teacher = RuleTeacher.echo();
    DistillationLoss loss =
        context ->
            context.meanOverRows(
                context
                    .student()
                    .logits()
                    .sub(context.teacher().logits().squeeze(1))
                    .square()
                    .sum(new int[] {1}));
    TinyRuns.Events events = new TinyRuns.Events();
    Distiller.builder()
        .teacher(new TokenTeacher(teacher))
        .student(TinyRuns.perceptron())
        .loss(loss)
        .epochs(2)
        .validation(DATA)
        .listener(events)
        .fit(DATA)
        .close();
    // 2 rows by the check, 10 by each of the two passes that were given up, and 10 an epoch
    assertThat(teacher.rowsAsked).hasValue(42);
    assertThat(events.all).noneMatch(TrainingListener.TeacherPass.class::isInstance);
    assertThat(events.epochs.get(1).metrics()).containsOnlyKeys("accuracy", "crossEntropy");
    Map<String, float[]> remembered = TinyRuns.train(TinyRuns.recipe().epochs(2), DATA);
    Map<String, float[]> asked =
        TinyRuns.train(
            Distiller.builder()
                .teacher(new TokenTeacher(teacher))
                .student(TinyRuns.perceptron())
                .loss(loss)
                .epochs(2),
            DATA);
    assertThat(asked).usingRecursiveComparison().isEqualTo(remembered);
  }

  @Test
  void studentOfTokens_isNotTriedOnTheValidationSet() {
    try (Model student = Model.newInstance("tokens", Device.cpu(), NativeEngine.NAME)) {
      student.setBlock(
          new SequentialBlock()
              .add(Linear.builder().setUnits(3).build())
              .add(
                  list -> {
                    NDArray logits = list.singletonOrThrow().reshape(-1, 1, 3);
                    logits.setName("logits");
                    return new NDList(logits);
                  }));
      student.getBlock().initialize(student.getNDManager(), DataType.FLOAT32, new Shape(1, 3));
      TinyRuns.Events events = new TinyRuns.Events();
      Distiller.builder()
          .teacher(Teacher.none())
          .student(student)
          .loss(TinyRuns.alone(context -> context.student().logits().square().mean()))
          .validation(DATA)
          .steps(1)
          .listener(events)
          .fit(DATA)
          .close();
      assertThat(events.epochs.get(0).metrics()).isEmpty();
    }
  }

  @Test
  void steps_thatAreNoMultipleOfAnEpoch_endInTheMiddleOfOne() {
    TinyRuns.Events events = new TinyRuns.Events();
    try (DistillationResult result =
        TinyRuns.recipe().batchSize(4).steps(7).listener(events).fit(DATA)) {
      assertThat(result.steps()).isEqualTo(7);
    }
    assertThat(events.epochs).extracting(TrainingListener.Epoch::epoch).containsExactly(1, 2, 3);
    assertThat(events.epochs).extracting(TrainingListener.Epoch::epochs).containsOnly(3);
    assertThat(events.steps).hasSize(7);
    assertThat(events.epochs.get(2).loss()).isCloseTo(events.steps.get(6).loss(), within(1e-12));
  }

  @Test
  void steps_equalToEpochs_giveTheSameRun() {
    Map<String, float[]> epochs = TinyRuns.train(TinyRuns.recipe().batchSize(4).epochs(2), DATA);
    Map<String, float[]> steps = TinyRuns.train(TinyRuns.recipe().batchSize(4).steps(6), DATA);
    assertThat(steps).usingRecursiveComparison().isEqualTo(epochs);
  }

  @Test
  void batches_coverEveryRowOnceAnEpoch_andEndWithTheRest() {
    List<List<String>> seen = new ArrayList<>();
    DistillationLoss watching =
        context -> {
          seen.add(context.sampleIds());
          return TinyRuns.logitDistance().compute(context);
        };
    TinyRuns.Events events = new TinyRuns.Events();
    TinyRuns.recipe(watching).batchSize(4).epochs(2).listener(events).fit(DATA).close();
    List<String> all = new ArrayList<>();
    for (int row = 0; row < 10; row++) {
      all.add("row " + row);
    }
    assertThat(seen).hasSize(6);
    for (int epoch = 0; epoch < 2; epoch++) {
      List<List<String>> batches = seen.subList(3 * epoch, 3 * epoch + 3);
      assertThat(batches.stream().flatMap(List::stream)).containsExactlyInAnyOrderElementsOf(all);
      assertThat(batches).extracting(List::size).containsExactlyInAnyOrder(4, 4, 2);
    }
    assertThat(seen.subList(0, 3)).isNotEqualTo(seen.subList(3, 6));
  }

  @Test
  void terms_areReportedByName_beforeWeighting() {
    TinyRuns.Events events = new TinyRuns.Events();
    DistillationLoss loss =
        TinyRuns.logitDistance()
            .named("distance")
            .weighted(0.25)
            .plus(TinyRuns.logitDistance().named("again").weighted(progress -> progress.step()))
            .plus(TinyRuns.logitDistance().named("distance"));
    TinyRuns.recipe(loss).steps(2).listener(events).fit(DATA).close();
    for (int step = 0; step < 2; step++) {
      TrainingListener.Step event = events.steps.get(step);
      assertThat(event.terms()).containsOnlyKeys("distance", "again", "distance#2");
      double distance = event.terms().get("distance");
      assertThat(event.terms().get("again")).isEqualTo(distance);
      assertThat(event.terms().get("distance#2")).isEqualTo(distance);
      assertThat(event.loss()).isCloseTo((1.25 + step) * distance, within(1e-6));
    }
  }

  @Test
  void events_areImmutable() {
    TinyRuns.Events events = new TinyRuns.Events();
    TinyRuns.recipe().steps(1).validation(DATA).listener(events).fit(DATA).close();
    for (Map<String, Double> map :
        List.of(
            events.steps.get(0).terms(),
            events.epochs.get(0).terms(),
            events.epochs.get(0).metrics())) {
      assertThat(map).isNotEmpty();
      assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(map::clear);
    }
    Map<String, Double> terms = new HashMap<>(Map.of("a", 1.0));
    TrainingListener.Step step =
        new TrainingListener.Step(
            events.steps.get(0).progress(), 1, terms, terms, 1, 1, 1, terms, 1);
    terms.clear();
    assertThat(step.terms()).containsExactly(Map.entry("a", 1.0));
    assertThat(step.weights()).containsExactly(Map.entry("a", 1.0));
  }

  @Test
  void listener_thatThrows_neverStopsTheRun_andOthersStillHear() {
    TinyRuns.Events after = new TinyRuns.Events();
    List<String> heard = new ArrayList<>();
    TrainingListener throwing =
        new TrainingListener() {
          private <E extends Exception> void fail(String event, Exception e) throws E {
            heard.add(event);
            @SuppressWarnings("unchecked")
            E sneaky = (E) e;
            throw sneaky;
          }

          @Override
          public void onRunStart(RunStart event) {
            this.<RuntimeException>fail("start", new IllegalStateException("start"));
          }

          @Override
          public void onTeacherPass(TeacherPass event) {
            this.<RuntimeException>fail("teacher", new IllegalStateException("teacher"));
          }

          @Override
          public void onStep(Step event) {
            this.<RuntimeException>fail("step", new IOException("checked, as Kotlin may throw"));
          }

          @Override
          public void onEpoch(Epoch event) {
            this.<RuntimeException>fail("epoch", new DistillationException("epoch"));
          }

          @Override
          public void onRunEnd(RunEnd event) {
            this.<RuntimeException>fail("end", new IllegalStateException("end"));
          }
        };
    Map<String, float[]> calm = TinyRuns.train(TinyRuns.recipe().steps(2), DATA);
    Map<String, float[]> weights =
        TinyRuns.train(TinyRuns.recipe().steps(2).listener(throwing).listener(after), DATA);
    assertThat(heard).containsExactly("teacher", "start", "step", "epoch", "step", "epoch", "end");
    assertThat(after.all).hasSize(7);
    assertThat(weights).usingRecursiveComparison().isEqualTo(calm);
  }

  @Test
  void failure_duringTheTeacherPass_isTold() {
    List<TrainingListener.RunFailure> failures = new ArrayList<>();
    java.util.concurrent.atomic.AtomicInteger asked =
        new java.util.concurrent.atomic.AtomicInteger();
    // two rows for the check, then batches of 32
    RuleTeacher teacher =
        RuleTeacher.of(
            row -> {
              if (asked.incrementAndGet() > 40) {
                throw new IllegalStateException("tired");
              }
              return row;
            });
    assertThatExceptionOfType(IllegalStateException.class)
        .isThrownBy(
            () ->
                Distiller.builder()
                    .teacher(teacher)
                    .student(TinyRuns.perceptron())
                    .loss(TinyRuns.logitDistance())
                    .steps(1)
                    .listener(
                        new TrainingListener() {
                          @Override
                          public void onRunFailure(RunFailure event) {
                            failures.add(event);
                          }
                        })
                    .fit(FloatRows.random(70, 3, 1)))
        .withMessage("tired");
    assertThat(failures)
        .singleElement()
        .satisfies(each -> assertThat(each.cause()).hasMessage("tired"));
  }

  @Test
  void listener_defaultMethods_doNothing() {
    TinyRuns.recipe().steps(1).listener(new TrainingListener() {}).fit(DATA).close();
  }

  /** Of four labelled rows two are right; of all five the teacher says the same of three. */
  @Test
  void validation_accuracyAndAgreement_areShares() {
    FloatRows validation =
        FloatRows.of(
            new float[][] {{5, 0}, {0, 5}, {5, 0}, {0, 5}, {5, 0}},
            new int[] {0, 0, 1, 1, -1},
            "left",
            "right");
    FloatRows training =
        FloatRows.of(new float[][] {{5, 0}, {0, 5}}, new int[] {0, 1}, "left", "right");
    // agrees with a perfect student where the second number is 0: rows 0, 2 and 4
    RuleTeacher teacher = RuleTeacher.of(row -> new float[] {1, 0});
    TinyRuns.Events events = new TinyRuns.Events();
    try (DistillationResult result =
        Distiller.builder()
            .teacher(teacher)
            .student(TinyRuns.perceptron())
            .loss(TinyRuns.crossEntropy())
            .optimizer(Optimizer.adamW().withLearningRate(0.05))
            .epochs(30)
            .validation(validation)
            .listener(events)
            .fit(training)) {
      assertThat(result.student().predict(validation)).containsExactly(0, 1, 0, 1, 0);
      assertThat(result.history().get(29).metrics())
          .contains(Map.entry("accuracy", 0.5), Map.entry("agreement", 0.6));
      float[][] student = result.student().logits(validation);
      int[] labels = {0, 0, 1, 1};
      double[] teachers = {1 / (1 + Math.exp(-1)), 1 / (1 + Math.exp(1))};
      double crossEntropy = 0;
      double kl = 0;
      for (int row = 0; row < 5; row++) {
        double second = 1 / (1 + Math.exp(student[row][0] - student[row][1]));
        double[] students = {1 - second, second};
        crossEntropy -= row < 4 ? Math.log(students[labels[row]]) / 4 : 0;
        for (int k = 0; k < 2; k++) {
          kl += teachers[k] * Math.log(teachers[k] / students[k]) / 5;
        }
      }
      assertThat(result.history().get(29).metrics().get("crossEntropy"))
          .isCloseTo(crossEntropy, within(1e-6));
      assertThat(result.history().get(29).metrics().get("kl")).isCloseTo(kl, within(1e-6));
    }
    assertThat(events.epochs).hasSize(30);
    // asked once for the five rows
    assertThat(teacher.rowsAsked).hasValue(5);
  }

  @Test
  void validation_withoutLabels_givesAgreementOnly() {
    TinyRuns.Events events = new TinyRuns.Events();
    TinyRuns.recipe().steps(1).validation(DATA.withoutClasses()).listener(events).fit(DATA).close();
    assertThat(events.epochs.get(0).metrics()).containsOnlyKeys("agreement", "kl");
  }

  @Test
  void validation_withoutTeacher_givesAccuracyOnly() {
    TinyRuns.Events events = new TinyRuns.Events();
    Distiller.builder()
        .teacher(Teacher.none())
        .student(TinyRuns.perceptron())
        .loss(TinyRuns.crossEntropy())
        .steps(1)
        .validation(DATA)
        .listener(events)
        .fit(DATA)
        .close();
    assertThat(events.epochs.get(0).metrics()).containsOnlyKeys("accuracy", "crossEntropy");
  }

  @Test
  void validation_doesNotChangeTheRun() {
    TextDataset texts = TinyRuns.texts(20);
    Student student = Student.bagOfEmbeddings().tokenizer(TinyRuns.tokenizer()).build();
    Map<String, float[]> without = TinyRuns.train(labelsAlone(student), texts);
    Map<String, float[]> with =
        TinyRuns.train(
            labelsAlone(student)
                .validation(
                    TextDataset.of(
                        List.of(
                            TextExample.labelled("hello", "even"),
                            TextExample.labelled("long mail", "odd")))),
            texts);
    assertThat(with).usingRecursiveComparison().isEqualTo(without);
  }

  private static Distiller.Builder labelsAlone(Student student) {
    return Distiller.builder()
        .teacher(Teacher.none())
        .student(student)
        .loss(TinyRuns.crossEntropy())
        .batchSize(8)
        .epochs(3);
  }

  @Test
  void history_withoutValidation_hasNoMetrics() {
    try (DistillationResult result = TinyRuns.recipe().epochs(2).fit(DATA)) {
      assertThat(result.history()).hasSize(2);
      assertThat(result.history()).allSatisfy(epoch -> assertThat(epoch.metrics()).isEmpty());
      assertThat(result.history().get(0).seconds()).isLessThan(result.history().get(1).seconds());
    }
  }
}
