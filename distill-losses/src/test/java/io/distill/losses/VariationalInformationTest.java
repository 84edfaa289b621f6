package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.mapping.LayerMapping;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VariationalInformationTest {

  private static final DistillationLoss LOSS = Losses.variationalInformation();
  private static final DistillationLoss LINEAR = Losses.variationalInformation(Projector.LINEAR, 1);

  @Nested
  class Vectors extends Contract {
    Vectors() {
      super(LOSS, Kind.VECTORS, 3, 3);
    }
  }

  @Nested
  class Tokens extends Contract {
    Tokens() {
      super(LOSS, Kind.TOKENS, 2, 3);
    }
  }

  @Nested
  class Maps extends Contract {
    Maps() {
      super(LOSS, Kind.MAPS, 2, 3);
    }
  }

  @Nested
  class MapsThroughMatrix extends Contract {
    MapsThroughMatrix() {
      super(LINEAR, Kind.MAPS, 3, 3);
    }
  }

  private abstract static class Contract extends FeatureContract {
    Contract(DistillationLoss loss, Kind kind, int student, int teacher) {
      super(loss, kind, student, teacher, 1);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply(
          "a log-likelihood: half the log of the variance where the mean is the teacher's");
    }
  }

  private static LossCase given(double difference, double raw) {
    return LossCase.layers(
            List.of(new Values(new double[] {difference, 0}, 1, 2)),
            List.of(Values.zeros(1, 2)),
            null)
        .withParameters(
            Map.of(
                "projector.0.0", new Values(new float[] {1, 0, 0, 1}, 2, 2),
                "variance.0.0", new Values(new double[] {raw, raw}, 2)));
  }

  @ParameterizedTest(name = "raw={0}")
  @ValueSource(doubles = {-3, 0, 2})
  void agreement_countsHalfTheLogOfTheVariance(double raw) {
    double variance = Math.log1p(Math.exp(raw)) + 1e-5;
    assertThat(given(0, raw).value(LINEAR)).isCloseTo(0.5 * Math.log(variance), within(1e-5));
  }

  @Test
  void smallVariance_makesTheValueNegative() {
    assertThat(given(0, -3).value(LINEAR)).isNegative();
  }

  @Test
  void bestVariance_isTheMeanSquare() {
    // the gradient in the raw variance is 0 where the variance is the squared difference
    double raw = Math.log(Math.expm1(4 - 1e-5));
    LossCase given = given(2, raw).withStudent(List.of(new Values(new float[] {2, 2}, 1, 2)));
    Values gradient = given.evaluate(LINEAR).parameterGradients().get("variance.0.0");
    assertThat(gradient.largest()).isLessThan(1e-6f);
  }

  @Test
  void hugeRawVariance_isFinite() {
    assertThat(given(1, 1e4).value(LINEAR)).isCloseTo(0.5 * Math.log(1e4), within(1e-3));
    assertThat(given(1, -1e4).value(LINEAR)).isFinite();
  }

  @Test
  void prepare_startsAtTheVariance_withANetworkBetweenEqualWidths() {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(2), List.of(2), LayerMapping.uniform());
    LINEAR.prepare(setup);
    assertThat(setup.declared()).containsOnlyKeys("projector.0.0", "variance.0.0");
    assertThat(start(1)).isCloseTo(1, within(1e-6));
    assertThat(start(5)).isCloseTo(5, within(1e-6));
    assertThat(start(30)).isCloseTo(30, within(1e-5));
  }

  /** The variance with which a run starts. */
  private static double start(double variance) {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(2), List.of(2), LayerMapping.uniform());
    Losses.variationalInformation(Projector.LINEAR, variance).prepare(setup);
    String declared = setup.declared().get("variance.0.0");
    double raw = Double.parseDouble(declared.substring(declared.indexOf('=') + 1));
    return Math.log1p(Math.exp(raw)) + 1e-5;
  }

  @ParameterizedTest(name = "variance={0}")
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void variance_outOfRange_isRefused(double variance) {
    assertThatThrownBy(() -> Losses.variationalInformation(Projector.MLP, variance))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("variance must be finite and greater than 1e-5 but was " + variance);
  }
}
