package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LogitMseTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.logitMse();
  }

  @Override
  String name() {
    return "logitMse";
  }

  @Override
  Line<LossCase> shifted() {
    return Line.doesNotApply("logits are compared as they are, constants and all");
  }

  @Override
  Line<LossCase> pushedOff() {
    return Line.doesNotApply("a class that the teacher rules out is left out");
  }

  @Test
  void distance_isHalfTheSumOfSquaresOverClasses() {
    LossCase given = row(new double[] {1, 2, 3}, new double[] {0, 4, 3});
    Outcome outcome = given.evaluate(loss());
    assertThat(outcome.value()).isEqualTo(2.5);
    assertThat(outcome.gradients().get(0).numbers()).containsExactly(1, -2, 0);
  }

  @Test
  void temperature_doesNotMatter() {
    assertThat(example().atTemperature(7).value(loss())).isEqualTo(example().value(loss()));
  }

  @Test
  void classRuledOutByTheTeacher_isLeftOut() {
    double never = Double.NEGATIVE_INFINITY;
    LossCase given = row(new double[] {1, 2, never}, new double[] {never, 4, never});
    Outcome outcome = given.evaluate(loss());
    assertThat(outcome.value()).isEqualTo(2);
    assertThat(outcome.gradients().get(0).numbers()).containsExactly(0, -2, 0);
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void softTargetsAtHighTemperature_tendToItsShareOfCentredLogits(long seed) {
    LossCase given = drawn(seed, 4).mapStudent(v -> centred(v)).mapTeacher(v -> centred(v));
    double limit = precise(given, loss()) / CLASSES;
    double far = precise(given.atTemperature(1e2), Losses.softTargets()) - limit;
    double near = precise(given.atTemperature(1e4), Losses.softTargets()) - limit;
    assertThat(near).isCloseTo(0, within(1e-3 * limit));
    assertThat(Math.abs(near)).isLessThan(Math.abs(far) / 50);
  }

  private static Values centred(Values values) {
    double[] numbers = values.doubles();
    double[] moved = new double[numbers.length];
    for (int row = 0; row < ROWS; row++) {
      double mean = Arrays.stream(values.rows(row).doubles()).average().orElseThrow();
      for (int i = row * CLASSES; i < (row + 1) * CLASSES; i++) {
        moved[i] = numbers[i] - mean;
      }
    }
    return new Values(moved, values.shape());
  }
}
