package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GeneralizedJsdTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.generalizedJsd();
  }

  @Override
  String name() {
    return "generalizedJsd";
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void sidesSwapped_isTheSameWithSharesSwapped(long seed) {
    LossCase given = drawn(seed, 4).atTemperature(2);
    assertThat(given.value(loss())).isCloseTo(swapped(given).value(loss()), within(1e-5));
    assertThat(given.value(Losses.generalizedJsd(0.2)))
        .isCloseTo(swapped(given).value(Losses.generalizedJsd(0.8)), within(1e-5));
    assertThat(loss()).isEqualTo(Losses.generalizedJsd(0.5));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void betaNearItsEnds_isAShareOfTheKullbackLeiblerDivergences(long seed) {
    LossCase given = drawn(seed, 2).atTemperature(2);
    double share = 1e-5;
    double forward = precise(given, Losses.softTargets());
    double reverse = precise(given, Losses.reverseKl());
    assertThat(precise(given, Losses.generalizedJsd(share)) / share)
        .isCloseTo(forward, within(1e-3 * forward));
    assertThat(precise(given, Losses.generalizedJsd(1 - share)) / share)
        .isCloseTo(reverse, within(1e-3 * reverse));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void divergence_isMadeOfSkewDivergences(long seed) {
    LossCase given = drawn(seed, 4).atTemperature(3);
    double expected =
        0.3 * given.value(Losses.skewKl(0.3)) + 0.7 * given.value(Losses.skewReverseKl(0.7));
    assertThat(given.value(Losses.generalizedJsd(0.3))).isCloseTo(expected, within(1e-5));
  }

  @ParameterizedTest(name = "beta={0}")
  @ValueSource(doubles = {0.1, 0.5, 0.7})
  void nothingInCommon_isTheEntropyOfTheShares(double beta) {
    double never = Double.NEGATIVE_INFINITY;
    LossCase given = row(new double[] {0, never}, new double[] {never, 0});
    double entropy = -beta * Math.log(beta) - (1 - beta) * Math.log(1 - beta);
    assertThat(given.value(Losses.generalizedJsd(beta))).isCloseTo(entropy, within(1e-6));
    LossCase certain = drawn(1, 2).mapStudent(values -> values.oneHot(1e4f, -1e4f));
    assertThat(certain.atTemperature(2).value(Losses.generalizedJsd(beta)))
        .isLessThanOrEqualTo(4 * entropy + 1e-6);
  }

  @ParameterizedTest(name = "beta={0}")
  @ValueSource(doubles = {-0.1, 0, 1, Double.NaN})
  void beta_outOfRange_isRefused(double beta) {
    assertThatThrownBy(() -> Losses.generalizedJsd(beta))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("beta must be greater than 0 and less than 1 but was " + beta);
  }
}
