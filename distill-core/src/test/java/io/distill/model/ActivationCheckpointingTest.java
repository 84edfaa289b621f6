package io.distill.model;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import com.google.common.collect.Sets;
import io.distill.internal.HostMemoryScope;
import io.distill.internal.NativeEngine;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.LoadedModule;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.BiFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A pass that computes activations again against one that keeps them. */
@SuppressWarnings("try") // memory scopes only have to be open
class ActivationCheckpointingTest {

  private static final long SEED = 99;
  private static final int LAYERS = 3;

  private NDManager manager;

  @BeforeEach
  void start() {
    NativeEngine.prepareThread();
    manager = NativeEngine.newManager(Device.cpu());
    JniUtils.setGradMode(true);
  }

  @AfterEach
  void close() {
    manager.close();
  }

  private static TransformerEncoder encoder(double dropout) {
    return new TransformerEncoder(
        50, 16, 1, 12, LAYERS, 3, 20, Activation.GELU, 1e-12, dropout, Pooling.MEAN, true, 4);
  }

  private static ScriptedModel open(
      TransformerEncoder encoder, Precision precision, boolean checkpointing) {
    return ScriptedModel.open(
        encoder,
        encoder.initialWeights(7),
        Device.cpu(),
        true,
        Computation.standard().withTraining(precision).withActivationCheckpointing(checkpointing));
  }

  private NDList inputs() {
    return new NDList(
        manager.create(new long[] {1, 2, 3, 4, 5, 6, 2, 4, 9, 0, 0, 0}, new Shape(2, 6)),
        manager.create(new long[] {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0}, new Shape(2, 6)));
  }

  /** A function of everything that was said, with a weight of its own for each number. */
  private NDArray target(Signals signals) {
    List<NDArray> values = new ArrayList<>();
    signals.map(
        array -> {
          if (array.getDataType() == DataType.FLOAT32) {
            float[] coefficients = new float[(int) array.size()];
            for (int i = 0; i < coefficients.length; i++) {
              coefficients[i] = (float) Math.sin(1 + i + 31.0 * values.size());
            }
            values.add(array.mul(manager.create(coefficients, array.getShape())).sum());
          }
          return array;
        });
    return values.stream().reduce(NDArray::add).orElseThrow();
  }

  private static void follow(NDArray value, NDManager manager, boolean keepGraph) {
    JniUtils.backward((PtNDArray) value, (PtNDArray) manager.create(1f), keepGraph, false);
  }

  /** Takes the gradients away and returns them. */
  private static Map<String, float[]> gradients(Map<String, NDArray> parameters) {
    Map<String, float[]> gradients = new LinkedHashMap<>();
    parameters.forEach(
        (name, array) -> {
          NDArray gradient = JniUtils.getGradient((PtNDArray) array);
          float[] values =
              gradient == null ? new float[(int) array.size()] : gradient.toFloatArray();
          gradients.put(name, values);
          if (gradient != null) {
            JniUtils.zeroGrad((PtNDArray) array);
          }
        });
    return gradients;
  }

  private Map<String, float[]> gradients(
      ScriptedModel model, Set<SignalKind> kinds, BiFunction<Signals, NDManager, NDArray> target) {
    try (HostMemoryScope memory = new HostMemoryScope()) {
      JniUtils.setSeed(SEED);
      TrainingPass pass = model.trainingPass(inputs(), kinds, SEED);
      follow(target.apply(pass.signals(), manager), manager, false);
      pass.backward();
      return gradients(model.parameters());
    }
  }

  private static void assertSame(Map<String, float[]> given, Map<String, float[]> expected) {
    assertThat(given.keySet()).isEqualTo(expected.keySet());
    expected.forEach((name, values) -> assertThat(given.get(name)).as(name).isEqualTo(values));
    assertThat(expected.values()).anySatisfy(values -> assertThat(norm(values)).isPositive());
  }

  private static void assertClose(Map<String, float[]> given, Map<String, float[]> expected) {
    double largest = expected.values().stream().mapToDouble(each -> norm(each)).max().orElseThrow();
    assertThat(largest).isPositive();
    expected.forEach(
        (name, values) -> {
          float[] other = requireNonNull(given.get(name));
          for (int i = 0; i < values.length; i++) {
            assertThat((double) Math.abs(other[i] - values[i]))
                .as(name)
                .isLessThanOrEqualTo(1e-6 * largest);
          }
        });
  }

