package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.RowTemperature;
import io.distill.losses.LossCase.Outcome;
import io.distill.losses.internal.RowLoss;
import io.distill.signal.SignalKind;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every loss promises that compares the logits of each row of student and teacher. A test of
 * such a loss gives {@link #loss} and {@link #name}, and what is particular to it.
 *
 * <p>A loss that reads labels overrides {@link #example}, {@link #sliced} and {@link #nothing}.
 */
abstract class RowLossContract extends DistillationLossContract {

  static final int ROWS = 5;
  static final int CLASSES = 4;

  private static final double[] TEMPERATURES = {2, 0.5, 20, 1, 4};

  /** Returns the name under which the loss is reported. */
  abstract String name();

  @Override
  LossCase example() {
    return drawn(1, 2).atTemperature(2);
  }

  /** Lets student and teacher change places. */
  static LossCase swapped(LossCase given) {
    return given.withStudent(given.teacher()).withTeacher(given.student());
  }

  /** Returns the value in float64, for limits that float32 cannot tell apart. */
  static double precise(LossCase given, DistillationLoss loss) {
    return given.evaluate(loss, null, 1, DataType.FLOAT64).value();
  }

  /** Returns a batch of one row. */
  static LossCase row(double[] student, double[] teacher) {
    return LossCase.of(
        SignalKind.LOGITS,
        new Values(student, 1, student.length),
        new Values(teacher, 1, teacher.length));
  }

  /** Draws logits of student and teacher from {@code -scale} to {@code scale}. */
  static LossCase drawn(long seed, double scale) {
    return drawn(seed, scale, CLASSES);
  }

  static LossCase drawn(long seed, double scale, int classes) {
    return LossCase.of(
        SignalKind.LOGITS,
        Values.drawn(seed, scale, ROWS, classes),
        Values.drawn(seed + 100, scale, ROWS, classes));
  }

  @Override
  Line<LossCase> agreement() {
    LossCase example = example();
    return Line.holds(example.withTeacher(example.student()));
  }

  @Override
  Line<Sliced> sliced() {
    return Line.doesNotApply("every row has a teacher: labels and tokens are not looked at");
  }

  @Override
  Line<LossCase> nothing() {
    return Line.doesNotApply("every row counts, so a batch never counts for nothing");
  }

  @Override
  Map<String, LossCase> misfits() {
    LossCase example = example();
    return Map.of(
        "teacher and student logits must have the same number of classes but were 7 (teacher,"
            + " shape (5, 7)) and 4 (student, shape (5, 4)); select the shared classes or use a"
            + " feature loss",
        example.mapTeacher(values -> Values.drawn(9, 1, ROWS, 7)),
        "teacher and student logits must have the same number of rows but were 3 (teacher, shape"
            + " (3, 4)) and 5 (student, shape (5, 4)); give both models the same batch",
        example.mapTeacher(values -> Values.drawn(9, 1, 3, CLASSES)),
        "teacher and student logits must have shape (rows, classes) but were (5, 2, 4) (teacher)"
            + " and (5, 4) (student); reshape tokens into rows first",
        example.mapTeacher(values -> Values.drawn(9, 1, ROWS, 2, CLASSES)));
  }

  /** Returns a batch whose value stays the same if a number is added to a row's logits. */
  Line<LossCase> shifted() {
    return Line.holds(example());
  }

  /** Returns a batch that may be widened by a class that both models rule out. */
  Line<LossCase> ruledOutByBoth() {
    return Line.holds(example());
  }

  /** Returns a batch of which the teacher may rule out class 0, from the second row on. */
  Line<LossCase> ruledOutByTeacher() {
    return Line.holds(example());
  }

  /** Returns such a batch on which the student is pushed off the class that is ruled out. */
  Line<LossCase> pushedOff() {
    return ruledOutByTeacher();
  }

  @Test
  void requirements_areLogitsOfBoth() {
    assertThat(loss()).isInstanceOf(RowLoss.class);
    assertThat(loss().name()).isEqualTo(name());
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void constantAddedToARow_changesNothing(long seed) {
    shifted()
        .given()
        .ifPresent(
            given -> {
              double[] steps = Values.drawn(seed, 16, ROWS).doubles();
              double[] offsets = new double[given.student().get(0).doubles().length];
              int classes = offsets.length / ROWS;
              Arrays.setAll(offsets, i -> Math.rint(steps[i / classes]));
              Values constants = new Values(offsets, given.student().get(0).shape());
              double value = given.value(loss());
              assertThat(given.mapStudent(constants::plus).value(loss()))
                  .isCloseTo(value, within(1e-5 * Math.max(1, value)));
              assertThat(given.mapTeacher(constants::plus).value(loss()))
                  .isCloseTo(value, within(1e-5 * Math.max(1, value)));
            });
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
  void value_isNowhereBelowThatOfAgreement(long seed) {
    agreement()
        .given()
        .ifPresent(
            agreed -> {
              for (double temperature : new double[] {0.5, 1, 4, 20}) {
                LossCase least = agreed.atTemperature(temperature);
                LossCase other =
                    least.mapStudent(values -> Values.drawn(seed, (double) seed, values.shape()));
                double floor = least.value(loss());
                assertThat(other.value(loss()))
                    .isGreaterThanOrEqualTo(floor - 1e-6 * Math.max(1, floor));
              }
            });
  }

  @Test
  void classRuledOutByBoth_countsNothing() {
    ruledOutByBoth()
        .given()
        .ifPresent(
            narrow -> {
              LossCase wide =
                  narrow.mapStudent(RowLossContract::widened).mapTeacher(RowLossContract::widened);
              Outcome expected = narrow.evaluate(loss());
              Outcome outcome = wide.evaluate(loss());
              assertThat(outcome.value())
                  .isCloseTo(expected.value(), within(1e-6 * Math.max(1, expected.value())));
              assertThat(outcome.gradients().get(0).numbers())
                  .containsExactly(
                      widened(expected.gradients().get(0), 0).numbers(), within(1e-6f));
            });
  }

  private static Values widened(Values values) {
    return widened(values, Double.NEGATIVE_INFINITY);
  }

  /** Adds a last class of one number. */
  static Values widened(Values values, double number) {
    int classes = values.doubles().length / values.rows();
    double[] from = values.doubles();
    double[] wide = new double[values.rows() * (classes + 1)];
    Arrays.fill(wide, number);
    for (int row = 0; row < values.rows(); row++) {
      System.arraycopy(from, row * classes, wide, row * (classes + 1), classes);
    }
    return new Values(wide, values.rows(), classes + 1);
  }

  @Test
  void classRuledOutByTheTeacherAlone_givesFiniteValueAndGradients() {
    ruledOutByTeacher()
        .given()
        .ifPresent(
            given -> {
              Outcome outcome = withoutFirstClass(given).evaluate(loss());
              assertThat(outcome.value()).isFinite().isPositive();
              for (double number : outcome.gradients().get(0).doubles()) {
                assertThat(number).isFinite();
              }
            });
  }

  @Test
  void classRuledOutByTheTeacherAlone_isPushedDown() {
    pushedOff()
        .given()
        .ifPresent(
            given -> {
              double[] gradient =
                  withoutFirstClass(given).evaluate(loss()).gradients().get(0).doubles();
              for (int row = 1; row < ROWS; row++) {
                assertThat(gradient[row * (gradient.length / ROWS)]).as("row %s", row).isPositive();
              }
            });
  }

  /** Lets the teacher rule out class 0 of every row but the first. */
  static LossCase withoutFirstClass(LossCase given) {
    return given.mapTeacher(
        values -> {
          int classes = values.doubles().length / values.rows();
          Values changed = values;
          for (int row = 1; row < values.rows(); row++) {
            changed = changed.with(row * classes, Double.NEGATIVE_INFINITY);
          }
          return changed;
        });
  }

  @Test
  void rowTemperatures_giveTheMeanOfRowsAtTheirOwn() {
    LossCase example = example();
    Outcome outcome = atRowTemperatures(example).evaluate(rowTempered());
    LossContext.StepCounts step = example.counts();
    double value = 0;
    for (int row = 0; row < ROWS; row++) {
      Outcome own =
          example.rows(row).atTemperature(TEMPERATURES[row]).evaluate(loss(), step, 1f / ROWS);
      value += own.value();
      assertThat(outcome.gradients().get(0).rows(row).numbers())
          .as("gradient of row %s", row)
          .containsExactly(
              own.gradients().get(0).numbers(),
              within(Math.max(1e-6f, 1e-5f * own.gradients().get(0).largest())));
    }
    assertThat(outcome.value()).isCloseTo(value, within(1e-5 * Math.max(1, value)));
  }

  /** Learned temperatures: a ruled-out class must not make their gradient 0 times infinity. */
  @Test
  void gradientOfRowTemperatures_equalsCentralFiniteDifferences() {
    assertGradientsAtRowTemperatures(example());
    ruledOutByTeacher()
        .given()
        .ifPresent(given -> assertGradientsAtRowTemperatures(withoutFirstClass(given)));
    ruledOutByBoth()
        .given()
        .ifPresent(
            given ->
                assertThat(
                        atRowTemperatures(
                                given
                                    .mapStudent(RowLossContract::widened)
                                    .mapTeacher(RowLossContract::widened))
                            .evaluate(rowTempered(), null, 1, DataType.FLOAT64)
                            .parameterGradients()
                            .get("temperature.rows")
                            .doubles())
                    .containsExactly(
                        atRowTemperatures(given)
                            .evaluate(rowTempered(), null, 1, DataType.FLOAT64)
                            .parameterGradients()
                            .get("temperature.rows")
                            .doubles(),
                        within(1e-9)));
  }

  private static LossCase atRowTemperatures(LossCase given) {
    Map<String, Values> parameters = new LinkedHashMap<>();
    given.parameters().forEach((name, values) -> parameters.put("loss." + name, values));
    parameters.put("temperature.rows", new Values(TEMPERATURES, ROWS, 1));
    return given.withParameters(parameters);
  }

  private DistillationLoss rowTempered() {
    return loss().atTemperature(new GivenTemperatures());
  }

  private void assertGradientsAtRowTemperatures(LossCase given) {
    LossCase at = atRowTemperatures(given);
    assertGradients(rowTempered(), differentiable(at).atTemperature(new GivenTemperatures()), at);
  }

  /** One learned temperature a row. */
  private record GivenTemperatures() implements RowTemperature {
    @Override
    public void prepare(LossSetup setup) {
      throw new AssertionError("the temperatures are given by the case");
    }

    @Override
    public NDArray of(LossContext context) {
      return context.parameter("rows");
    }
  }
}
