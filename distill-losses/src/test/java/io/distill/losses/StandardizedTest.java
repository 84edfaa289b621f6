package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.loss.LossTerm;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StandardizedTest extends DistillationLossContract {

  private static final double[] NO_OFFSETS = new double[LogitCases.ROWS];

  @Override
  DistillationLoss loss() {
    return Losses.standardized(Losses.softTargets());
  }

  @Override
  LossCase example() {
    return LogitCases.drawn(1, 2).atTemperature(2);
  }

  @Override
  Line<LossCase> agreement() {
    LossCase example = example();
    return Line.holds(example.withTeacher(example.student()));
  }

  @Override
  Line<Sliced> sliced() {
    return Line.doesNotApply("what does not count is the inner loss's to say");
  }

  @Override
  Line<LossCase> nothing() {
    return Line.doesNotApply("what does not count is the inner loss's to say");
  }

  @Override
  Map<String, LossCase> misfits() {
    return LogitCases.misfits(example());
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void shiftAndPositiveScale_changeNothing(long seed) {
    LossCase given = LogitCases.drawn(seed, 2).atTemperature(2);
    double[] factors = {3, 0.5, 20, 1, 0.125};
    double[] offsets = {-5, 100, 0, 7, 1};
    double value = given.value(loss());
    assertThat(given.mapStudent(v -> LogitCases.affine(v, factors, offsets)).value(loss()))
        .isCloseTo(value, within(1e-4 * value));
    assertThat(given.mapTeacher(v -> LogitCases.affine(v, factors, offsets)).value(loss()))
        .isCloseTo(value, within(1e-4 * value));
    // what the bare loss would say to this, and this to a scale below 0
    assertThat(
            given
                .mapStudent(v -> LogitCases.affine(v, factors, offsets))
                .value(Losses.softTargets()))
        .isNotCloseTo(given.value(Losses.softTargets()), within(0.1));
    double[] mirrored = {-1, -1, -1, -1, -1};
    assertThat(given.mapStudent(v -> LogitCases.affine(v, mirrored, NO_OFFSETS)).value(loss()))
        .isNotCloseTo(value, within(0.1 * value));
  }

  @Test
  void value_isTheInnerLossOnStandardScores() {
    // mean 2, sample deviation 2 and mean 0, sample deviation 4
    LossCase given =
        LossCase.of(
            SignalKind.LOGITS,
            new Values(new float[] {0, 2, 4}, 1, 3),
            new Values(new float[] {4, -4, 0}, 1, 3));
    LossCase standard =
        LossCase.of(
            SignalKind.LOGITS,
            new Values(new float[] {-1, 0, 1}, 1, 3),
            new Values(new float[] {1, -1, 0}, 1, 3));
    for (DistillationLoss inner : List.of(Losses.softTargets(), Losses.regression())) {
      assertThat(given.value(Losses.standardized(inner)))
          .isCloseTo(standard.value(inner), within(1e-6));
    }
  }

  @Test
  void equalLogits_becomeZeros() {
    LossCase given = LogitCases.drawn(1, 2).mapStudent(values -> values.oneHot(3, 3));
    LossCase zeros = LogitCases.drawn(1, 2).mapStudent(values -> values.oneHot(0, 0));
    assertThat(given.value(loss())).isEqualTo(zeros.value(loss())).isPositive();
  }

  @Test
  void classesRuledOut_haveNoPartInMeanAndDeviation() {
    LossCase given = example();
    LossCase wide = given.mapStudent(LogitCases::padded).mapTeacher(LogitCases::padded);
    LossCase.Outcome outcome = wide.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(given.value(loss()), within(1e-6));
    assertThat(outcome.gradients().get(0).doubles()).doesNotContain(Double.NaN);
  }

  @Test
  void sum_isWrappedTermByTerm() {
    DistillationLoss inner =
        Losses.softTargets(2).weighted(0.5).plus(Losses.logisticRank().named("rank").weighted(3));
    DistillationLoss loss = Losses.standardized(inner);
    LossCase given = LogitCases.drawn(2, 2);
    Progress progress = new Progress(0, 0, 1, 0);

    assertThat(loss.terms()).extracting(LossTerm::name).containsExactly("softTargets", "rank");
    assertThat(loss.terms()).extracting(term -> term.weightAt(progress)).containsExactly(0.5, 3.0);
    double sum = 0;
    for (LossTerm term : loss.terms()) {
      sum += term.weightAt(progress) * given.value(term.loss());
    }
    assertThat(sum).isCloseTo(given.value(loss), within(1e-5));
    assertThat(given.value(loss.terms().get(0).loss()))
        .isEqualTo(given.atTemperature(2).value(loss()));
    assertThat(loss.weighted(2).plus(Losses.softTargets()).terms()).hasSize(3);
  }

  @Test
  void requirements_areThoseOfTheInnerLoss() {
    DistillationLoss labels = Losses.standardized(Losses.hardLabels());
    assertThat(labels.requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(labels.requiresOfTeacher()).isEmpty();
    assertThat(labels.requiresLabels()).isTrue();
    assertThat(labels.name()).isEqualTo("hardLabels");
    assertThat(LossCase.labelled(Values.drawn(1, 2, 3, 4), 0, -1, 3).value(labels)).isPositive();

    DistillationLoss embedding = Losses.standardized(Losses.embeddingCosine());
    assertThat(embedding.requires()).isEqualTo(Set.of(SignalKind.EMBEDDING));
    RecordingSetup setup = RecordingSetup.ofEmbeddings(2, 3);
    embedding.prepare(setup);
    assertThat(setup.declared()).containsKey("projector");

    assertThat(loss().requiresLabels()).isFalse();
    assertThat(loss().name()).isEqualTo("softTargets");
  }

  @Test
  void lossThatIsMissing_isRefused() {
    assertThatThrownBy(() -> Losses.standardized(null))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("loss");
  }
}
