package io.distill.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.mapping.LayerWeighting;
import io.distill.schedule.Progress;
import io.distill.signal.Signals;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** How the distances of layer pairs become one number; two student and three teacher layers. */
class LayerAverageTest {

  private static final double[][] DISTANCES = {{1, 4, 2}, {3, 0.5, 5}};

  private final NDManager manager = NativeEngine.newManager(Device.cpu());

  @BeforeEach
  void prepareThread() {
    NativeEngine.prepareThread();
  }

  @AfterEach
  void closeManager() {
    manager.close();
  }

  private Signals layers(int count) {
    return Signals.builder()
        .hiddenStates(
            IntStream.range(0, count).mapToObj(i -> manager.ones(new Shape(1, 2))).toList())
        .build();
  }

  private NDArray distances(DataType type) {
    double[] flat = {1, 4, 2, 3, 0.5, 5};
    return Gradients.leaf(manager.create(flat, new Shape(2, 3)).toType(type, true));
  }

  private LossContext context(LayerMapping mapping, Map<String, NDArray> parameters) {
    return LossContext.builder(layers(2), layers(3))
        .layerMapping(mapping)
        .parameters(parameters)
        .build();
  }

  private static NDArray average(LossContext context, NDArray distances) {
    return Gradients.backward(
        () ->
            context.overLayerPairs(
                pair -> distances.get("{}, {}", pair.student(), pair.teacher())));
  }

  /** A mapping with chosen pairs and weighting. */
  private record Chosen(List<LayerPair> all, LayerWeighting weighting) implements LayerMapping {
    @Override
    public List<LayerPair> pairs(int studentLayers, int teacherLayers) {
      return all;
    }
  }

  @ParameterizedTest(name = "{0}")
  @EnumSource(LayerWeighting.class)
  void onePair_isItsDistance(LayerWeighting weighting) {
    NDArray distances = distances(DataType.FLOAT32);
    LossContext context = context(new Chosen(List.of(new LayerPair(1, 2)), weighting), Map.of());
    assertThat(average(context, distances).getFloat()).isEqualTo(5);
    assertThat(distances.getGradient().toFloatArray()).containsExactly(0, 0, 0, 0, 0, 1);
  }

  @Test
  void equal_isTheMean() {
    NDArray distances = distances(DataType.FLOAT32);
    LossContext context = context(LayerMapping.manyToOne(), Map.of());
    // 0 <- 0, 1 <- 1, 1 <- 2
    assertThat(average(context, distances).getFloat()).isCloseTo((1 + 0.5f + 5) / 3, within(1e-6f));
  }

  @Test
  void learned_startsAtTheMeanOverAllPairs() {
    NDArray weights = Gradients.leaf(manager.zeros(new Shape(2, 3)));
    LossContext context = context(LayerMapping.learned(), Map.of(LossSetup.LAYER_WEIGHTS, weights));
    assertThat(average(context, distances(DataType.FLOAT32)).getFloat())
        .isCloseTo(15.5f / 6, within(1e-6f));
  }

  @ParameterizedTest(name = "{0}")
  @EnumSource(
      value = DataType.class,
      names = {"FLOAT32", "FLOAT64"})
  void learned_isTheMeanOfSoftmaxes_withTheirGradients(DataType type) {
    double[][] w = {{0.3, -1, 2}, {0, 0.7, -0.2}};
    NDArray weights =
        Gradients.leaf(
            manager
                .create(new double[] {0.3, -1, 2, 0, 0.7, -0.2}, new Shape(2, 3))
                .toType(type, true));
    NDArray distances = distances(type);
    LossContext context = context(LayerMapping.learned(), Map.of(LossSetup.LAYER_WEIGHTS, weights));
    NDArray value = average(context, distances);
    assertThat(value.getDataType()).isEqualTo(type);
    assertThat(value.getShape().dimension()).isZero();
    double expected = 0;
    double[] gradient = new double[6];
    double[] ofWeights = new double[6];
    for (int i = 0; i < 2; i++) {
      double sum = 0;
      for (double each : w[i]) {
        sum += Math.exp(each);
      }
      double mean = 0;
      for (int j = 0; j < 3; j++) {
        gradient[3 * i + j] = Math.exp(w[i][j]) / sum / 2;
        mean += Math.exp(w[i][j]) / sum * DISTANCES[i][j];
      }
      for (int j = 0; j < 3; j++) {
        ofWeights[3 * i + j] = gradient[3 * i + j] * (DISTANCES[i][j] - mean);
      }
      expected += mean / 2;
    }
    assertThat(number(value)).isCloseTo(expected, within(1e-6));
    assertClose(distances.getGradient(), gradient);
    assertClose(weights.getGradient(), ofWeights);
  }

