package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.DataType;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.LossCase.Outcome;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every loss promises; the test of each loss extends this. {@link LossCase#evaluate} checks in
 * every test that the value is a float32 scalar attached to the student and that the teacher gets
 * no gradient.
 */
abstract class DistillationLossContract {

  private static final float EXTREME = 1e4f;
  private static final double EXACT = 1e-6;

  /** Central differences of step 1e-4 are wrong by about the third derivative times 1e-9. */
  private static final double DIFFERENCES = 1e-6;

  /** Float32 sums taken in another order differ in the last digits. */
  private static final double ROUNDING = 1e-5;

  /** Returns the loss under test. */
  abstract DistillationLoss loss();

  /** Returns a batch of five rows as they come; partly labelled or masked where that exists. */
  abstract LossCase example();

  /** Returns a batch on which student and teacher agree. */
  abstract Line<LossCase> agreement();

  /** Returns the least value, which the loss has on a batch of {@link #agreement}. */
  double least() {
    return 0;
  }

  /** Returns a batch with parts that do not count, and the same batch without those parts. */
  abstract Line<Sliced> sliced();

  /** Returns a batch in which nothing counts. */
  abstract Line<LossCase> nothing();

  /** Returns a batch whose value does not change when every row comes twice. */
  Line<LossCase> duplicated() {
    return Line.holds(example());
  }

  /** Returns a batch of five rows that may come in parts. */
  Line<LossCase> accumulated() {
    return Line.holds(example());
  }

  /** Returns batches whose shapes do not fit, and the messages. */
  abstract Map<String, LossCase> misfits();

  /** A batch with parts that do not count, and the batch without them. */
  record Sliced(LossCase masked, LossCase sliced) {}

  /**
   * A line of the contract: a case, or why the line says nothing about this loss.
   *
   * @param given the case; empty if the line does not apply
   * @param reason why the line does not apply; empty if it does
   */
  record Line<T>(Optional<T> given, String reason) {
    Line {
      if (given.isPresent() == !reason.isBlank()) {
        throw new IllegalArgumentException("either a case or a reason must be given");
      }
    }

    static <T> Line<T> holds(T given) {
      return new Line<>(Optional.of(given), "");
    }

    static <T> Line<T> doesNotApply(String reason) {
      return new Line<>(Optional.empty(), reason);
    }
  }

  @Test
  void value_isScalarFloat32AndFinite() {
    assertThat(example().value(loss())).isFinite().isPositive();
  }

  @Test
  void value_ofExtremeSignals_isFiniteWithFiniteGradients() {
    LossCase example = example();
    LossCase extreme = example.mapStudent(values -> values.extreme(EXTREME));
    assertFinite(extreme);
    assertFinite(extreme.mapTeacher(values -> values.extreme(EXTREME)));
    assertFinite(extreme.mapTeacher(values -> values.extreme(-EXTREME)));
    assertFinite(extreme.mapTeacher(values -> values.oneHot(EXTREME, -EXTREME)));
    assertFinite(extreme.mapTeacher(values -> values.oneHot(1, 0)));
    assertFinite(example.mapTeacher(values -> values.oneHot(EXTREME, -EXTREME)));
    assertFinite(example.mapStudent(values -> values.oneHot(0, 0)));
    assertFinite(example.mapTeacher(values -> values.oneHot(0, 0)));
  }

  private void assertFinite(LossCase given) {
    Outcome outcome = given.evaluate(loss());
    assertThat(outcome.value()).isFinite();
    outcome.gradients().forEach(DistillationLossContract::assertFinite);
    outcome.parameterGradients().values().forEach(DistillationLossContract::assertFinite);
  }

  private static void assertFinite(Values gradient) {
    for (float number : gradient.numbers()) {
      assertThat(number).isFinite();
    }
  }

  @Test
  void value_whereStudentAgreesWithTeacher_isZeroAndMinimal() {
    agreement()
        .given()
        .ifPresent(
            agreed -> {
              Outcome outcome = agreed.evaluate(loss());
              assertThat(outcome.value()).isCloseTo(least(), within(EXACT * Math.max(1, least())));
              outcome
                  .gradients()
                  .forEach(gradient -> assertThat(gradient.largest()).isLessThan(1e-5f));
              for (int seed = 501; seed <= 505; seed++) {
                int offset = seed;
                LossCase moved =
                    agreed.mapStudent(
                        values -> values.plus(Values.drawn(offset, 0.5, values.shape())));
                assertThat(moved.value(loss())).isGreaterThan(least() + 1e-4);
              }
            });
  }

  /**
   * Returns a loss of the same gradient at a case. A loss that holds a part of itself constant is
   * not the integral of its gradient; it returns one in which that part is fixed as it is there.
   */
  DistillationLoss differentiable(LossCase at) {
    return loss();
  }

  @Test
  void gradient_equalsCentralFiniteDifferences() {
    assertGradients(loss(), differentiable(example()), example(), this::followsValue);
  }

  /** Holds all gradients of a loss against differences of values. */
  static void assertGradients(
      DistillationLoss loss, DistillationLoss differentiable, LossCase example) {
    assertGradients(loss, differentiable, example, parameter -> true);
  }

  /**
   * Holds the gradients of a loss in student and parameters against differences of values.
   *
   * @param differentiable the loss whose values are taken; see {@link #differentiable}
   * @param followsValue which parameters; see {@link #followsValue}
   */
  private static void assertGradients(
      DistillationLoss loss,
      DistillationLoss differentiable,
      LossCase example,
      Predicate<String> followsValue) {
    Outcome outcome = precise(loss, example);
    for (int layer = 0; layer < example.student().size(); layer++) {
      int changed = layer;
      assertDifferences(
          differentiable,
          example.student().get(layer),
          outcome.gradients().get(layer),
          values -> {
            List<Values> student = new ArrayList<>(example.student());
            student.set(changed, values);
            return example.withStudent(student);
          });
    }
    outcome
        .parameterGradients()
        .forEach(
            (name, gradient) -> {
              if (followsValue.test(name)) {
                assertDifferences(
                    differentiable,
                    example.parameters().get(name),
                    gradient,
                    values -> {
                      Map<String, Values> parameters = new LinkedHashMap<>(example.parameters());
                      parameters.put(name, values);
                      return example.withParameters(parameters);
                    });
              }
            });
  }

  /**
   * Returns whether the gradient of a parameter is that of the value; a loss that stops or turns
   * gradients on purpose says so here and tests that parameter itself.
   */
  boolean followsValue(String parameter) {
    return true;
  }

  /** In float64, where differences of values are exact enough to be held against gradients. */
  private static void assertDifferences(
      DistillationLoss loss, Values values, Values gradient, Function<Values, LossCase> changed) {
    double step = 1e-4;
    double[] numbers = values.doubles();
    double[] gradients = gradient.doubles();
    assertFinite(gradient);
    double largest = Arrays.stream(gradients).map(Math::abs).max().orElse(0);
    for (int i = 0; i < numbers.length; i++) {
      double above = precise(loss, changed.apply(values.with(i, numbers[i] + step))).value();
      double below = precise(loss, changed.apply(values.with(i, numbers[i] - step))).value();
      assertThat(gradients[i])
          .as("gradient of element %s", i)
          .isCloseTo((above - below) / (2 * step), within(DIFFERENCES * Math.max(1, largest)));
    }
  }

  private static Outcome precise(DistillationLoss loss, LossCase given) {
    return given.evaluate(loss, null, 1, DataType.FLOAT64);
  }

  @Test
  void teacherInInferenceMode_givesTheSameValueAndGradients() {
    Outcome plain = example().evaluate(loss());
    Outcome inferred = example().inferred().evaluate(loss());
    assertThat(inferred.value()).isEqualTo(plain.value());
    for (int i = 0; i < plain.gradients().size(); i++) {
      assertThat(inferred.gradients().get(i).numbers())
          .containsExactly(plain.gradients().get(i).numbers());
    }
    plain
        .parameterGradients()
        .forEach(
            (name, gradient) ->
                assertThat(inferred.parameterGradients().get(name).numbers())
                    .containsExactly(gradient.numbers()));
  }

  @Test
  void maskedBatch_equalsSlicedBatch() {
    sliced()
        .given()
        .ifPresent(
            pair -> {
              Outcome masked = pair.masked().evaluate(loss());
              Outcome sliced = pair.sliced().evaluate(loss());
              assertThat(masked.value()).isCloseTo(sliced.value(), within(EXACT));
              // equal norms: what was cut off got no gradient
              for (int i = 0; i < masked.gradients().size(); i++) {
                assertThat(norm(masked.gradients().get(i)))
                    .isCloseTo(norm(sliced.gradients().get(i)), within(EXACT));
              }
            });
  }

  private static double norm(Values values) {
    double squares = 0;
    for (float number : values.numbers()) {
      squares += (double) number * number;
    }
    return Math.sqrt(squares);
  }

  @Test
  void duplicatedBatch_equalsBatch() {
    duplicated()
        .given()
        .ifPresent(
            example -> {
              int size = example.size();
              int[] twice = IntStream.range(0, 2 * size).map(i -> i % size).toArray();
              assertThat(example.rows(twice).value(loss()))
                  .isCloseTo(example.value(loss()), within(ROUNDING));
            });
  }

  @Test
  void permutedBatch_equalsBatch() {
    LossCase example = example();
    int[] order = {3, 0, 4, 2, 1};
    Outcome whole = example.evaluate(loss());
    Outcome permuted = example.rows(order).evaluate(loss());
    assertThat(permuted.value()).isCloseTo(whole.value(), within(ROUNDING));
    for (int i = 0; i < whole.gradients().size(); i++) {
      Values gradient = whole.gradients().get(i);
      assertThat(permuted.gradients().get(i).numbers())
          .containsExactly(
              (byRow(example, i) ? gradient.rows(order) : gradient).numbers(), within(1e-6f));
    }
  }

  @ParameterizedTest(name = "first {0} of 5 rows")
  @ValueSource(ints = {1, 2, 3, 4})
  void accumulatedMicroBatches_equalWholeBatch(int first) {
    accumulated().given().ifPresent(example -> assertPartsAddUp(example, first));
  }

  private void assertPartsAddUp(LossCase example, int first) {
    Outcome alone = example.evaluate(loss());
    LossContext.StepCounts step = example.counts();
    Outcome whole = example.evaluate(loss(), step, 1);
    assertThat(whole.value()).isCloseTo(alone.value(), within(ROUNDING));

    int[] head = IntStream.range(0, first).toArray();
    int[] tail = IntStream.range(first, example.size()).toArray();
    Outcome one = part(example, head, step);
    Outcome two = part(example, tail, step);

    assertThat(one.value() + two.value()).isCloseTo(whole.value(), within(ROUNDING));
    for (int i = 0; i < whole.gradients().size(); i++) {
      Values gradient = whole.gradients().get(i);
      if (!byRow(example, i)) {
        assertThat(one.gradients().get(i).plus(two.gradients().get(i)).numbers())
            .containsExactly(gradient.numbers(), within(1e-6f));
        continue;
      }
      assertThat(one.gradients().get(i).numbers())
          .containsExactly(gradient.rows(head).numbers(), within(1e-6f));
      assertThat(two.gradients().get(i).numbers())
          .containsExactly(gradient.rows(tail).numbers(), within(1e-6f));
    }
    whole
        .parameterGradients()
        .forEach(
            (name, gradient) ->
                assertThat(
                        one.parameterGradients()
                            .get(name)
                            .plus(two.parameterGradients().get(name))
                            .numbers())
                    .containsExactly(gradient.numbers(), within(1e-5f)));
  }

  /** An array that all rows share, such as an output embedding, gets a gradient from all. */
  private static boolean byRow(LossCase given, int part) {
    return given.studentParts().get(part).byRow();
  }

  private Outcome part(LossCase example, int[] rows, LossContext.StepCounts step) {
    float share = (float) ((double) rows.length / step.rows());
    return example.rows(rows).evaluate(loss(), step, share);
  }

  @Test
  void wholeStep_equalsBatchOfUnknownStep() {
    LossCase example = example();
    assertThat(example.evaluate(loss(), example.counts(), 1).value())
        .isCloseTo(example.value(loss()), within(ROUNDING));
  }

  @Test
  void batchInWhichNothingCounts_isZeroAndAttached() {
    nothing()
        .given()
        .ifPresent(
            empty -> {
              // evaluate fails where the value is not attached
              for (Outcome outcome :
                  List.of(empty.evaluate(loss()), empty.evaluate(loss(), empty.counts(), 1))) {
                assertThat(outcome.value()).isZero();
                outcome.gradients().forEach(gradient -> assertThat(gradient.largest()).isZero());
              }
            });
  }

  @Test
  void shapesThatDoNotFit_areNamedOnBothSides() {
    assertThat(misfits()).isNotEmpty();
    misfits()
        .forEach(
            (message, misfit) ->
                assertThatThrownBy(() -> misfit.evaluate(loss()))
                    .isInstanceOf(DistillationException.class)
                    .hasMessage(message));
  }
}
