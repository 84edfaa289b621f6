package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.loss.DistillationLoss;
import org.junit.jupiter.api.Test;

class SoftTargetsTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.softTargets();
  }

  @Override
  String name() {
    return "softTargets";
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
  void classRuledOutByTheStudentAlone_isInfinite() {
    LossCase given = drawn(3, 2).mapStudent(values -> values.with(0, Double.NEGATIVE_INFINITY));
    assertThat(given.value(loss())).isEqualTo(Double.POSITIVE_INFINITY);
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
}
