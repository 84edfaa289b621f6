package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CorrectedTeacherTest extends DistillationLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.correctedTeacher();
  }

  @Override
  LossCase example() {
    return LogitCases.drawn(1, 2).withLabels(2, -1, 0, -1, 3).atTemperature(2);
  }

  @Override
  Line<LossCase> agreement() {
    LossCase right = LogitCases.drawn(1, 2).mapTeacher(values -> values.oneHot(1.5f, 0));
    return Line.holds(right.withLabels(0, 1, 2, 3, 0).withStudent(right.teacher()));
  }

  @Override
  Line<Sliced> sliced() {
    return Line.holds(new Sliced(example(), example().rows(0, 2, 4)));
  }

  @Override
  Line<LossCase> nothing() {
    return Line.holds(example().withLabels(-1, -1, -1, -1, -1));
  }

  @Override
  Map<String, LossCase> misfits() {
    return LogitCases.labelledMisfits(example());
  }

  @ParameterizedTest(name = "tau={0}")
  @ValueSource(doubles = {0, 0.1, 0.2, 0.5, 0.9})
  void correctedProbabilities_areTheMinimum(double tau) {
    // label 2 lacks 0.4; a share of (0.4 + tau) / 1.4 of it makes it lead by tau
    double share = (0.4 + tau) / 1.4;
    double[] corrected = {0.5 * (1 - share), 0.4 * (1 - share), 0.1 * (1 - share) + share};
    assertThat(corrected[2] - corrected[0]).isCloseTo(tau, within(1e-12));
    LossCase given =
        LossCase.of(
                SignalKind.LOGITS,
                LogitCases.log(new Values(corrected, 1, 3)),
                LogitCases.log(new Values(new double[] {0.5, 0.4, 0.1}, 1, 3)))
            .withLabels(2);
    LossCase.Outcome outcome = given.evaluate(Losses.correctedTeacher(tau));
    assertThat(outcome.value()).isCloseTo(0, within(1e-6));
    assertThat(outcome.gradients().get(0).largest()).isLessThan(1e-6f);
    for (long seed = 1; seed <= 5; seed++) {
      long offset = seed;
      LossCase moved = given.mapStudent(v -> v.plus(Values.drawn(offset, 0.5, 1, 3)));
      assertThat(moved.value(Losses.correctedTeacher(tau))).isGreaterThan(1e-4);
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void teacherThatIsRight_staysAsItIs(long seed) {
    LossCase given =
        LogitCases.drawn(seed, 2)
            .mapTeacher(v -> v.oneHot(1, 0).plus(Values.drawn(seed, 0.4, 5, 4)))
            .withLabels(0, 1, 2, 3, 0)
            .atTemperature(3);
    double expected = given.value(Losses.softTargets());
    assertThat(given.value(loss())).isCloseTo(expected, within(1e-5));
    assertThat(given.value(Losses.correctedTeacher(1))).isCloseTo(expected, within(1e-5));
    assertThat(given.withLabels(1, 2, 3, 0, 1).value(loss())).isNotCloseTo(expected, within(0.01));
  }

  @Test
  void fullLead_isHardLabelsWhereTheTeacherIsWrong() {
    LossCase given =
        LogitCases.drawn(1, 2).mapTeacher(v -> v.oneHot(3, 0)).withLabels(1, 2, 3, 0, -1);
    assertThat(given.value(Losses.correctedTeacher(1)))
        .isCloseTo(given.value(Losses.hardLabels()), within(1e-5));
  }

  @Test
  void classesRuledOut_countNothing() {
    LossCase given = example();
    LossCase wide = given.mapStudent(LogitCases::padded).mapTeacher(LogitCases::padded);
    LossCase.Outcome outcome = wide.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(given.value(loss()), within(1e-6));
    assertThat(outcome.gradients().get(0).doubles()).doesNotContain(Double.NaN);

    // a label that the teacher rules out is corrected all the same
    LossCase ruledOut =
        given
            .rows(0)
            .mapStudent(values -> values.with(2, -6))
            .mapTeacher(values -> values.with(2, Double.NEGATIVE_INFINITY));
    LossCase.Outcome corrected = ruledOut.evaluate(loss());
    assertThat(corrected.value()).isFinite().isPositive();
    assertThat(corrected.gradients().get(0).numbers()[2]).isNegative();
  }

  @ParameterizedTest(name = "tau={0}")
  @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
  void tau_outOfRange_isRefused(double tau) {
    assertThatThrownBy(() -> Losses.correctedTeacher(tau))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("tau must be between 0 and 1 but was " + tau);
  }

  @Test
  void requirements_areLogitsOfBothAndLabels() {
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresLabels()).isTrue();
    assertThat(loss().name()).isEqualTo("correctedTeacher");
    assertThat(loss()).isEqualTo(Losses.correctedTeacher(0.2));
  }
}
