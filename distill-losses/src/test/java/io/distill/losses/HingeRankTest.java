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

/** The contract twice: the teacher's own gaps, and a given margin. */
class HingeRankTest {

  private static final DistillationLoss LOSS = Losses.hingeRank();

  abstract static class Contract extends DistillationLossContract {

    @Override
    LossCase example() {
      return LogitCases.drawn(1, 2).atTemperature(2);
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
  class TeachersGaps extends Contract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    Line<LossCase> agreement() {
      LossCase example = example();
      return Line.holds(example.withTeacher(example.student()));
    }
  }

  @Nested
  class GivenMargin extends Contract {

    @Override
    DistillationLoss loss() {
      return Losses.hingeRank(0.25);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply(
          "a teacher whose own gaps are smaller than the margin is not good enough for the"
              + " student; see gapsOfTheMargin_areEnough");
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void sharpenedTeacher_isEnough(long seed) {
    // two classes: a sharper student has a larger gap in the same order
    LossCase given = LogitCases.drawn(seed, 2, 5, 2);
    LossCase agreed = given.withTeacher(given.student());
    double[] doubled = {2, 2, 2, 2, 2};
    double[] halved = {0.5, 0.5, 0.5, 0.5, 0.5};
    double[] none = new double[5];
    LossCase.Outcome sharper =
        agreed.mapStudent(v -> LogitCases.affine(v, doubled, none)).evaluate(LOSS);
    assertThat(sharper.value()).isZero();
    assertThat(sharper.gradients().get(0).largest()).isZero();
    assertThat(agreed.mapStudent(v -> LogitCases.affine(v, halved, none)).value(LOSS))
        .isGreaterThan(0.01);
  }

  @Test
  void gapsOfTheMargin_areEnough() {
    Values ordered = LogitCases.log(new Values(new double[] {0.6, 0.3, 0.1, 0.1, 0.3, 0.6}, 2, 3));
    Values alsoOrdered = new Values(new double[] {9, 8, -1, 0, 0.5, 1}, 2, 3);
    LossCase given = LossCase.of(SignalKind.LOGITS, ordered, alsoOrdered);
    assertThat(given.value(Losses.hingeRank(0))).isZero();
    assertThat(given.value(Losses.hingeRank(0.19))).isZero();
    // one pair of three lacks 0.1
    assertThat(given.value(Losses.hingeRank(0.3))).isCloseTo(0.1 / 3, within(1e-6));
    assertThat(given.mapTeacher(v -> v.rows(1, 0)).value(Losses.hingeRank(0)))
        .isCloseTo((0.3 + 0.3 + 0.0 + 0.5 - 0.1) / 3, within(1e-6));
  }

  @Test
  void gapsThatLack_areAveragedOverPairs() {
    Values flat = new Values(new double[3], 1, 3);
    Values teacher = LogitCases.log(new Values(new double[] {0.5, 0.3, 0.2}, 1, 3));
    LossCase given = LossCase.of(SignalKind.LOGITS, flat, teacher);
    assertThat(given.value(LOSS)).isCloseTo((0.2 + 0.3 + 0.1) / 3, within(1e-6));
    assertThat(given.value(Losses.hingeRank(0.5))).isCloseTo(0.5, within(1e-6));
  }

  @Test
  void equalClasses_makeNoPair() {
    LossCase given = LogitCases.drawn(1, 2).mapTeacher(values -> values.oneHot(0, 0));
    assertThat(given.value(LOSS)).isZero();
    assertThat(given.value(Losses.hingeRank(1))).isZero();
    // the hot class leads three others, which make no pairs among each other
    LossCase one = LogitCases.drawn(1, 0).mapTeacher(values -> values.oneHot(1, 0));
    assertThat(one.value(Losses.hingeRank(0.5))).isCloseTo(0.5, within(1e-6));
  }

  @Test
  void classesRuledOutByTheTeacher_makeNoPair() {
    LossCase given = LogitCases.drawn(1, 2);
    LossCase wide = given.mapStudent(LogitCases::padded).mapTeacher(LogitCases::padded);
    for (DistillationLoss loss : new DistillationLoss[] {LOSS, Losses.hingeRank(0.5)}) {
      LossCase.Outcome outcome = wide.evaluate(loss);
      assertThat(outcome.value()).isCloseTo(given.value(loss), within(1e-6));
      assertThat(outcome.gradients().get(0).doubles()).doesNotContain(Double.NaN);
    }
  }

  @ParameterizedTest(name = "margin={0}")
  @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
  void margin_outOfRange_isRefused(double margin) {
    assertThatThrownBy(() -> Losses.hingeRank(margin))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("margin must be between 0 and 1 but was " + margin);
  }

  @Test
  void requirements_areLogitsOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("hingeRank");
  }
}
