package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TopKKlTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.topKKl(2);
  }

  @Override
  String name() {
    return "topKKl";
  }

  @Override
  Line<LossCase> pushedOff() {
    return Line.doesNotApply("a class of the rest rises with it where the rest is too small");
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void noMoreThanKClasses_isSoftTargets(long seed) {
    LossCase given = drawn(seed, 4).atTemperature(2);
    for (int k : new int[] {CLASSES, CLASSES + 1, 1000}) {
      Outcome outcome = given.evaluate(Losses.topKKl(k));
      Outcome expected = given.evaluate(Losses.softTargets());
      assertThat(outcome.value()).isEqualTo(expected.value());
      assertThat(outcome.gradients().get(0).numbers())
          .containsExactly(expected.gradients().get(0).numbers());
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void moreClassesApart_tellMore(long seed) {
    LossCase given = drawn(seed, 4, 10).atTemperature(2);
    double last = 0;
    for (int k = 1; k <= 10; k++) {
      double value = given.value(Losses.topKKl(k));
      assertThat(value).as("k=%s", k).isGreaterThanOrEqualTo(last - 1e-6);
      last = value;
    }
    // nine apart leave a rest of one class
    assertThat(given.value(Losses.topKKl(9))).isCloseTo(last, within(1e-5));
    assertThat(given.value(Losses.topKKl(1))).isLessThan(0.9 * last);
  }

  @Test
  void rest_isFreeWithin() {
    double[] teacher = {4, 3, 1, 0, -1};
    double value = row(new double[] {1, 2, 0.5, -2, 3}, teacher).value(loss());
    assertThat(row(new double[] {1, 2, 3, 0.5, -2}, teacher).value(loss()))
        .isCloseTo(value, within(1e-6));
    assertThat(row(new double[] {2, 1, 3, 0.5, -2}, teacher).value(loss()))
        .isNotCloseTo(value, within(1e-2));
  }

  @Test
  void rest_keepsItsDigitsWhereTheTopHasAll() {
    LossCase given = row(new double[] {30, 0, 0, 0}, new double[] {0.5, 0, 0, 0});
    double top = Math.exp(0.5) / (Math.exp(0.5) + 3);
    double expected =
        top * Math.log(top * (1 + 3 * Math.exp(-30))) + (1 - top) * (Math.log((1 - top) / 3) + 30);
    assertThat(given.value(Losses.topKKl(1))).isCloseTo(expected, within(1e-5 * expected));
  }

  @Test
  void classRuledOutByTheStudentAlone_isInfiniteInTheTop() {
    LossCase given = row(new double[] {Double.NEGATIVE_INFINITY, 0, 0}, new double[] {2, 1, 0});
    assertThat(given.value(loss())).isEqualTo(Double.POSITIVE_INFINITY);
    LossCase inRest =
        row(new double[] {0, 0, Double.NEGATIVE_INFINITY, 0}, new double[] {2, 1, 0, 0});
    assertThat(inRest.value(loss())).isFinite();
  }

  @Test
  void k_outOfRange_isRefused() {
    assertThatThrownBy(() -> Losses.topKKl(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("k must be at least 1 but was 0");
  }
}
