package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SkewReverseKlTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.skewReverseKl();
  }

  @Override
  String name() {
    return "skewReverseKl";
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void alphaTowardsZero_tendsToReverseKl(long seed) {
    LossCase given = drawn(seed, 2).atTemperature(2);
    double limit = precise(given, Losses.reverseKl());
    double near = precise(given, Losses.skewReverseKl(1e-3));
    double nearer = precise(given, Losses.skewReverseKl(1e-6));
    assertThat(nearer).isCloseTo(limit, within(1e-4 * limit));
    assertThat(Math.abs(nearer - limit)).isLessThan(Math.abs(near - limit) / 100);
    assertThat(loss()).isEqualTo(Losses.skewReverseKl(0.1));
  }

  @ParameterizedTest(name = "alpha={0}")
  @ValueSource(doubles = {0.01, 0.1, 0.9})
  void nothingInCommon_isTheLogarithmOfAlpha(double alpha) {
    double never = Double.NEGATIVE_INFINITY;
    LossCase given = row(new double[] {0, never}, new double[] {never, 0});
    assertThat(given.value(Losses.skewReverseKl(alpha))).isCloseTo(-Math.log(alpha), within(1e-6));
    LossCase extreme = row(new double[] {1e4, -1e4}, new double[] {-1e4, 1e4});
    assertThat(extreme.value(Losses.skewReverseKl(alpha)))
        .isCloseTo(-Math.log(alpha), within(1e-6));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void reverse_isSkewKlWithSidesSwapped(long seed) {
    LossCase given = drawn(seed, 4).atTemperature((double) seed);
    assertThat(given.value(Losses.skewReverseKl(0.3)))
        .isCloseTo(swapped(given).value(Losses.skewKl(0.3)), within(1e-5));
  }

  @ParameterizedTest(name = "alpha={0}")
  @ValueSource(doubles = {-0.1, 0, 1, Double.NaN})
  void alpha_outOfRange_isRefused(double alpha) {
    assertThatThrownBy(() -> Losses.skewReverseKl(alpha))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("alpha must be greater than 0 and less than 1 but was " + alpha);
  }
}
