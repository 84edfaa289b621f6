package io.distill.training.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.exception.DistillationException;
import io.distill.exception.NonFiniteLossException;
import io.distill.loss.DistillationLoss;
import io.distill.student.Student;
import io.distill.training.FloatRows;
import io.distill.training.Optimizer;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a user's loss may do wrong. */
class LossGuardTest {

  private static final FloatRows DATA = FloatRows.random(8, 3, 1);

  private static final String MEAN = "; take a mean, for example with context.meanOverRows(...)";

  private static Distiller.Builder recipe(Student student, DistillationLoss loss) {
    return Distiller.builder()
        .teacher(RuleTeacher.echo())
        .student(student)
        .loss(loss)
        .batchSize(4)
        .epochs(3);
  }

  private static void refused(DistillationLoss loss, String message) {
    TinyRuns.Watched student = TinyRuns.Watched.of(TinyRuns.perceptron());
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe(student, loss).fit(DATA).close())
        .withMessage(message);
    assertThat(student.closed()).isTrue();
  }

  @Test
  void vector_isRefused() {
    refused(
        context -> context.student().logits().square().sum(new int[] {1}),
        "loss term 'loss' must be a floating-point scalar but was float32 (4)" + MEAN);
    DistillationLoss matrix = context -> context.student().logits();
    refused(
        TinyRuns.logitDistance().plus(matrix.named("matrix")),
        "loss term 'matrix' must be a floating-point scalar but was float32 (4, 3)" + MEAN);
  }

  @Test
  void nothing_isRefused() {
    refused(
        context -> null, "loss term 'loss' must be a floating-point scalar but was null" + MEAN);
  }

  @Test
  void integer_isRefused() {
    refused(
        context -> context.student().logits().sum().toType(DataType.INT64, false),
        "loss term 'loss' must be a floating-point scalar but was int64 ()" + MEAN);
  }

  private static String detached(String term) {
    return "loss term '"
        + term
        + "' must depend on the student's signals but no gradient leads there; compute it from"
        + " context.student() without stopGradient(), toType(...) or toFloatArray()";
  }

  @Test
  void detachedValue_isRefused() {
    refused(context -> context.student().logits().stopGradient().mean(), detached("loss"));
    refused(context -> context.manager().create(1f), detached("loss"));
    refused(
        context -> TinyRuns.logitDistance().compute(context).toType(DataType.FLOAT64, false),
        detached("loss"));
    DistillationLoss ofTeacher = context -> context.teacher().logits().mean();
    refused(TinyRuns.logitDistance().plus(ofTeacher.named("teacher's")), detached("teacher's"));
  }

  @Test
  void value_detachedInALaterStep_isReportedWithTheStep() {
    DistillationLoss later =
        context ->
            context.progress().step() == 0
                ? context.student().logits().mean()
                : context.student().logits().stopGradient().mean();
    refused(
        later,
        "loss must lead back to the student's parameters but the backward pass failed at epoch 1,"
            + " step 2; compute every term from context.student() without in-place operators");
  }

  @ParameterizedTest
  @CsvSource({"1", "0.5"})
  void float64Scalar_isTakenAsFloat32(double weight) {
    DistillationLoss wide =
        context -> {
          // DJL makes float64 of a scalar times a Java double
          NDArray value = TinyRuns.logitDistance().compute(context).mul(1d);
          assertThat(value.getDataType()).isEqualTo(DataType.FLOAT64);
          return value;
        };
    Map<String, float[]> expected =
        TinyRuns.train(
            recipe(TinyRuns.perceptron(), TinyRuns.logitDistance().weighted(weight)), DATA);
    Map<String, float[]> actual =
        TinyRuns.train(recipe(TinyRuns.perceptron(), wide.weighted(weight)), DATA);
    assertThat(actual).usingRecursiveComparison().isEqualTo(expected);
  }

  @Test
  void scalarOfShapeOne_isTaken() {
    DistillationLoss shaped = context -> TinyRuns.logitDistance().compute(context).reshape(1, 1);
    Map<String, float[]> expected =
        TinyRuns.train(recipe(TinyRuns.perceptron(), TinyRuns.logitDistance()), DATA);
    assertThat(TinyRuns.train(recipe(TinyRuns.perceptron(), shaped), DATA))
        .usingRecursiveComparison()
        .isEqualTo(expected);
    assertThat(
            TinyRuns.train(
                recipe(
                    TinyRuns.perceptron(),
                    shaped.weighted(0.5).plus(TinyRuns.logitDistance().weighted(0.5))),
                DATA))
        .containsOnlyKeys(expected.keySet());
  }

  @Test
  void lossThatThrows_closesTheStudent_andItsExceptionArrives() {
    TinyRuns.Watched student = TinyRuns.Watched.of(TinyRuns.perceptron());
    IllegalStateException own = new IllegalStateException("mine");
    DistillationLoss throwing =
        context -> {
          throw own;
        };
    assertThatExceptionOfType(IllegalStateException.class)
        .isThrownBy(() -> recipe(student, throwing).fit(DATA).close())
        .isSameAs(own);
    assertThat(student.closed()).isTrue();
  }

  @Test
  void meanOfWrongShape_isRefused() {
    refused(
        context -> context.meanOverRows(context.student().logits()),
        "perRow must have shape (4) but had (4, 3); reduce the other dimensions first");
    refused(
        context -> context.meanOverTokens(context.student().logits()),
        "student must give a token mask to average over tokens but gave none; use meanOverRows");
  }

  @Test
  void undeclaredParameter_isNamed() {
    assertThatExceptionOfType(IllegalArgumentException.class)
        .isThrownBy(
            () ->
                recipe(TinyRuns.perceptron(), context -> context.parameter("matrix"))
                    .fit(DATA)
                    .close())
        .withMessage("parameter matrix must be declared in prepare(LossSetup) but only [] are");
  }

  /** Turns to another value at the third step. */
  private static DistillationLoss from(int step, float factor) {
    return context -> {
      NDArray value = TinyRuns.logitDistance().compute(context);
      return context.progress().step() >= step ? value.mul(factor) : value;
    };
  }

  @ParameterizedTest
  @CsvSource({"NaN", "Infinity", "-Infinity"})
  void nonFiniteTerm_stopsTheRun(float factor) {
    TinyRuns.Watched student = TinyRuns.Watched.of(TinyRuns.perceptron());
    TinyRuns.Events events = new TinyRuns.Events();
    assertThatExceptionOfType(NonFiniteLossException.class)
        .isThrownBy(
            () ->
                recipe(
                        student,
                        TinyRuns.logitDistance().plus(from(3, factor).named("bad").weighted(0.5)))
                    .listener(events)
                    .fit(DATA)
                    .close())
        .withMessage(
            "loss term 'bad' must be finite but was "
                + factor
                + " at epoch 2, step 4; the weights of the step before are kept; lower the learning"
                + " rate, clip gradients (gradientClipping), or look for NaN in the data and in the"
                + " teacher's outputs")
        .satisfies(
            e -> {
              assertThat(e.term()).isEqualTo("bad");
              assertThat(e.epoch()).isEqualTo(2);
              assertThat(e.step()).isEqualTo(4);
            });
    assertThat(events.steps).hasSize(3);
    assertThat(events.epochs).hasSize(1);
    assertThat(student.closed()).isTrue();
  }

  @Test
  void nonFiniteTermOfWeightZero_stopsTheRunAsWell() {
    DistillationLoss loss =
        TinyRuns.logitDistance().plus(from(0, Float.NaN).named("bad").weighted(0));
    assertThatExceptionOfType(NonFiniteLossException.class)
        .isThrownBy(() -> recipe(TinyRuns.perceptron(), loss).fit(DATA).close())
        .satisfies(e -> assertThat(e.step()).isEqualTo(1));
  }

  @Test
  void nonFiniteGradientOfAFiniteLoss_stopsTheRun() {
    // the root of 0 is 0 and its slope infinite
    DistillationLoss root =
        context ->
            context.progress().step() < 1
                ? TinyRuns.logitDistance().compute(context)
                : context.student().logits().mul(0f).sum().sqrt();
    TinyRuns.Watched student = TinyRuns.Watched.of(TinyRuns.perceptron());
    assertThatExceptionOfType(NonFiniteLossException.class)
        .isThrownBy(() -> recipe(student, root).fit(DATA).close())
        .withMessage(
            "loss term 'gradient' must be finite but was NaN at epoch 1, step 2; the weights of the"
                + " step before are kept; lower the learning rate, clip gradients"
                + " (gradientClipping), or look for NaN in the data and in the teacher's outputs");
    assertThat(student.closed()).isTrue();
  }

  @Test
  void nonFiniteLoss_leavesASavedStudentAsItWas(@TempDir Path directory) throws IOException {
    Path saved = directory.resolve("student");
    try (DistillationResult good =
        recipe(TinyRuns.perceptron(), TinyRuns.logitDistance()).fit(DATA)) {
      good.student().save(saved);
    }
    Map<String, byte[]> before = files(directory);
    assertThatExceptionOfType(NonFiniteLossException.class)
        .isThrownBy(
            () ->
                recipe(Student.load(saved), from(2, Float.NaN))
                    .optimizer(Optimizer.sgd(0.1))
                    .fit(DATA)
                    .close());
    Map<String, byte[]> after = files(directory);
    assertThat(after.keySet()).isEqualTo(before.keySet());
    assertThat(before).hasSizeGreaterThanOrEqualTo(3);
    before.forEach((name, bytes) -> assertThat(after.get(name)).as(name).isEqualTo(bytes));
  }

  private static Map<String, byte[]> files(Path directory) throws IOException {
    Map<String, byte[]> contents = new TreeMap<>();
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        contents.put(directory.relativize(file).toString(), Files.readAllBytes(file));
      }
    }
    return contents;
  }

  @Test
  void badWeight_stopsTheRun() {
    assertThatExceptionOfType(IllegalArgumentException.class)
        .isThrownBy(
            () ->
                recipe(TinyRuns.perceptron(), TinyRuns.logitDistance().weighted(progress -> -1))
                    .fit(DATA)
                    .close())
        .withMessage("weight must be finite and at least 0 but was -1.0");
  }

  @Test
  void teacherThatIsNotFinite_isToldByItsRow() {
    Distiller.Builder recipe =
        Distiller.builder()
            .teacher(RuleTeacher.of(row -> row[0] == DATA.row(5)[0] ? nan() : row))
            .student(TinyRuns.perceptron())
            .loss(TinyRuns.logitDistance());
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe.fit(DATA).close())
        .withMessage(
            "LOGITS must be finite but row 5 has NaN; check the model's weights and this row");
  }

  @Test
  void teacherThatRulesOutEveryClass_isToldByItsRow() {
    float nothing = Float.NEGATIVE_INFINITY;
    Distiller.Builder recipe =
        Distiller.builder()
            .teacher(
                RuleTeacher.of(
                    row ->
                        row[0] == DATA.row(5)[0] ? new float[] {nothing, nothing, nothing} : row))
            .student(TinyRuns.perceptron())
            .loss(TinyRuns.logitDistance());
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe.fit(DATA).close())
        .withMessage(
            "LOGITS must be finite but row 5 rules out every class; check the model's weights and"
                + " this row");
  }

  @Test
  void teacherThatRulesOutAClass_teachesIt() {
    DistillationLoss softCrossEntropy =
        context ->
            context.meanOverRows(
                context
                    .student()
                    .logits()
                    .logSoftmax(-1)
                    .mul(context.teacher().logits().softmax(-1))
                    .sum(new int[] {1})
                    .neg());
    try (DistillationResult result =
        Distiller.builder()
            .teacher(RuleTeacher.of(row -> new float[] {row[0], Float.NEGATIVE_INFINITY, row[2]}))
            .student(TinyRuns.perceptron())
            .loss(softCrossEntropy)
            .optimizer(Optimizer.adamW().withLearningRate(0.05))
            .epochs(40)
            .fit(DATA)) {
      assertThat(result.student().predict(DATA)).doesNotContain(1);
    }
  }

  private static float[] nan() {
    return new float[] {0, Float.NaN, 0};
  }
}