  private static double norm(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += (double) value * value;
    }
    return Math.sqrt(sum);
  }

  @ParameterizedTest
  @EnumSource(Precision.class)
  void gradients_ofWhatFollowsTheLastLayer_areTheSameBitForBit(Precision precision) {
    try (ScriptedModel whole = open(encoder(0), precision, false);
        ScriptedModel parts = open(encoder(0), precision, true)) {
      Set<SignalKind> kinds = Set.of(SignalKind.LOGITS, SignalKind.EMBEDDING);
      assertSame(
          gradients(parts, kinds, (signals, owner) -> target(signals)),
          gradients(whole, kinds, (signals, owner) -> target(signals)));
    }
  }

  static List<TransformerEncoder> encoders() {
    return List.of(
        encoder(0),
        headed(EncoderHead.DENSE_RELU, 4),
        headed(EncoderHead.MASKED_LANGUAGE_MODEL, 0));
  }

  private static TransformerEncoder headed(EncoderHead head, int classes) {
    return new TransformerEncoder(
        50,
        16,
        1,
        12,
        LAYERS,
        3,
        20,
        Activation.GELU,
        1e-12,
        0,
        Pooling.FIRST,
        false,
        classes,
        head,
        2);
  }

  @ParameterizedTest
  @MethodSource("encoders")
  void gradients_ofAnythingThatIsSaid_areTheSame(TransformerEncoder encoder) {
    try (ScriptedModel whole = open(encoder, Precision.FLOAT32, false);
        ScriptedModel parts = open(encoder, Precision.FLOAT32, true)) {
      for (Set<SignalKind> kinds : Sets.powerSet(encoder.provides())) {
        if (kinds.isEmpty()) {
          continue;
        }
        BiFunction<Signals, NDManager, NDArray> asked =
            (signals, owner) -> target(only(signals, kinds));
        assertClose(gradients(parts, kinds, asked), gradients(whole, kinds, asked));
      }
    }
  }

  /** Leaves out what is said besides. */
  private static Signals only(Signals signals, Set<SignalKind> kinds) {
    Signals.Builder builder = Signals.builder();
    if (kinds.contains(SignalKind.LOGITS)) {
      builder.logits(signals.logits());
    }
    if (kinds.contains(SignalKind.EMBEDDING)) {
      builder.embedding(signals.embedding());
    }
    Sets.intersection(kinds, Signals.LAYERED)
        .forEach(kind -> builder.layers(kind, signals.layers(kind)));
    return builder.build();
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2})
  void gradients_ofOneLayerAlone_stopThere(int layer) {
    try (ScriptedModel whole = open(encoder(0), Precision.FLOAT32, false);
        ScriptedModel parts = open(encoder(0), Precision.FLOAT32, true)) {
      for (SignalKind kind : List.of(SignalKind.HIDDEN_STATES, SignalKind.ATTENTION_SCORES)) {
        BiFunction<Signals, NDManager, NDArray> one =
            (signals, owner) -> signals.layers(kind).get(layer).square().sum();
        Map<String, float[]> expected = gradients(whole, Set.of(kind), one);
        Map<String, float[]> given = gradients(parts, Set.of(kind), one);
        assertClose(given, expected);
        for (int i = 0; i < LAYERS; i++) {
          double norm = norm(given.get("encoder.layer." + i + ".attention.self.query.weight"));
          assertThat(norm > 0).isEqualTo(i <= layer);
        }
        assertThat(norm(given.get("embeddings.word_embeddings.weight"))).isPositive();
        assertThat(norm(given.get("classifier.weight"))).isZero();
      }
    }
  }

  @Test
  void signals_areThoseOfAWholePass_withNames() {
    try (ScriptedModel whole = open(encoder(0), Precision.FLOAT32, false);
        ScriptedModel parts = open(encoder(0), Precision.FLOAT32, true)) {
      Set<SignalKind> kinds = encoder(0).provides();
      Signals expected = whole.forward(inputs(), kinds, true);
      Signals given = parts.trainingPass(inputs(), kinds, SEED).signals();
      assertThat(given.kinds()).isEqualTo(expected.kinds());
      assertThat(given.layerNames()).isEqualTo(expected.layerNames());
      assertThat(given.mask()).isPresent();
      assertThat(given.logits().toFloatArray()).containsExactly(expected.logits().toFloatArray());
      for (SignalKind kind : Signals.LAYERED) {
        for (int i = 0; i < LAYERS; i++) {
          assertThat(given.layers(kind).get(i).toFloatArray())
              .containsExactly(expected.layers(kind).get(i).toFloatArray());
        }
      }
      assertThat(parts.trainingPass(inputs(), Set.of(SignalKind.LOGITS), SEED).signals().kinds())
          .doesNotContain(SignalKind.HIDDEN_STATES);
    }
  }

  /** The same parts with the same seeds, but in one graph: what dropout has to be twice. */
  @ParameterizedTest
  @EnumSource(Precision.class)
  void gradients_withDropout_areThoseOfTheSameMasks(Precision precision) {
    TransformerEncoder encoder = encoder(0.3);
    Computation computation =
        Computation.standard().withTraining(precision).withActivationCheckpointing(true);
    try (ScriptedModel parts = open(encoder, precision, true);
        LoadedModule module =
            LoadedModule.load(
                encoder.module(encoder.initialWeights(7), computation), Device.cpu(), true);
        HostMemoryScope memory = new HostMemoryScope()) {
      module.training(true);
      long[] seeds = new SplittableRandom(SEED).longs(LAYERS + 1L).toArray();
      NDList inputs = inputs();
      JniUtils.setSeed(seeds[0]);
      NDArray hidden = module.call("embed", new NDList(inputs.get(0), inputs.get(1)), true).get(0);
      for (int i = 0; i < LAYERS; i++) {
        JniUtils.setSeed(seeds[i + 1]);
        hidden = module.call("segment_" + i, new NDList(hidden, inputs.get(1)), true).get(0);
        hidden.setName(null);
      }
      NDArray logits = module.call("finish", new NDList(hidden, inputs.get(1)), true).get("logits");
      logits.setName(null);
      follow(target(Signals.builder().logits(logits).build()), manager, false);
      assertSame(
          gradients(
              parts,
              Set.of(SignalKind.LOGITS),
              (signals, owner) -> target(only(signals, Set.of(SignalKind.LOGITS)))),
          gradients(module.parameters()));
    }
  }

  @Test
  void backward_afterEachOfSeveralTerms_startsFromZero() {
    try (ScriptedModel parts = open(encoder(0.3), Precision.FLOAT32, true);
        HostMemoryScope memory = new HostMemoryScope()) {
      Set<SignalKind> kinds = Set.of(SignalKind.LOGITS, SignalKind.HIDDEN_STATES);
      TrainingPass pass = parts.trainingPass(inputs(), kinds, SEED);
      NDArray first = pass.signals().logits().square().sum();
      NDArray second = pass.signals().hiddenStates().get(1).sum();
      Map<String, float[]> sum = new LinkedHashMap<>();
      for (NDArray term : List.of(first, second)) {
        follow(term, manager, true);
        pass.backward();
        gradients(parts.parameters())
            .forEach((name, values) -> sum.merge(name, values, ActivationCheckpointingTest::add));
      }
      follow(first.add(second), manager, false);
      pass.backward();
      assertClose(gradients(parts.parameters()), sum);
    }
  }

  private static float[] add(float[] first, float[] second) {
    float[] sum = first.clone();
    for (int i = 0; i < sum.length; i++) {
      sum[i] += second[i];
    }
    return sum;
  }

  @Test
  void modelWithoutLayers_keepsItsActivations_andSaysSo() {
    Computation asked = Computation.standard().withActivationCheckpointing(true);
    BagOfEmbeddings bag = ModelConfigurationTest.BAG;
    try (ScriptedModel model =
        ScriptedModel.open(bag, bag.initialWeights(1), Device.cpu(), true, asked)) {
      assertThat(model.computation()).isEqualTo(Computation.standard());
    }
    TransformerEncoder encoder = encoder(0);
    try (ScriptedModel frozen =
        ScriptedModel.open(encoder, encoder.initialWeights(1), Device.cpu(), false, asked)) {
      assertThat(frozen.computation()).isEqualTo(Computation.standard());
    }
  }
}
