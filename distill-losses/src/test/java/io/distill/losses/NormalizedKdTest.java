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

class NormalizedKdTest extends DistillationLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.normalizedKd();
  }

  @Override
  LossCase example() {
    return LogitCases.drawn(1, 2).withLabels(2, -1, 0, -1, 3).atTemperature(2);
  }

  @Override
  Line<LossCase> agreement() {
    return Line.doesNotApply(
        "two cross-entropies: not 0 when both agree, and the label's part pulls to the label; see"
            + " othersPart_isLeastWhereTheOthersAgree");
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

  /** Returns the part of the other classes, in which the label's part cancels. */
  private static double others(LossCase given) {
    return given.value(Losses.normalizedKd(1)) - given.value(Losses.normalizedKd(0));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void othersPart_isLeastWhereTheOthersAgree(long seed) {
    LossCase drawn = LogitCases.drawn(seed, 2).withLabels(2, 1, 0, -1, 3).atTemperature(2);
    LossCase agreed = drawn.withTeacher(drawn.student());
    double entropy = others(agreed);
    assertThat(entropy).isPositive();
    // cross-entropy and entropy differ by the divergence, which is NCKD
    LossCase moved = agreed.mapStudent(v -> v.plus(Values.drawn(seed + 7, 0.5, 5, 4)));
    assertThat(others(moved) - entropy)
        .isCloseTo(moved.value(Losses.decoupledKd(0, 1)), within(1e-5));
  }

  @Test
  void labelsPart_isHardLabelsWhereTheTeacherIsCertain() {
    LossCase given =
        LogitCases.drawn(3, 2, 4, 4)
            .withLabels(0, 1, 2, 3)
            .mapTeacher(values -> values.oneHot(100, 0))
            .atTemperature(5);
    assertThat(given.value(Losses.normalizedKd(0)))
        .isCloseTo(given.value(Losses.hardLabels()), within(1e-6));
  }

  @Test
  void labelsPart_doesNotKnowTheTemperature() {
    assertThat(example().atTemperature(7).value(Losses.normalizedKd(0)))
        .isEqualTo(example().value(Losses.normalizedKd(0)));
    assertThat(example().atTemperature(7).value(loss())).isNotEqualTo(example().value(loss()));
  }

  @Test
  void twoClasses_haveNoOthers() {
    LossCase given = LogitCases.drawn(2, 8, 3, 2).withLabels(0, 1, 1).atTemperature(2);
    assertThat(others(given)).isZero();
  }

  @Test
  void classesRuledOutByBoth_countNothing() {
    LossCase given = example();
    LossCase wide = given.mapStudent(LogitCases::padded).mapTeacher(LogitCases::padded);
    LossCase.Outcome outcome = wide.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(given.value(loss()), within(1e-5));
    assertThat(outcome.gradients().get(0).doubles()).doesNotContain(Double.NaN);
  }

  @Test
  void classesRuledOutByTheTeacher_giveFiniteValues() {
    double none = Double.NEGATIVE_INFINITY;
    LossCase given = LogitCases.drawn(1, 2, 3, 3).withLabels(0, 1, 2);
    // another class, the label, and all but the label
    Values teacher = new Values(new double[] {1, none, 2, 1, none, 2, none, none, 1}, 3, 3);
    LossCase taught = given.mapTeacher(values -> teacher);
    LossCase.Outcome outcome = taught.evaluate(loss());
    assertThat(outcome.value()).isFinite().isPositive();
    assertThat(outcome.gradients().get(0).largest()).isFinite().isPositive();
    assertThat(taught.rows(1).value(Losses.normalizedKd(0))).isZero();
    assertThat(others(taught.rows(2))).isZero();
  }

  @ParameterizedTest(name = "gamma={0}")
  @ValueSource(doubles = {-0.5, Double.NaN, Double.POSITIVE_INFINITY})
  void gamma_outOfRange_isRefused(double gamma) {
    assertThatThrownBy(() -> Losses.normalizedKd(gamma))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("gamma must be finite and at least 0 but was " + gamma);
  }

  @Test
  void requirements_areLogitsOfBothAndLabels() {
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresLabels()).isTrue();
    assertThat(loss().name()).isEqualTo("normalizedKd");
    assertThat(loss()).isEqualTo(Losses.normalizedKd(1.5));
  }
}
