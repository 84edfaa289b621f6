package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import io.distill.signal.SignalKind;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MarginMseTest extends DistillationLossContract {

  private static final double NONE = Double.NEGATIVE_INFINITY;

  @Override
  DistillationLoss loss() {
    return Losses.marginMse();
  }

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
    LossCase narrow = example();
    LossCase wide =
        narrow
            .mapStudent(v -> withLastColumn(v, Values.drawn(7, 4, 5, 5)))
            .mapTeacher(LogitCases::padded);
    return Line.holds(new Sliced(wide, narrow));
  }

  /** Adds the last column of other values, of which the teacher says that it does not exist. */
  static Values withLastColumn(Values values, Values other) {
    Values wide = LogitCases.padded(values);
    int width = values.doubles().length / values.rows() + 1;
    double[] from = other.doubles();
    for (int row = 0; row < values.rows(); row++) {
      wide = wide.with(row * width + width - 1, from[row * width + width - 1]);
    }
    return wide;
  }

  @Override
  Line<LossCase> nothing() {
    Values none = new Values(new double[] {NONE, 1, 2, 1, NONE, NONE}, 2, 3);
    return Line.holds(LogitCases.drawn(1, 2, 2, 3).mapTeacher(values -> none));
  }

  @Override
  Map<String, LossCase> misfits() {
    Map<String, LossCase> misfits = LogitCases.misfits(example());
    misfits.put(
        "scores must have shape (rows, candidates) with at least 2 candidates but were (3, 1);"
            + " give the positive first and then its negatives",
        LogitCases.drawn(1, 2, 3, 1));
    return misfits;
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void constantAddedToAQuerysScores_changesNothing(long seed) {
    LossCase given = LogitCases.drawn(seed, 2);
    double[] factors = {1, 1, 1, 1, 1};
    double[] offsets = {16, -8, 0, 4, 1};
    double value = given.value(loss());
    assertThat(given.mapStudent(v -> LogitCases.affine(v, factors, offsets)).value(loss()))
        .isCloseTo(value, within(1e-4));
    LossCase agreed = given.withTeacher(given.student());
    assertThat(agreed.mapTeacher(v -> LogitCases.affine(v, factors, offsets)).value(loss()))
        .isCloseTo(0, within(1e-6));
  }

  @Test
  void margins_areThoseOfTheFirstCandidate() {
    LossCase given =
        LossCase.of(
            SignalKind.LOGITS,
            new Values(new float[] {3, 1, 0}, 1, 3),
            new Values(new float[] {5, 4, 1}, 1, 3));
    // margins 2 and 3, the teacher's 1 and 4
    Outcome outcome = given.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(1, within(1e-6));
    assertThat(outcome.gradients().get(0).numbers()).containsExactly(0f, -1f, 1f);
    assertThat(given.atTemperature(7).value(loss())).isEqualTo(outcome.value());
  }

  @Test
  void queriesOfAnyNumberOfCandidates_countTheSame() {
    Values teacher = new Values(new double[] {1, 0, NONE, NONE, 1, 0, 0, 0}, 2, 4);
    Values student = new Values(new double[] {3, 0, 77, NONE, 3, 0, 0, 0}, 2, 4);
    Outcome outcome = LossCase.of(SignalKind.LOGITS, student, teacher).evaluate(loss());
    assertThat(outcome.value()).isCloseTo(4, within(1e-6));
    float[] gradient = outcome.gradients().get(0).numbers();
    assertThat(gradient[0]).isEqualTo(gradient[4]).isPositive();
    assertThat(gradient[2]).isZero();
    assertThat(gradient[3]).isZero();
  }

  @Test
  void requirements_areScoresOfBoth() {
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresLabels()).isFalse();
    assertThat(loss().name()).isEqualTo("marginMse");
  }
}
