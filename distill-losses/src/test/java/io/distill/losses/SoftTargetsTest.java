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

class SoftTargetsTest extends DistillationLossContract {

  private static final int ROWS = 5;
  private static final int CLASSES = 4;

  @Override
  DistillationLoss loss() {
    return Losses.softTargets();
  }

  @Override
  LossCase example() {
    return drawn(1, 2).atTemperature(2);
  }

  private static LossCase drawn(long seed, double scale) {
    return LossCase.of(
        SignalKind.LOGITS,
        Values.drawn(seed, scale, ROWS, CLASSES),
        Values.drawn(seed + 100, scale, ROWS, CLASSES));
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
    LossCase example = example();
    return Map.of(
        "teacher and student logits must have the same number of classes but were 7 (teacher,"
            + " shape (5, 7)) and 4 (student, shape (5, 4)); select the shared classes or use a"
            + " feature loss",
        example.mapTeacher(values -> Values.drawn(9, 1, ROWS, 7)),
        "teacher and student logits must have the same number of rows but were 3 (teacher, shape"
            + " (3, 4)) and 5 (student, shape (5, 4)); give both models the same batch",
        example.mapTeacher(values -> Values.drawn(9, 1, 3, CLASSES)),
        "teacher and student logits must have shape (rows, classes) but were (5, 2, 4) (teacher)"
            + " and (5, 4) (student); reshape tokens into rows first",
        example.mapTeacher(values -> Values.drawn(9, 1, ROWS, 2, CLASSES)));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
  void divergence_isNeverNegative(long seed) {
    for (double temperature : new double[] {0.5, 1, 4, 20}) {
      LossCase given = drawn(seed, (double) seed).atTemperature(temperature);
      assertThat(given.value(loss())).isPositive();
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void constantAddedToARow_changesNothing(long seed) {
    LossCase given = drawn(seed, 2).atTemperature(3);
    float[] offsets = new float[ROWS * CLASSES];
    for (int i = 0; i < offsets.length; i++) {
      int row = i / CLASSES;
      offsets[i] = 8f * row - 16;
    }
    Values constants = new Values(offsets, ROWS, CLASSES);
    double value = given.value(loss());
    assertThat(given.mapStudent(constants::plus).value(loss())).isCloseTo(value, within(1e-5));
    assertThat(given.mapTeacher(constants::plus).value(loss())).isCloseTo(value, within(1e-5));
  }

  @Test
  void highTemperature_tendsToSquaredDistanceOfCentredLogits() {
    LossCase given = drawn(5, 4);
    double limit = 0;
    float[] student = given.student().get(0).numbers();
    float[] teacher = given.teacher().get(0).numbers();
    for (int row = 0; row < ROWS; row++) {
      double mean = 0;
      for (int c = 0; c < CLASSES; c++) {
        int i = row * CLASSES + c;
        mean += (student[i] - (double) teacher[i]) / CLASSES;
      }
      for (int c = 0; c < CLASSES; c++) {
        int i = row * CLASSES + c;
        double centred = student[i] - (double) teacher[i] - mean;
        limit += centred * centred / (2.0 * CLASSES * ROWS);
      }
    }
    double far = Math.abs(given.atTemperature(4).value(loss()) - limit);
    double near = Math.abs(given.atTemperature(32).value(loss()) - limit);
    assertThat(near).isLessThan(0.02 * limit).isLessThan(far / 2);
  }

  @Test
  void classesRuledOutByBoth_countNothing() {
    LossCase narrow = drawn(3, 2);
    LossCase wide = narrow.mapStudent(v -> padded(v)).mapTeacher(v -> padded(v));

    LossCase.Outcome outcome = wide.evaluate(loss());

    assertThat(outcome.value()).isCloseTo(narrow.value(loss()), within(1e-6));
    for (float number : outcome.gradients().get(0).numbers()) {
      assertThat(number).isFinite();
    }
  }

  @Test
  void classRuledOutByTheTeacherAlone_isPushedDown() {
    LossCase given = drawn(3, 2).mapTeacher(values -> values.with(0, Double.NEGATIVE_INFINITY));
    LossCase.Outcome outcome = given.evaluate(loss());
    assertThat(outcome.value()).isFinite().isPositive();
    assertThat(outcome.gradients().get(0).numbers()[0]).isPositive();
  }

  /** Adds a class that cannot be. */
  private static Values padded(Values values) {
    float[] from = values.numbers();
    float[] wide = new float[ROWS * (CLASSES + 1)];
    for (int row = 0; row < ROWS; row++) {
      System.arraycopy(from, row * CLASSES, wide, row * (CLASSES + 1), CLASSES);
      wide[row * (CLASSES + 1) + CLASSES] = Float.NEGATIVE_INFINITY;
    }
    return new Values(wide, ROWS, CLASSES + 1);
  }

  @Test
  void ownTemperature_winsOverTheRuns() {
    LossCase given = drawn(4, 2);
    double expected = given.atTemperature(5).value(loss());
    assertThat(given.atTemperature(2).value(Losses.softTargets(5))).isEqualTo(expected);
    assertThat(Losses.softTargets(5).name()).isEqualTo("softTargets");
  }

  @Test
  void ownTemperature_outOfRange_isRefused() {
    assertThatThrownBy(() -> Losses.softTargets(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("temperature must be finite and greater than 0 but was 0.0");
  }

  @Test
  void requirements_areLogitsOfBoth() {
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresLabels()).isFalse();
    assertThat(loss().name()).isEqualTo("softTargets");
  }
}
