package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TotalVariationTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.totalVariation();
  }

  @Override
  String name() {
    return "totalVariation";
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void distance_isSymmetricAndBetweenZeroAndSquaredTemperature(long seed) {
    LossCase given = drawn(seed, 10.0 * seed);
    for (double temperature : new double[] {0.5, 1, 4}) {
      LossCase at = given.atTemperature(temperature);
      assertThat(at.value(loss())).isPositive().isLessThanOrEqualTo(temperature * temperature);
      assertThat(at.value(loss())).isCloseTo(swapped(at).value(loss()), within(1e-5));
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void distance_obeysPinskersInequality(long seed) {
    for (int row = 0; row < ROWS; row++) {
      LossCase given = drawn(seed, 4).rows(row);
      assertThat(given.value(loss()))
          .isLessThanOrEqualTo(Math.sqrt(given.value(Losses.softTargets()) / 2));
    }
  }

  @Test
  void nothingInCommon_isOne() {
    LossCase given = row(new double[] {1e4, -1e4, -1e4}, new double[] {-1e4, 1e4, 1e4});
    assertThat(given.value(loss())).isCloseTo(1, within(1e-6));
    assertThat(given.atTemperature(3).value(loss())).isCloseTo(9, within(1e-5));
  }

  @Test
  void probabilityMoved_isTheDistance() {
    LossCase given =
        row(
            new double[] {Math.log(0.5), Math.log(0.3), Math.log(0.2)},
            new double[] {Math.log(0.1), Math.log(0.6), Math.log(0.3)});
    assertThat(given.value(loss())).isCloseTo(0.4, within(1e-6));
  }
}
