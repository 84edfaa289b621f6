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

class MultiLabelTest extends DistillationLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.multiLabel();
  }

  @Override
  LossCase example() {
    return LogitCases.drawn(1, 2).atTemperature(2);
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
    return LogitCases.misfits(example());
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void classes_areSoftTargetsOfTwoClassesEach(long seed) {
    for (double temperature : new double[] {0.5, 1, 4}) {
      LossCase given = LogitCases.drawn(seed, 4).atTemperature(temperature);
      LossCase pairs = given.mapStudent(MultiLabelTest::pairs).mapTeacher(MultiLabelTest::pairs);
      double value = given.value(loss());
      // a mean over rows times classes, where the other is a sum over classes
      assertThat(LogitCases.CLASSES * pairs.value(Losses.softTargets()))
          .isCloseTo(value, within(2e-5 * value));
    }
  }

  /** Makes each logit a row of itself and 0. */
  private static Values pairs(Values values) {
    double[] from = values.doubles();
    double[] pairs = new double[2 * from.length];
    for (int i = 0; i < from.length; i++) {
      pairs[2 * i] = from[i];
    }
    return new Values(pairs, from.length, 2);
  }

  @Test
  void constantAddedToARow_counts() {
    double[] factors = {1, 1, 1, 1, 1};
    double[] offsets = {1, 1, 1, 1, 1};
    LossCase given = example();
    assertThat(given.mapStudent(v -> LogitCases.affine(v, factors, offsets)).value(loss()))
        .isNotCloseTo(given.value(loss()), within(0.01));
  }

  @Test
  void classesRuledOutByBoth_countNothing() {
    LossCase given = example();
    LossCase wide = given.mapStudent(LogitCases::padded).mapTeacher(LogitCases::padded);
    LossCase.Outcome outcome = wide.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(given.value(loss()), within(1e-6));
    assertThat(outcome.gradients().get(0).doubles()).doesNotContain(Double.NaN);
  }

  @Test
  void classRuledOutByTheTeacherAlone_isAbsent() {
    LossCase given =
        LossCase.of(
            SignalKind.LOGITS,
            new Values(new double[] {1.5}, 1, 1),
            new Values(new double[] {Double.NEGATIVE_INFINITY}, 1, 1));
    LossCase.Outcome outcome = given.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(Math.log1p(Math.exp(1.5)), within(1e-6));
    assertThat(outcome.gradients().get(0).numbers()[0]).isPositive();
  }

  @Test
  void requirements_areLogitsOfBoth() {
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresLabels()).isFalse();
    assertThat(loss().name()).isEqualTo("multiLabel");
  }
}
