package io.distill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.dataset.RandomAccessDataset;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.RowTemperature;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.TemperatureSchedule;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.FloatRows;
import io.distill.training.Optimizer;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import io.distill.training.TrainingListener;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class DistillerTest {

  private static final FloatRows DATA = FloatRows.random(12, 3, 1);

  private static Arguments setter(String name, Consumer<Distiller.Builder> call) {
    return Arguments.of(name, call);
  }

  static Stream<Arguments> setters() {
    return Stream.of(
        setter("teacher", b -> b.teacher(Teacher.none())),
        setter("student", b -> b.student(TinyRuns.perceptron())),
        setter("loss", b -> b.loss(TinyRuns.logitDistance())),
        setter("temperature", b -> b.temperature(2)),
        setter("temperature", b -> b.temperature(TemperatureSchedule.linear(1, 2))),
        setter("layerMapping", b -> b.layerMapping(LayerMapping.last())),
        setter("epochs", b -> b.epochs(1)),
        setter("steps", b -> b.steps(1)),
        setter("batchSize", b -> b.batchSize(1)),
        setter("gradientAccumulation", b -> b.gradientAccumulation(1)),
        setter("gradientClipping", b -> b.gradientClipping(1)),
        setter("optimizer", b -> b.optimizer(Optimizer.adamW())),
        setter(
            "learningRateSchedule", b -> b.learningRateSchedule(LearningRateSchedule.constant())),
        setter("seed", b -> b.seed(1)),
        setter("device", b -> b.device(Device.cpu())),
        setter("validation", b -> b.validation(DATA)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("setters")
  void setter_secondCall_isRefused(String name, Consumer<Distiller.Builder> call) {
    Distiller.Builder builder = Distiller.builder();
    call.accept(builder);
    assertThatIllegalStateException()
        .isThrownBy(() -> call.accept(builder))
        .withMessage(name + " must be set only once but was already set");
  }

  static Stream<Arguments> nullCalls() {
    return Stream.of(
        setter("teacher", b -> b.teacher((Teacher) null)),
        setter("model", b -> b.teacher((Model) null)),
        setter("student", b -> b.student((Student) null)),
        setter("model", b -> b.student((Model) null)),
        setter("loss", b -> b.loss(null)),
        setter("temperature", b -> b.temperature((TemperatureSchedule) null)),
        setter("temperature", b -> b.temperature((RowTemperature) null)),
        setter("layerMapping", b -> b.layerMapping(null)),
        setter("optimizer", b -> b.optimizer(null)),
        setter("learningRateSchedule", b -> b.learningRateSchedule(null)),
        setter("device", b -> b.device(null)),
        setter("validation", b -> b.validation(null)),
        setter("listener", b -> b.listener(null)),
        setter("dataset", b -> TinyRuns.recipe().fit((DistillationDataset) null).close()),
        setter("dataset", b -> TinyRuns.recipe().fit((RandomAccessDataset) null).close()),
        setter("dataset", b -> TinyRuns.recipe().build().fit((DistillationDataset) null).close()),
        setter("dataset", b -> TinyRuns.recipe().build().fit((RandomAccessDataset) null).close()));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("nullCalls")
  void nulls_areNamedAtOnce(String name, Consumer<Distiller.Builder> call) {
    assertThatNullPointerException()
        .isThrownBy(() -> call.accept(Distiller.builder()))
        .withMessage(name);
  }

  static Stream<Arguments> badValues() {
    return Stream.of(
        setter("epochs must be at least 1 but was 0", b -> b.epochs(0)),
        setter("steps must be at least 1 but was 0", b -> b.steps(0)),
        setter("batchSize must be at least 1 but was 0", b -> b.batchSize(0)),
        setter(
            "gradientAccumulation must be at least 1 but was -4", b -> b.gradientAccumulation(-4)),
        setter("gradientClipping must be greater than 0 but was 0.0", b -> b.gradientClipping(0)),
        setter(
            "gradientClipping must be greater than 0 but was NaN",
            b -> b.gradientClipping(Double.NaN)),
        setter("temperature must be finite and greater than 0 but was 0.0", b -> b.temperature(0)),
        setter(
            "temperature must be finite and greater than 0 but was Infinity",
            b -> b.temperature(Double.POSITIVE_INFINITY)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("badValues")
  void setter_outOfRange_isRefused(String message, Consumer<Distiller.Builder> call) {
    Distiller.Builder builder = Distiller.builder();
    assertThatIllegalArgumentException()
        .isThrownBy(() -> call.accept(builder))
        .withMessage(message);
  }

  @Test
  void setter_refusedValue_leavesThePartUnset() {
    Distiller.Builder builder = Distiller.builder();
    assertThatIllegalArgumentException().isThrownBy(() -> builder.epochs(0));
    builder.epochs(3);
  }

  @Test
  void build_missingParts_areAllNamed() {
    assertThatIllegalStateException()
        .isThrownBy(() -> Distiller.builder().build())
        .withMessage("recipe must have all required parts but lacks [teacher, student, loss]");
    assertThatIllegalStateException()
        .isThrownBy(() -> Distiller.builder().student(TinyRuns.perceptron()).build())
        .withMessage("recipe must have all required parts but lacks [teacher, loss]");
    assertThatIllegalStateException()
        .isThrownBy(() -> Distiller.builder().teacher(Teacher.none()).fit(DATA))
        .withMessage("recipe must have all required parts but lacks [student, loss]");
  }

  @Test
  void build_epochsAndSteps_isRefused() {
    assertThatIllegalStateException()
        .isThrownBy(() -> TinyRuns.recipe().epochs(3).steps(7).build())
        .withMessage("epochs and steps must not both be set but were 3 and 7");
  }

  @Test
  void build_leavesTheBuilderUsable() {
    TinyRuns.Events first = new TinyRuns.Events();
    TinyRuns.Events second = new TinyRuns.Events();
    Distiller.Builder builder = TinyRuns.recipe().steps(1).listener(first);
    Distiller before = builder.build();
    Distiller after = builder.listener(second).build();
    before.fit(DATA).close();
    assertThat(first.steps).hasSize(1);
    assertThat(second.steps).isEmpty();
    after.fit(DATA).close();
    assertThat(first.steps).hasSize(2);
    assertThat(second.steps).hasSize(1);
  }

  @Test
  void defaults_areTheDocumentedOnes() {
    TinyRuns.Events events = new TinyRuns.Events();
    try (DistillationResult result =
        Distiller.builder()
            .teacher(Teacher.none())
            .student(TinyRuns.perceptron())
            .loss(TinyRuns.logitsToOne())
            .listener(events)
            .fit(FloatRows.random(33, 3, 1))) {
      // 10 epochs of a batch of 32 and one of 1
      assertThat(result.steps()).isEqualTo(20);
    }
    assertThat(events.steps)
        .allSatisfy(
            step -> {
              assertThat(step.learningRate()).isEqualTo(1e-3);
              assertThat(step.temperature()).isEqualTo(1);
              assertThat(step.progress().seed()).isEqualTo(42);
            });
    assertThat(events.steps).extracting(TrainingListener.Step::rows).contains(32, 1);
  }

  @Test
  void fit_ofBuilderAndRecipe_giveTheSame() {
    Map<String, float[]> direct = TinyRuns.train(TinyRuns.recipe().steps(3), DATA);
    try (DistillationResult result = TinyRuns.recipe().steps(3).build().fit(DATA)) {
      assertThat(TinyRuns.weights(result.student())).usingRecursiveComparison().isEqualTo(direct);
    }
  }

  @Test
  void fit_djlDataset_trainsAndNamesClassesByIndex() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      ArrayDataset dataset =
          new ArrayDataset.Builder()
              .setData(manager.create(new float[] {1, 0, 0, 1, 1, 0, 0, 1}, new Shape(4, 2)))
              .optLabels(manager.create(new long[] {0, 1, 0, 1}))
              .setSampling(2, false)
              .build();
      for (boolean built : new boolean[] {false, true}) {
        Distiller.Builder builder =
            Distiller.builder()
                .teacher(Teacher.none())
                .student(TinyRuns.perceptron())
                .loss(TinyRuns.crossEntropy())
                .optimizer(Optimizer.adamW().withLearningRate(0.05))
                .epochs(40);
        try (DistillationResult result =
            built ? builder.build().fit(dataset) : builder.fit(dataset)) {
          assertThat(result.student().classNames()).containsExactly("0", "1");
          assertThat(result.student().predict(DistillationDataset.of(dataset)))
              .containsExactly(0, 1, 0, 1);
        }
      }
    }
  }

  @Test
  void result_tellsHowItWent_andClosesTheStudent() {
    TinyRuns.Watched student = TinyRuns.Watched.of(TinyRuns.perceptron());
    DistillationResult result =
        Distiller.builder()
            .teacher(RuleTeacher.echo())
            .student(student)
            .loss(TinyRuns.logitDistance())
            .epochs(2)
            .batchSize(4)
            .fit(DATA);
    assertThat(result.steps()).isEqualTo(6);
    assertThat(result.history()).extracting(TrainingListener.Epoch::epoch).containsExactly(1, 2);
    assertThat(result.history().get(1).loss()).isLessThan(result.history().get(0).loss());
    assertThat(result.seconds()).isGreaterThan(0);
    assertThat(result.teacherSeconds()).isBetween(0.0, result.seconds()).isGreaterThan(0);
    assertThat(result.student().model()).isSameAs(student.opened().get().model());
    assertThat(result.student().classNames()).isEqualTo(DATA.classNames());
    assertThat(student.closed()).isFalse();
    result.close();
    assertThat(student.closed()).isTrue();
  }

  @Test
  void result_history_isUnmodifiable() {
    try (DistillationResult result = TinyRuns.recipe().steps(1).fit(DATA)) {
      List<TrainingListener.Epoch> history = result.history();
      assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(history::clear);
    }
  }

  @Test
  void result_student_becomesTheNextTeacher(@TempDir Path directory) {
    Path saved = directory.resolve("student");
    float[][] logits;
    try (DistillationResult first = TinyRuns.recipe().epochs(2).fit(DATA)) {
      first.student().save(saved);
      logits = first.student().logits(DATA);
    }
    assertThat(Files.exists(saved.resolve("model.pt"))).isTrue();
    try (Teacher teacher = Teacher.load(saved);
        DistillationResult second =
            Distiller.builder()
                .teacher(teacher)
                .student(Student.load(saved))
                .loss(TinyRuns.logitDistance())
                .optimizer(Optimizer.sgd(0.1))
                .epochs(1)
                .fit(DATA)) {
      // it starts where its teacher is, so there is nothing to learn
      assertThat(second.history().get(0).loss()).isEqualTo(0);
      assertThat(second.student().logits(DATA)).isDeepEqualTo(logits);
    }
  }

  @Test
  void fit_studentThatCannotBeOpened_tellsWhy() {
    Distiller recipe =
        Distiller.builder()
            .teacher(Teacher.none())
            .student(
                setup -> {
                  throw new DistillationException("file must exist but did not; look again");
                })
            .loss(TinyRuns.logitsToOne())
            .build();
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe.fit(DATA))
        .withMessage("file must exist but did not; look again");
  }
}
