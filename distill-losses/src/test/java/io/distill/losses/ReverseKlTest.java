package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReverseKlTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.reverseKl();
  }

  @Override
  String name() {
    return "reverseKl";
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void reverse_isSoftTargetsWithSidesSwapped(long seed) {
    LossCase given = drawn(seed, 4).atTemperature((double) seed);
    assertThat(given.value(loss()))
        .isCloseTo(swapped(given).value(Losses.softTargets()), within(1e-5));
  }

  @Test
  void classRuledOutByTheTeacherAlone_countsAsFloat32sSmallestProbability() {
    LossCase given = row(new double[] {0, 0}, new double[] {Double.NEGATIVE_INFINITY, 0});
    double half = Math.log(0.5);
    double expected = 0.5 * (half - Math.log(Float.MIN_NORMAL)) + 0.5 * half;
    assertThat(given.value(loss())).isCloseTo(expected, within(1e-5));
  }

  @Test
  void classRuledOutByTheStudentAlone_countsNothing() {
    LossCase given = row(new double[] {Double.NEGATIVE_INFINITY, 0, 0}, new double[] {0, 0, 0});
    Outcome outcome = given.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(Math.log(1.5), within(1e-6));
    assertThat(outcome.gradients().get(0).numbers()).containsExactly(0, 0, 0);
  }
}
