package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class CalibrationTest {

  @Test
  void error_isTheMeanDistanceOfConfidenceAndAccuracy() {
    // as many bins as rows: |0.9 - 1|, |0.6 - 0|, |0.7 - 1|
    Calibration calibration =
        Calibration.of(new double[] {0.9, 0.6, 0.7}, new boolean[] {true, false, true});

    assertThat(calibration.error()).isCloseTo((0.1 + 0.6 + 0.3) / 3, within(1e-12));
    assertThat(calibration.bins())
        .containsExactly(
            new Calibration.Bin(1, 0.6, 0),
            new Calibration.Bin(1, 0.7, 1),
            new Calibration.Bin(1, 0.9, 1));
  }

  @Test
  void bins_haveEquallyManyRows() {
    double[] confidence = new double[32];
    Arrays.setAll(confidence, row -> 0.5 + row / 100.0);

    Calibration calibration = Calibration.of(confidence, new boolean[32]);

    assertThat(calibration.bins().stream().map(Calibration.Bin::rows))
        .hasSize(15)
        .startsWith(3, 3, 2)
        .endsWith(2);
    assertThat(calibration.bins().get(0).confidence()).isCloseTo(0.51, within(1e-12));
  }

  @Test
  void rowsOfEqualConfidence_countWithTheirMeanAccuracy() {
    double[] confidence = new double[100];
    Arrays.fill(confidence, 0.9);
    boolean[] firstWrong = new boolean[100];
    boolean[] lastWrong = new boolean[100];
    Arrays.fill(firstWrong, 10, 100, true);
    Arrays.fill(lastWrong, 0, 90, true);

    assertThat(Calibration.of(confidence, firstWrong).error()).isCloseTo(0, within(1e-12));
    assertThat(Calibration.of(confidence, lastWrong))
        .isEqualTo(Calibration.of(confidence, firstWrong));
  }

  @Test
  void rowsWithoutLabel_areLeftOut() {
    float[][] logits = {{0, 0}, {0, (float) Math.log(3)}, {9, 0}};

    assertThat(Calibration.of(logits, new int[] {-1, 1, -1}))
        .hasValueSatisfying(
            found -> {
              assertThat(found.bins()).hasSize(1);
              assertThat(found.bins().get(0).confidence()).isCloseTo(0.75, within(1e-7));
              assertThat(found.bins().get(0).accuracy()).isEqualTo(1);
              assertThat(found.error()).isCloseTo(0.25, within(1e-7));
            });
    assertThat(Calibration.of(logits, new int[] {-1, -1, -1})).isEmpty();
  }

  @Test
  void rows_mustFit() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Calibration.of(new float[2][3], new int[1]))
        .withMessage("labels must be as many as the 2 rows of logits but were 1");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Calibration.of(new double[0], new boolean[0]))
        .withMessage("confidence must have at least one row but was empty");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Calibration.of(new double[1], new boolean[2]))
        .withMessage("correct must have as many rows as confidence, 1, but had 2");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Calibration(java.util.List.of()))
        .withMessage("bins must have at least one bin but were empty");
  }
}
