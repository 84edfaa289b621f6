package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SymmetricKlTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.symmetricKl();
  }

  @Override
  String name() {
    return "symmetricKl";
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void lambda_weightsTheReverseSide(long seed) {
    LossCase given = drawn(seed, 3).atTemperature(2);
    double forward = given.value(Losses.softTargets());
    double reverse = given.value(Losses.reverseKl());
    assertThat(given.value(Losses.symmetricKl(0))).isCloseTo(forward, within(1e-6));
    assertThat(given.value(Losses.symmetricKl(1))).isCloseTo(reverse, within(1e-6));
    assertThat(given.value(Losses.symmetricKl(0.9)))
        .isCloseTo(0.1 * forward + 0.9 * reverse, within(1e-5));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void default_isTheAverageAndSymmetric(long seed) {
    LossCase given = drawn(seed, 3).atTemperature(2);
    double forward = given.value(Losses.softTargets());
    double reverse = given.value(Losses.reverseKl());
    assertThat(given.value(loss())).isCloseTo((forward + reverse) / 2, within(1e-5));
    assertThat(given.value(loss())).isCloseTo(swapped(given).value(loss()), within(1e-5));
    assertThat(loss()).isEqualTo(Losses.symmetricKl(0.5));
  }

  @ParameterizedTest(name = "lambda={0}")
  @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
  void lambda_outOfRange_isRefused(double lambda) {
    assertThatThrownBy(() -> Losses.symmetricKl(lambda))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("lambda must be between 0 and 1 but was " + lambda);
  }
}
