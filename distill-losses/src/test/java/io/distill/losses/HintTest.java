package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.mapping.LayerMapping;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HintTest {

  private static final DistillationLoss LOSS = Losses.hint();

  @Nested
  class Vectors extends FeatureContract {
    Vectors() {
      super(LOSS, Kind.VECTORS, 3, 3, 1);
    }
  }

  @Nested
  class Tokens extends FeatureContract {
    Tokens() {
      super(LOSS, Kind.TOKENS, 2, 2, 2);
    }
  }

  @Nested
  class MapsThroughConvolution extends FeatureContract {
    MapsThroughConvolution() {
      super(LOSS, Kind.MAPS, 2, 3, 1);
    }
  }

  @Nested
  class MapsOfEqualWidths extends FeatureContract {
    MapsOfEqualWidths() {
      super(LOSS, Kind.MAPS, 2, 2, 1);
    }
  }

  @Nested
  class ThroughActivation extends FeatureContract {
    ThroughActivation() {
      super(Losses.hint(Projector.LINEAR_RELU), Kind.TOKENS, 2, 3, 1);
    }
  }

  @Nested
  class ThroughTwoLayers extends FeatureContract {
    ThroughTwoLayers() {
      super(Losses.hint(Projector.MLP), Kind.TOKENS, 3, 2, 1);
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(ints = {1, 2, 3})
  void hint_isHalfTheWidthTimesTheMean(int seed) {
    LossCase given =
        LossCase.layers(
            List.of(Values.drawn(seed, 2, 4, 6)), List.of(Values.drawn(seed + 9, 2, 4, 6)), null);
    assertThat(given.value(LOSS)).isCloseTo(3 * given.value(Losses.hiddenStateMse()), within(1e-5));
  }

  @Test
  void projector_alwaysThere_isUsedBetweenEqualWidths() {
    DistillationLoss always = Losses.hint(Projector.CONVOLUTION_1X1.always());
    LossCase plain =
        LossCase.layers(List.of(Values.drawn(1, 2, 4, 2)), List.of(Values.drawn(2, 2, 4, 2)), null);
    LossCase same =
        plain.withParameters(
            Map.of(
                "projector.0.0",
                new Values(new float[] {1, 0, 0, 1}, 2, 2),
                "projector.0.0.bias",
                Values.zeros(2)));
    assertThat(same.value(always)).isEqualTo(plain.value(LOSS));
    LossCase other =
        plain.withParameters(
            Map.of(
                "projector.0.0", new Values(new float[] {1, 0, 0, 1}, 2, 2),
                "projector.0.0.bias", new Values(new float[] {4, 4}, 2)));
    assertThat(other.value(always)).isNotCloseTo(plain.value(LOSS), within(1e-2));
  }

  @Test
  void map_equalsItsPixelsAsTokens() {
    Values student = Values.drawn(1, 2, 2, 3, 2, 2);
    Values teacher = Values.drawn(2, 2, 2, 3, 2, 2);
    LossCase map = LossCase.layers(List.of(student), List.of(teacher), null);
    LossCase tokens =
        LossCase.layers(
            List.of(pixels(student)),
            List.of(pixels(teacher)),
            new Values(new float[] {1, 1, 1, 1, 1, 1, 1, 1}, 2, 4));
    assertThat(map.value(LOSS)).isCloseTo(tokens.value(LOSS), within(1e-5));
  }

  /** {@code [N, C, H, W]} to {@code [N, H W, C]}. */
  private static Values pixels(Values map) {
    long[] shape = map.shape();
    int channels = (int) shape[1];
    int pixels = (int) (shape[2] * shape[3]);
    double[] from = map.doubles();
    double[] to = new double[from.length];
    for (int i = 0; i < from.length; i++) {
      int row = i / (channels * pixels);
      int channel = i / pixels % channels;
      int pixel = i % pixels;
      to[(row * pixels + pixel) * channels + channel] = from[i];
    }
    return new Values(to, shape[0], pixels, channels);
  }

  @Test
  void largerMap_isAveragedToTheSmaller() {
    Values large = Values.drawn(1, 2, 1, 1, 2, 4);
    double[] from = large.doubles();
    Values small =
        new Values(
            new double[] {
              (from[0] + from[1] + from[4] + from[5]) / 4,
              (from[2] + from[3] + from[6] + from[7]) / 4
            },
            1,
            1,
            1,
            2);
    Values other = Values.drawn(3, 2, 1, 1, 1, 2);
    double expected = LossCase.layers(List.of(small), List.of(other), null).value(LOSS);
    assertThat(LossCase.layers(List.of(large), List.of(other), null).value(LOSS))
        .isCloseTo(expected, within(1e-6));
    assertThat(LossCase.layers(List.of(other), List.of(large), null).value(LOSS))
        .isCloseTo(expected, within(1e-6));
  }

  @Test
  void prepare_declaresWhatTheProjectorNeeds() {
    assertThat(declared(Projector.LINEAR)).isEqualTo(Map.of("projector.0.0", "(4, 2)"));
    Map<String, String> affine =
        Map.of("projector.0.0", "(4, 2)", "projector.0.0.bias", "(4) = 0.0");
    assertThat(declared(Projector.CONVOLUTION_1X1)).isEqualTo(affine);
    assertThat(declared(Projector.LINEAR_RELU)).isEqualTo(affine);
    assertThat(declared(Projector.MLP))
        .isEqualTo(
            Map.of(
                "projector.0.0", "(4, 2)",
                "projector.0.0.bias", "(4) = 0.0",
                "projector.0.0.out", "(4, 4)",
                "projector.0.0.out.bias", "(4) = 0.0"));
    assertThat(declared(Projector.LINEAR.always()))
        .isEqualTo(Map.of("projector.0.0", "(4, 2)", "projector.1.1", "(4, 4)"));
  }

  private static Map<String, String> declared(Projector projector) {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(2, 4), List.of(4, 4), LayerMapping.uniform());
    Losses.hint(projector).prepare(setup);
    return setup.declared();
  }

  @Test
  void requirements_areHiddenStates() {
    assertThat(LOSS.requires()).containsExactly(SignalKind.HIDDEN_STATES);
    assertThat(LOSS.name()).isEqualTo("hint");
  }
}
