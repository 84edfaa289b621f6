package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LogisticRankTest extends DistillationLossContract {

  private static final double[] NO_OFFSETS = new double[LogitCases.ROWS];

  @Override
  DistillationLoss loss() {
    return Losses.logisticRank();
  }

  @Override
  LossCase example() {
    return LogitCases.drawn(1, 2);
  }

  @Override
  Line<LossCase> agreement() {
    return Line.doesNotApply(
        "only the teacher's order counts, and larger gaps in it are always better; see"
            + " growingGapsInTheTeachersOrder_leadToZero");
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
    return LogitCases.misfits(example());
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void growingGapsInTheTeachersOrder_leadToZero(long seed) {
    LossCase drawn = LogitCases.drawn(seed, 2);
    LossCase agreed = drawn.withTeacher(drawn.student());
    double previous = Double.MAX_VALUE;
    for (double factor : new double[] {0.5, 1, 4, 16}) {
      double[] factors = {factor, factor, factor, factor, factor};
      double value =
          agreed.mapStudent(v -> LogitCases.affine(v, factors, NO_OFFSETS)).value(loss());
      assertThat(value).isLessThan(previous);
      previous = value;
    }
    Values far = LogitCases.affine(drawn.student().get(0), rows(1e5), NO_OFFSETS);
    assertThat(agreed.mapStudent(values -> far).value(loss())).isCloseTo(0, within(1e-6));
    Values wrong = LogitCases.affine(drawn.student().get(0), rows(-1e3), NO_OFFSETS);
    assertThat(agreed.mapStudent(values -> wrong).value(loss())).isGreaterThan(500);
  }

  private static double[] rows(double factor) {
    return new double[] {factor, factor, factor, factor, factor};
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void teachersOrder_isAllThatCounts(long seed) {
    LossCase given = LogitCases.drawn(seed, 2);
    double value = given.value(loss());
    assertThat(given.mapTeacher(LogisticRankTest::cubed).value(loss())).isEqualTo(value);
    assertThat(given.atTemperature(7).value(loss())).isEqualTo(value);
    double[] offsets = {3, -8, 100, 0, 1};
    assertThat(given.mapStudent(v -> LogitCases.affine(v, rows(1), offsets)).value(loss()))
        .isCloseTo(value, within(1e-4));
  }

  /** A map that keeps every order. */
  private static Values cubed(Values values) {
    double[] numbers = values.doubles();
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = Math.pow(numbers[i], 3);
    }
    return new Values(numbers, values.shape());
  }

  @Test
  void undecidedStudent_isLogarithmOfTwo() {
    LossCase given = LogitCases.drawn(1, 2).mapStudent(values -> values.oneHot(0, 0));
    assertThat(given.value(loss())).isCloseTo(Math.log(2), within(1e-6));
  }

  @Test
  void equalClasses_makeNoPair() {
    LossCase given = LogitCases.drawn(1, 2).mapTeacher(values -> values.oneHot(0, 0));
    assertThat(given.value(loss())).isZero();
    // the hot class leads by 3 each of three others, which make no pairs among each other
    Values teacher = new Values(new float[] {5, 0, 0, 0}, 1, 4);
    Values student = new Values(new float[] {3, 0, 0, 0}, 1, 4);
    assertThat(LossCase.of(SignalKind.LOGITS, student, teacher).value(loss()))
        .isCloseTo(Math.log1p(Math.exp(-3)), within(1e-7));
  }

  @Test
  void classesRuledOutByTheTeacher_makeNoPair() {
    LossCase given = LogitCases.drawn(1, 2);
    LossCase wide = given.mapStudent(LogitCases::padded).mapTeacher(LogitCases::padded);
    LossCase.Outcome outcome = wide.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(given.value(loss()), within(1e-6));
    assertThat(outcome.gradients().get(0).doubles()).doesNotContain(Double.NaN);
  }

  @Test
  void requirements_areLogitsOfBoth() {
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresLabels()).isFalse();
    assertThat(loss().name()).isEqualTo("logisticRank");
  }
}
