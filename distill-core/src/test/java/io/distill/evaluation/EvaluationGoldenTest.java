package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.Gson;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.model.DeployableModel;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Against numpy, SciPy and scikit-learn; made by {@code src/test/scripts/evaluation_golden.py}. */
class EvaluationGoldenTest {

  private static Golden golden;

  private static final class Golden {
    int[] labels;
    float[][] teacher;
    float[][] student;
    double accuracy;
    double balancedAccuracy;
    double macroF1;
    double calibrationError;
    double agreement;
    double kl;
    double similarity;
  }

  @BeforeAll
  static void read() throws IOException {
    try (InputStream stream =
        EvaluationGoldenTest.class.getResourceAsStream("evaluation-golden.json")) {
      golden =
          new Gson().fromJson(new InputStreamReader(stream, StandardCharsets.UTF_8), Golden.class);
    }
  }

  @Test
  void scores_areThoseOfScikitLearn() {
    TextDataset rows =
        TextDataset.of(
            Arrays.stream(golden.labels)
                .mapToObj(label -> TextExample.labelled("text", "class " + label)));
    int[] predicted =
        Arrays.stream(golden.student).mapToInt(DeployableModel::indexOfMaximum).toArray();

    Evaluation evaluation = Evaluation.of(predicted, rows);

    assertThat(evaluation.accuracy()).isCloseTo(golden.accuracy, within(1e-12));
    assertThat(evaluation.balancedAccuracy()).isCloseTo(golden.balancedAccuracy, within(1e-12));
    assertThat(evaluation.macroF1()).isCloseTo(golden.macroF1, within(1e-12));
  }

  @Test
  void fidelity_isThatOfSciPy() {
    Fidelity fidelity = Fidelity.of(golden.teacher, golden.student);

    assertThat(fidelity.agreement()).isCloseTo(golden.agreement, within(1e-12));
    assertThat(fidelity.kl()).isCloseTo(golden.kl, within(1e-12));
    assertThat(fidelity.similarity()).isCloseTo(golden.similarity, within(1e-9));
  }

  @Test
  void calibrationError_isThatOfNumpy() {
    Calibration calibration = Calibration.of(golden.student, golden.labels).orElseThrow();

    assertThat(calibration.error()).isCloseTo(golden.calibrationError, within(1e-12));
    assertThat(calibration.bins()).hasSize(Calibration.BINS);
    assertThat(calibration.bins().stream().mapToInt(Calibration.Bin::rows))
        .containsOnly(5, 6)
        .isSortedAccordingTo(java.util.Comparator.reverseOrder());
  }
}