  private static double number(NDArray value) {
    return value.toType(DataType.FLOAT64, false).getDouble();
  }

  private static void assertClose(NDArray actual, double[] expected) {
    assertThat(actual.toType(DataType.FLOAT64, false).toDoubleArray())
        .containsExactly(expected, within(1e-6));
  }

  @Test
  void learned_overSomePairs_spreadsOverThoseAlone() {
    NDArray weights =
        Gradients.leaf(manager.create(new float[] {1, 2, 3, 4, 5, 6}, new Shape(2, 3)));
    NDArray distances = distances(DataType.FLOAT32);
    // the other student layer has no pair: it must neither count nor make the gradient NaN
    LossContext context =
        context(
            new Chosen(List.of(new LayerPair(1, 2), new LayerPair(1, 0)), LayerWeighting.LEARNED),
            Map.of(LossSetup.LAYER_WEIGHTS, weights));
    double share = 1 / (1 + Math.exp(-2));
    assertThat(average(context, distances).getFloat())
        .isCloseTo((float) (share * 5 + (1 - share) * 3), within(1e-5f));
    assertClose(distances.getGradient(), new double[] {0, 0, 0, 1 - share, 0, share});
    double gradient = share * (1 - share) * 2;
    assertClose(weights.getGradient(), new double[] {0, 0, 0, -gradient, 0, gradient});
  }

  @Test
  void learned_withoutLayerPairsInPrepare_saysWhatIsMissing() {
    LossContext context = context(LayerMapping.learned(), Map.of());
    assertThatThrownBy(() -> average(context, distances(DataType.FLOAT32)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "parameter layerWeights must be declared in prepare(LossSetup) but only [] are");
  }

  @ParameterizedTest(name = "{0}")
  @EnumSource(
      value = DataType.class,
      names = {"FLOAT32", "FLOAT64"})
  void earthMovers_isTheCheapestFlow_heldConstant(DataType type) {
    NDArray distances = distances(type);
    NDArray value = average(context(LayerMapping.earthMovers(), Map.of()), distances);
    assertThat(value.getDataType()).isEqualTo(type);
    // teacher layer 1 is all that student layer 1 wants; the rest of it goes to the nearer of 0, 2
    assertThat(number(value)).isCloseTo((1 * 1 + 0.5 * 2 + 2 * 2 + 3 * 1) / 6, within(1e-6));
    assertClose(distances.getGradient(), new double[] {1 / 6., 0, 2 / 6., 1 / 6., 2 / 6., 0});
  }

  @Test
  void earthMovers_ofDistancesThatAreNotFinite_isNotFinite() {
    NDArray distances =
        Gradients.leaf(manager.create(new float[] {1, 2, 3, Float.NaN, 5, 6}, new Shape(2, 3)));
    assertThat(average(context(LayerMapping.earthMovers(), Map.of()), distances).getFloat())
        .isNaN();
  }

  @Test
  void earthMovers_overTooFewPairs_isRefused() {
    LossContext context =
        context(
            new Chosen(
                List.of(new LayerPair(0, 0), new LayerPair(0, 1), new LayerPair(1, 1)),
                LayerWeighting.EARTH_MOVERS_DISTANCE),
            Map.of());
    // 0 <- 0, 0 <- 1, 1 <- 1 works with two teacher layers; a third student layer would not
    assertThat(average(context, distances(DataType.FLOAT32)).getFloat()).isEqualTo(0.75f);
    LossContext impossible =
        LossContext.builder(layers(2), layers(3))
            .layerMapping(
                new Chosen(
                    List.of(new LayerPair(0, 0), new LayerPair(1, 1), new LayerPair(1, 2)),
                    LayerWeighting.EARTH_MOVERS_DISTANCE))
            .build();
    assertThatThrownBy(() -> average(impossible, distances(DataType.FLOAT32)))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "layerMapping with weighting EARTH_MOVERS_DISTANCE must let all layers move their mass"
                + " but gave only [0 <- 0, 1 <- 1, 1 <- 2]; give more pairs, or use"
                + " LayerMapping.earthMovers()");
  }

  @Test
  void random_isRedrawnEachStep_fromTheProgressOfTheContext() {
    List<List<LayerPair>> drawn =
        IntStream.range(0, 30)
            .mapToObj(
                step ->
                    LossContext.builder(layers(2), layers(6))
                        .layerMapping(LayerMapping.random())
                        .progress(new Progress(0, step, 30, 5))
                        .build()
                        .layerPairs())
            .toList();
    assertThat(drawn.stream().distinct().count()).isGreaterThan(5);
  }
}
