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

class DecoupledKdTest extends DistillationLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.decoupledKd();
  }

  @Override
  LossCase example() {
    return LogitCases.drawn(1, 2).withLabels(2, -1, 0, -1, 3).atTemperature(2);
  }

  @Override
  Line<LossCase> agreement() {
    LossCase example = example();
    return Line.holds(example.withTeacher(example.student()));
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

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void softTargets_areTheLabelsPartAndTheOthersTimesTheirProbability(long seed) {
    for (double temperature : new double[] {0.5, 1, 4, 20}) {
      LossCase one = LogitCases.drawn(seed, 4, 1, 6).withLabels(2).atTemperature(temperature);
      double label = LogitCases.softmax(one.teacher().get(0), temperature).doubles()[2];
      double target = one.value(Losses.decoupledKd(1, 0));
      double others = one.value(Losses.decoupledKd(0, 1));

      double expected = one.value(Losses.softTargets());
      assertThat(target + (1 - label) * others).isCloseTo(expected, within(1e-4 * expected));
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void weights_areFactorsOfTheParts(long seed) {
    LossCase given = LogitCases.drawn(seed, 2).withLabels(2, 1, 0, -1, 3).atTemperature(3);
    double target = given.value(Losses.decoupledKd(1, 0));
    double others = given.value(Losses.decoupledKd(0, 1));
    assertThat(target).isPositive();
    assertThat(others).isPositive();
    assertThat(given.value(Losses.decoupledKd(0.5, 3)))
        .isCloseTo(0.5 * target + 3 * others, within(1e-5));
    assertThat(given.value(Losses.decoupledKd())).isCloseTo(target + 8 * others, within(1e-5));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void twoClasses_haveNoOthers(long seed) {
    LossCase given = LogitCases.drawn(seed, 8, 4, 2).withLabels(0, 1, 1, 0).atTemperature(2);
    assertThat(given.value(Losses.decoupledKd(0, 1))).isZero();
    assertThat(given.value(Losses.decoupledKd(1, 8)))
        .isCloseTo(given.value(Losses.softTargets()), within(1e-5));
  }

  @Test
  void certainTeacher_stillTeachesTheOtherClasses() {
    // the teacher's probability of the other classes is 0 in float32
    Values certain = new Values(new float[] {0, 500, 3, -3}, 1, 4);
    Values student = new Values(new float[] {0, 500, -3, 3}, 1, 4);
    LossCase given = LossCase.of(SignalKind.LOGITS, student, certain).withLabels(1);
    assertThat(given.value(Losses.softTargets())).isZero();
    assertThat(given.value(Losses.decoupledKd(0, 1))).isGreaterThan(5);
    assertThat(given.evaluate(loss()).gradients().get(0).largest()).isGreaterThan(1);
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
    LossCase.Outcome outcome = given.mapTeacher(values -> teacher).evaluate(loss());
    assertThat(outcome.value()).isFinite().isPositive();
    assertThat(outcome.gradients().get(0).largest()).isFinite().isPositive();
    LossCase last = given.mapTeacher(values -> teacher).rows(2);
    assertThat(last.value(Losses.decoupledKd(0, 1))).isZero();
  }

  @ParameterizedTest(name = "weight={0}")
  @ValueSource(doubles = {-0.5, Double.NaN, Double.POSITIVE_INFINITY})
  void weights_outOfRange_areRefused(double weight) {
    assertThatThrownBy(() -> Losses.decoupledKd(weight, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("alpha must be finite and at least 0 but was " + weight);
    assertThatThrownBy(() -> Losses.decoupledKd(1, weight))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("beta must be finite and at least 0 but was " + weight);
  }

  @Test
  void requirements_areLogitsOfBothAndLabels() {
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresLabels()).isTrue();
    assertThat(loss().name()).isEqualTo("decoupledKd");
    assertThat(loss()).isEqualTo(Losses.decoupledKd(1, 8));
  }
}
