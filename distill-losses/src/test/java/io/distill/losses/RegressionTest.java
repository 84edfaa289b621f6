package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract twice: the squared error, and Huber's form. */
class RegressionTest {

  private static final DistillationLoss LOSS = Losses.regression();

  abstract static class Contract extends DistillationLossContract {

    @Override
    LossCase example() {
      return LogitCases.drawn(1, 2);
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
  }

  @Nested
  class Squared extends Contract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }
  }

  @Nested
  class Huber extends Contract {

    @Override
    DistillationLoss loss() {
      return Losses.regression(0.75);
    }
  }

  private static LossCase errors(double... errors) {
    Values student = new Values(errors, 1, errors.length);
    return LossCase.of(SignalKind.LOGITS, student, Values.zeros(1, errors.length));
  }

  @Test
  void squares_areSummedOverOutputsAndAveragedOverRows() {
    assertThat(errors(3, -4).value(LOSS)).isEqualTo(25);
    LossCase rows =
        LossCase.of(SignalKind.LOGITS, new Values(new float[] {1, 2, 3}, 3, 1), Values.zeros(3, 1));
    assertThat(rows.value(LOSS)).isCloseTo(14 / 3.0, within(1e-6));
  }

  @Test
  void errorsBeyondDelta_countLinearly() {
    assertThat(errors(0.5, -2).value(Losses.regression(1))).isCloseTo(0.125 + 1.5, within(1e-6));
    LossCase.Outcome outcome = errors(0.25, -10, 10).evaluate(Losses.regression(0.5));
    assertThat(outcome.gradients().get(0).numbers()).containsExactly(0.25f, -0.5f, 0.5f);
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void largeDelta_isHalfOfTheSquares(long seed) {
    LossCase given = LogitCases.drawn(seed, 2);
    assertThat(2 * given.value(Losses.regression(100))).isCloseTo(given.value(LOSS), within(1e-4));
  }

  @Test
  void temperature_doesNotMatter() {
    LossCase given = LogitCases.drawn(1, 2);
    assertThat(given.atTemperature(7).value(LOSS)).isEqualTo(given.value(LOSS));
    assertThat(given.atTemperature(7).value(Losses.regression(1)))
        .isEqualTo(given.value(Losses.regression(1)));
  }

  @ParameterizedTest(name = "delta={0}")
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void delta_outOfRange_isRefused(double delta) {
    assertThatThrownBy(() -> Losses.regression(delta))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("delta must be finite and greater than 0 but was " + delta);
  }

  @Test
  void requirements_areOutputsOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("regression");
  }
}
