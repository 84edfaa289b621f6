package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import io.distill.signal.SignalKind;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SmoothedHardLabelsTest extends DistillationLossContract {

  private static final int ROWS = 5;
  private static final int CLASSES = 4;
  private static final double SMOOTHING = 0.1;

  @Override
  DistillationLoss loss() {
    return Losses.hardLabels(SMOOTHING);
  }

  @Override
  LossCase example() {
    return LossCase.labelled(Values.drawn(1, 2, ROWS, CLASSES), 2, -1, 0, -1, 3);
  }

  @Override
  Line<LossCase> agreement() {
    double share = SMOOTHING / CLASSES;
    double[] certain = {1 - SMOOTHING + share, share, share, share};
    double[] logits = new double[CLASSES];
    for (int c = 0; c < CLASSES; c++) {
      logits[c] = Math.log(certain[c]);
    }
    return Line.holds(LossCase.labelled(new Values(logits, 1, CLASSES), 0));
  }

  @Override
  double least() {
    double share = SMOOTHING / CLASSES;
    double label = 1 - SMOOTHING + share;
    return -label * Math.log(label) - 3 * share * Math.log(share);
  }

  @Override
  Line<Sliced> sliced() {
    return Line.holds(new Sliced(example(), example().rows(0, 2, 4)));
  }

  @Override
  Line<LossCase> nothing() {
    return Line.holds(LossCase.labelled(Values.drawn(1, 2, 3, CLASSES), -1, -1, -1));
  }

  @Override
  Map<String, LossCase> misfits() {
    return Map.of(
        "student logits and labels must have shapes (rows, classes) and (rows) but were (3, 4)"
            + " (student) and (2) (labels); give one label a row, -1 where there is none",
        LossCase.labelled(Values.drawn(1, 2, 3, CLASSES), 0, 1));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void smoothing_mixesLabelsWithAnUndecidedTeacher(long seed) {
    LossCase given =
        LossCase.of(SignalKind.LOGITS, Values.drawn(seed, 4, 3, CLASSES), Values.zeros(3, CLASSES))
            .withLabels(3, 0, 1);
    double hard = given.value(Losses.hardLabels());
    double uniform = given.value(Losses.softCrossEntropy());
    assertThat(given.value(Losses.hardLabels(0.3)))
        .isCloseTo(0.7 * hard + 0.3 * uniform, within(1e-5));
  }

  @Test
  void none_isHardLabels() {
    assertThat(Losses.hardLabels(0)).isEqualTo(Losses.hardLabels());
    assertThat(loss()).isNotEqualTo(Losses.hardLabels());
    assertThat(loss().name()).isEqualTo("hardLabels");
    assertThat(loss().requiresLabels()).isTrue();
    assertThat(loss().requiresOfTeacher()).isEmpty();
  }

  @Test
  void classRuledOutByTheStudent_getsNoShare() {
    LossCase narrow = example();
    LossCase wide =
        narrow.mapStudent(values -> RowLossContract.widened(values, Double.NEGATIVE_INFINITY));
    Outcome expected = narrow.evaluate(loss());
    Outcome outcome = wide.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(expected.value(), within(1e-6));
    assertThat(outcome.gradients().get(0).numbers())
        .containsExactly(
            RowLossContract.widened(expected.gradients().get(0), 0).numbers(), within(1e-7f));
  }

  @Test
  void classRuledOutInAnUnlabelledRow_changesNothing() {
    LossCase given = example().mapStudent(values -> values.with(CLASSES, Double.NEGATIVE_INFINITY));
    Outcome outcome = given.evaluate(loss());
    Outcome expected = example().evaluate(loss());
    assertThat(outcome.value()).isEqualTo(expected.value());
    assertThat(outcome.gradients().get(0).numbers())
        .containsExactly(expected.gradients().get(0).numbers());
  }

  @Test
  void temperature_doesNotMatter() {
    assertThat(example().atTemperature(7).value(loss())).isEqualTo(example().value(loss()));
  }

  @ParameterizedTest(name = "labelSmoothing={0}")
  @ValueSource(doubles = {-0.1, 1, Double.NaN})
  void labelSmoothing_outOfRange_isRefused(double labelSmoothing) {
    assertThatThrownBy(() -> Losses.hardLabels(labelSmoothing))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("labelSmoothing must be at least 0 and less than 1 but was " + labelSmoothing);
  }
}
