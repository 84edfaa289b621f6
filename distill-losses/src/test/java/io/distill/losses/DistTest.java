package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract twice: the whole loss, and its rows alone, which no batch relates. */
class DistTest {

  private static final DistillationLoss LOSS = Losses.dist();

  abstract static class Contract extends DistillationLossContract {

    @Override
    LossCase example() {
      return LogitCases.drawn(1, 2).atTemperature(2);
    }

    @Override
    Line<LossCase> agreement() {
      LossCase example = LogitCases.drawn(1, 2);
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
  class RowsAndClasses extends Contract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    Line<LossCase> accumulated() {
      return Line.doesNotApply(
          "the term along classes relates the rows of a batch, and parts of a batch relate others;"
              + " see RowsAlone and accumulatedBatches_averageTheirRelations");
    }
  }

  @Nested
  class RowsAlone extends Contract {

    @Override
    DistillationLoss loss() {
      return Losses.dist(1, 0);
    }
  }

  @Test
  void accumulatedBatches_averageTheirRelations() {
    LossCase given = LogitCases.drawn(1, 2);
    DistillationLoss classes = Losses.dist(0, 1);
    LossCase head = given.rows(0, 1, 2);
    LossCase tail = given.rows(3, 4);
    double parts =
        head.evaluate(classes, given.counts(), 0.6f).value()
            + tail.evaluate(classes, given.counts(), 0.4f).value();
    assertThat(parts)
        .isCloseTo(0.6 * head.value(classes) + 0.4 * tail.value(classes), within(1e-6));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void affineMapOfARowsProbabilities_changesNothingAlongRows(long seed) {
    LossCase given = LogitCases.drawn(seed, 2);
    double[] factors = {0.25, 0.5, 0.75, 1, 0.125};
    LossCase mixed = given.mapStudent(values -> mixed(values, factors));
    double value = given.value(Losses.dist(1, 0));
    assertThat(mixed.value(Losses.dist(1, 0))).isCloseTo(value, within(1e-5));
    assertThat(mixed.value(Losses.softTargets()))
        .isNotCloseTo(given.value(Losses.softTargets()), within(0.01));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void teacherMixedWithUniform_isAgreement(long seed) {
    LossCase given = LogitCases.drawn(seed, 2);
    double[] factors = {0.5, 0.5, 0.5, 0.5, 0.5};
    LossCase flat = given.withTeacher(given.student()).mapStudent(v -> mixed(v, factors));
    assertThat(flat.value(LOSS)).isCloseTo(0, within(1e-5));
    assertThat(flat.value(Losses.softTargets())).isGreaterThan(0.01);
  }

  /** Returns logits of {@code factor * probabilities + (1 - factor) / classes}. */
  private static Values mixed(Values logits, double[] factors) {
    double[] shares =
        Arrays.stream(factors).map(factor -> (1 - factor) / LogitCases.CLASSES).toArray();
    return LogitCases.log(LogitCases.affine(LogitCases.softmax(logits, 1), factors, shares));
  }

  @Test
  void oppositeRows_haveDistanceTwo() {
    LossCase given =
        LossCase.of(
            SignalKind.LOGITS,
            new Values(new float[] {0, 1, 1, 0}, 2, 2),
            new Values(new float[] {1, 0, 0, 1}, 2, 2));
    assertThat(given.value(Losses.dist(1, 0))).isCloseTo(2, within(1e-6));
    assertThat(given.value(Losses.dist(0, 1))).isCloseTo(2, within(1e-6));
    assertThat(given.value(Losses.dist(0.5, 2))).isCloseTo(5, within(1e-6));
    assertThat(given.atTemperature(3).value(LOSS)).isCloseTo(36, within(1e-4));
  }

  @Test
  void oneRow_hasNoRelationAlongClasses() {
    LossCase given = LogitCases.drawn(1, 2, 1, 4);
    LossCase.Outcome outcome = given.evaluate(Losses.dist(0, 1));
    assertThat(outcome.value()).isEqualTo(1);
    assertThat(outcome.gradients().get(0).largest()).isZero();
  }

  @Test
  void equalProbabilities_haveCorrelationZero() {
    LossCase given = LogitCases.drawn(1, 2, 6, 3).mapTeacher(values -> values.oneHot(0, 0));
    assertThat(given.value(LOSS)).isCloseTo(2, within(0.05));
  }

  @Test
  void classesRuledOutByBoth_countNothing() {
    LossCase given = LogitCases.drawn(1, 2);
    LossCase wide = given.mapStudent(LogitCases::padded).mapTeacher(LogitCases::padded);
    LossCase.Outcome outcome = wide.evaluate(LOSS);
    assertThat(outcome.value()).isCloseTo(given.value(LOSS), within(1e-6));
    assertThat(outcome.gradients().get(0).doubles()).doesNotContain(Double.NaN);
  }

  @ParameterizedTest(name = "weight={0}")
  @ValueSource(doubles = {-0.5, Double.NaN, Double.POSITIVE_INFINITY})
  void weights_outOfRange_areRefused(double weight) {
    assertThatThrownBy(() -> Losses.dist(weight, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("beta must be finite and at least 0 but was " + weight);
    assertThatThrownBy(() -> Losses.dist(1, weight))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("gamma must be finite and at least 0 but was " + weight);
  }

  @Test
  void requirements_areLogitsOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("dist");
    assertThat(LOSS).isEqualTo(Losses.dist(1, 1));
  }
}
