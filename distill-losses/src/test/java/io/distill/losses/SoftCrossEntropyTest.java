package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SoftCrossEntropyTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.softCrossEntropy();
  }

  @Override
  String name() {
    return "softCrossEntropy";
  }

  @Override
  double least() {
    return entropy(agreement().given().orElseThrow(), 2);
  }

  /** The teacher's mean entropy times T². */
  private static double entropy(LossCase given, double temperature) {
    double sum = 0;
    Values teacher = given.teacher().get(0);
    for (int row = 0; row < teacher.rows(); row++) {
      double[] powers =
          Arrays.stream(teacher.rows(row).doubles())
              .map(each -> Math.exp(each / temperature))
              .toArray();
      double total = Arrays.stream(powers).sum();
      for (double power : powers) {
        sum -= power / total * Math.log(power / total);
      }
    }
    return temperature * temperature * sum / teacher.rows();
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void crossEntropy_isSoftTargetsAndTheTeachersEntropy(long seed) {
    LossCase given = drawn(seed, 4).atTemperature((double) seed);
    Outcome outcome = given.evaluate(loss());
    Outcome divergence = given.evaluate(Losses.softTargets());
    double expected = divergence.value() + entropy(given, (double) seed);
    assertThat(outcome.value()).isCloseTo(expected, within(1e-6 * expected));
    assertThat(outcome.gradients().get(0).numbers())
        .containsExactly(divergence.gradients().get(0).numbers(), within(1e-6f));
  }

  @Test
  void classRuledOutByTheStudentAlone_isInfinite() {
    LossCase given = drawn(3, 2).mapStudent(values -> values.with(0, Double.NEGATIVE_INFINITY));
    assertThat(given.value(loss())).isEqualTo(Double.POSITIVE_INFINITY);
  }
}
