package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class HardLabelsTest extends DistillationLossContract {

  private static final int ROWS = 5;
  private static final int CLASSES = 4;

  @Override
  DistillationLoss loss() {
    return Losses.hardLabels();
  }

  @Override
  LossCase example() {
    return LossCase.labelled(Values.drawn(1, 2, ROWS, CLASSES), 2, -1, 0, -1, 3);
  }

  @Override
  Line<LossCase> agreement() {
    return Line.doesNotApply(
        "there is no teacher, and cross-entropy is 0 only for infinite logits; see"
            + " certainAndRight_isZero");
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
        LossCase.labelled(Values.drawn(1, 2, 3, CLASSES), 0, 1),
        "student logits and labels must have shapes (rows, classes) and (rows) but were (2, 3, 4)"
            + " (student) and (2) (labels); give one label a row, -1 where there is none",
        LossCase.labelled(Values.drawn(1, 2, 2, 3, CLASSES), 0, 1));
  }

  @Test
  void certainAndRight_isZero() {
    Values certain = Values.zeros(4, CLASSES).oneHot(1e4f, -1e4f);
    assertThat(LossCase.labelled(certain, 0, 1, 2, 3).value(loss())).isZero();
  }

  @Test
  void undecided_isLogarithmOfClasses() {
    assertThat(LossCase.labelled(Values.zeros(3, CLASSES), 0, 3, 1).value(loss()))
        .isCloseTo(Math.log(CLASSES), within(1e-6));
  }

  @Test
  void classRuledOutInAnUnlabelledRow_changesNothing() {
    LossCase given = example().mapStudent(values -> values.with(CLASSES, Double.NEGATIVE_INFINITY));
    LossCase.Outcome outcome = given.evaluate(loss());
    LossCase.Outcome expected = example().evaluate(loss());
    assertThat(outcome.value()).isEqualTo(expected.value());
    assertThat(outcome.gradients().get(0).numbers())
        .containsExactly(expected.gradients().get(0).numbers());
  }

  @Test
  void temperature_doesNotMatter() {
    assertThat(example().atTemperature(7).value(loss())).isEqualTo(example().value(loss()));
  }

  @Test
  void dataWithoutLabels_isRefused() {
    LossCase given = LossCase.of(SignalKind.LOGITS, Values.zeros(2, 3), Values.zeros(2, 3));
    assertThatThrownBy(() -> given.evaluate(loss()))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "labels must be present but the data set has none; a loss that reads labels must"
                + " return true from requiresLabels()");
  }

  @Test
  void requirements_areStudentLogitsAndLabels() {
    assertThat(loss().requires()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEmpty();
    assertThat(loss().requiresLabels()).isTrue();
    assertThat(loss().name()).isEqualTo("hardLabels");
  }
}
