package io.distill.model;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import com.google.common.collect.Sets;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.HostMemoryScope;
import io.distill.internal.NativeEngine;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.LoadedModule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class ModelConfigurationTest {

  static final TransformerEncoder ENCODER =
      new TransformerEncoder(
          50, 16, 2, 12, 2, 3, 20, Activation.GELU, 1e-12, 0.1, Pooling.MEAN, true, 4);
  static final TransformerEncoder DENSE = encoder(EncoderHead.DENSE_TANH, 2, 1, 4);
  static final TransformerEncoder WITHOUT_TYPES = encoder(EncoderHead.DENSE_RELU, 0, 0, 4);
  static final TransformerEncoder MASKED = encoder(EncoderHead.MASKED_LANGUAGE_MODEL, 2, 1, 0);
  static final BagOfEmbeddings BAG = new BagOfEmbeddings(50, 8, 6, Activation.RELU, 0.1, 0.1, 4);
  static final MultilayerPerceptron PERCEPTRON =
      new MultilayerPerceptron(6, List.of(5, 7), Activation.TANH, 0.1, 4);

  static TransformerEncoder encoder(EncoderHead head, int first, int types, int classes) {
    return new TransformerEncoder(
        50,
        16,
        types,
        12,
        2,
        3,
        20,
        Activation.GELU,
        1e-5,
        0.1,
        Pooling.FIRST,
        false,
        classes,
        head,
        first);
  }

  static List<ModelConfiguration> configurations() {
    List<ModelConfiguration> all = new ArrayList<>(List.of(MASKED));
    for (ModelConfiguration each : List.of(ENCODER, DENSE, WITHOUT_TYPES, BAG, PERCEPTRON)) {
      all.add(each);
      all.add(each.withClasses(0));
    }
    return all;
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void configuration_asJson_readsBack(ModelConfiguration configuration) {
    assertThat(ModelConfiguration.fromJson(configuration.toJson())).isEqualTo(configuration);
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void parameterCount_isKnownWithoutParameters(ModelConfiguration configuration) {
    assertThat(configuration.parameterCount())
        .isEqualTo(
            configuration.initialWeights(1).values().stream()
                .mapToLong(tensor -> tensor.shape().size())
                .sum());
  }

  @Test
  void activationBytes_growAsTheyShould() {
    Computation plain = Computation.standard();
    Computation checkpointed = plain.withActivationCheckpointing(true);
    Computation mixed = plain.withTraining(Precision.BFLOAT16);
    for (ModelConfiguration each : configurations()) {
      assertThat(each.activationBytes(1, 1, plain)).isPositive();
      assertThat(each.activationBytes(64, 8, plain))
          .isGreaterThan(each.activationBytes(32, 8, plain));
    }
    TransformerEncoder encoder =
        new TransformerEncoder(
            1000, 512, 1, 384, 6, 6, 1536, Activation.GELU, 1e-12, 0.1, Pooling.MEAN, true, 4);
    long all = encoder.activationBytes(32, 128, plain);
    assertThat(encoder.activationBytes(32, 128, checkpointed)).isLessThan(all / 2);
    assertThat(encoder.activationBytes(32, 128, mixed)).isBetween(all / 2, all * 9 / 10);
    // pairs of tokens weigh more and more
    assertThat(encoder.activationBytes(8, 512, plain)).isGreaterThan(3 * all / 2);
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void module_everyMethod_runs(ModelConfiguration configuration) {
    try (LoadedModule module =
            LoadedModule.load(
                configuration.module(configuration.initialWeights(7)), Device.cpu(), true);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDList inputs = inputs(configuration, manager);
      NDArray forward = module.call("forward", inputs, false).singletonOrThrow();
      NDList outputs = module.call("outputs_with_hidden_states", inputs, true);
      NDArray first =
          configuration.provides().contains(SignalKind.LOGITS)
              ? outputs.get("logits")
              : outputs.get("embedding");
      assertThat(first.toFloatArray()).containsExactly(forward.toFloatArray());
      assertThat(outputs.get("hidden_states.1")).isNotNull();
      assertThat(module.call("outputs", inputs, false).get(0).toFloatArray())
          .containsExactly(forward.toFloatArray());
      assertThat(module.parameters().keySet())
          .containsExactlyInAnyOrderElementsOf(configuration.initialWeights(7).keySet());
    }
  }

  static List<TransformerEncoder> encoders() {
    return List.of(ENCODER, DENSE, WITHOUT_TYPES, MASKED);
  }

  @ParameterizedTest
  @MethodSource("encoders")
  void encoder_withAttention_agreesWithTheFusedPath(TransformerEncoder encoder) {
    try (LoadedModule module =
            LoadedModule.load(encoder.module(encoder.initialWeights(7)), Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDList inputs = inputs(encoder, manager);
      NDList plain = module.call("outputs_with_hidden_states", inputs, false);
      NDList scored = module.call("outputs_with_attention", inputs, false);
      for (NDArray array : plain) {
        assertThat(scored.get(array.getName()).toFloatArray())
            .usingComparatorWithPrecision(1e-5f)
            .containsExactly(array.toFloatArray());
      }
      assertThat(scored.get("attention_scores.1").getShape()).isEqualTo(new Shape(2, 3, 4, 4));
    }
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void everyKindThatIsProvided_isGivenWhenAskedFor(ModelConfiguration configuration) {
    try (ScriptedModel model =
            ScriptedModel.open(
                configuration, configuration.initialWeights(7), Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDList inputs = inputs(configuration, manager);
      // all subsets: which method gives them must not matter
      for (Set<SignalKind> asked : Sets.powerSet(configuration.provides())) {
        Signals signals = model.forward(inputs, asked, false);
        assertThat(signals.kinds()).containsAll(asked);
        assertThat(configuration.provides()).containsAll(signals.kinds());
        if (signals.kinds().contains(SignalKind.HIDDEN_STATES)) {
          assertThat(signals.layerNames()).isEqualTo(configuration.layerNames());
        }
        for (SignalKind kind : Sets.intersection(asked, Signals.LAYERED)) {
          assertThat(signals.layers(kind)).hasSameSizeAs(configuration.layerNames());
        }
      }
    }
  }

  @Test
  void encoder_ofWords_scoresEachPieceAtEachPosition() {
    try (ScriptedModel model =
            ScriptedModel.open(MASKED, MASKED.initialWeights(7), Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Signals signals = model.forward(inputs(MASKED, manager), Set.of(SignalKind.LOGITS), false);
      assertThat(signals.logits().getShape()).isEqualTo(new Shape(2, 4, 50));
    }
    assertThat(MASKED.provides()).contains(SignalKind.LOGITS);
    assertThat(MASKED.withClasses(0)).isEqualTo(MASKED);
    assertThat(MASKED.withClasses(3)).isEqualTo(encoder(EncoderHead.LINEAR, 2, 1, 3));
    assertThatThrownBy(() -> encoder(EncoderHead.MASKED_LANGUAGE_MODEL, 2, 1, 3))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("classes must be 0 for a masked language model but was 3");
    // scores of words weigh more than the layers of a small model
    TransformerEncoder linear = encoder(EncoderHead.LINEAR, 2, 1, 0);
    long scores = 2L * 4 * 50 * Float.BYTES;
    assertThat(MASKED.activationBytes(2, 4, Computation.standard()))
        .isGreaterThan(linear.activationBytes(2, 4, Computation.standard()) + scores);
  }

  @Test
  void encoder_ofADenseHead_classifiesTheEmbedding() {
    Map<String, HostTensor> weights = DENSE.initialWeights(7);
    TransformerEncoder plain = encoder(EncoderHead.LINEAR, 2, 1, 4);
    Map<String, HostTensor> others = new LinkedHashMap<>(weights);
    others.keySet().removeIf(name -> name.startsWith("pooler."));
    try (ScriptedModel dense = ScriptedModel.open(DENSE, weights, Device.cpu(), false);
        ScriptedModel linear = ScriptedModel.open(plain, others, Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Set<SignalKind> kinds = Set.of(SignalKind.LOGITS, SignalKind.EMBEDDING);
      Signals ours = dense.forward(inputs(DENSE, manager), kinds, false);
      NDArray pooled = linear.forward(inputs(plain, manager), kinds, false).embedding();
      NDArray expected = pooled.matMul(array(weights, "pooler.dense.weight", manager).transpose());
      assertClose(ours.embedding(), expected.tanh());
      assertClose(
          ours.logits(),
          ours.embedding().matMul(array(weights, "classifier.weight", manager).transpose()));
    }
  }

  private static NDArray array(Map<String, HostTensor> weights, String name, NDManager manager) {
    HostTensor tensor = requireNonNull(weights.get(name));
    return manager.create(tensor.toFloatArray(), tensor.shape());
  }

  private static void assertClose(NDArray given, NDArray expected) {
    assertThat(given.toFloatArray())
        .usingComparatorWithPrecision(1e-6f)
        .containsExactly(expected.toFloatArray());
  }

  @Test
  void encoder_ofAFirstPosition_readsTheTableFromThere() {
    TransformerEncoder shifted = encoder(EncoderHead.LINEAR, 3, 0, 0);
    TransformerEncoder plain = encoder(EncoderHead.LINEAR, 0, 0, 0);
    Map<String, HostTensor> weights = shifted.initialWeights(7);
    String name = "embeddings.position_embeddings.weight";
    float[] table = requireNonNull(weights.get(name)).toFloatArray();
    Map<String, HostTensor> others = new LinkedHashMap<>(weights);
    others.put(name, HostTensor.of(Arrays.copyOfRange(table, 3 * 12, 19 * 12), 16, 12));
    try (ScriptedModel one = ScriptedModel.open(shifted, weights, Device.cpu(), false);
        ScriptedModel other = ScriptedModel.open(plain, others, Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Set<SignalKind> kinds = Set.of(SignalKind.EMBEDDING);
      assertThat(one.forward(inputs(shifted, manager), kinds, false).embedding().toFloatArray())
          .containsExactly(
              other.forward(inputs(plain, manager), kinds, false).embedding().toFloatArray());
    }
  }

  @Test
  void encoder_fromBeforeThereWereHeads_readsAndWritesTheSameJson() {
    JsonObject values = ENCODER.toJson().getAsJsonObject("configuration");
    assertThat(values.keySet())
        .containsExactly(
            "vocabularySize",
            "maxPositions",
            "typeVocabularySize",
            "hiddenSize",
            "layers",
            "heads",
            "intermediateSize",
            "activation",
            "layerNormEpsilon",
            "dropout",
            "pooling",
            "normalized",
            "classes");
    TransformerEncoder read = (TransformerEncoder) ModelConfiguration.fromJson(ENCODER.toJson());
    assertThat(read.head()).isEqualTo(EncoderHead.LINEAR);
    assertThat(read.firstPosition()).isZero();
    JsonObject unknown = DENSE.toJson();
    unknown.getAsJsonObject("configuration").addProperty("head", "HYDRA");
    assertThatThrownBy(() -> ModelConfiguration.fromJson(unknown))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("head");
  }

  @Test
  void layerNames_arePathsOfModules() {
    assertThat(ENCODER.layerNames()).containsExactly("encoder.layer.0", "encoder.layer.1");
    assertThat(PERCEPTRON.layerNames()).containsExactly("hidden.0", "hidden.1");
    assertThat(BAG.layerNames()).containsExactly("embeddings", "hidden");
    for (ModelConfiguration each : List.of(ENCODER, PERCEPTRON, BAG)) {
      assertThat(each.layerNames())
          .allSatisfy(
              name ->
                  assertThat(each.initialWeights(1).keySet())
                      .anyMatch(parameter -> parameter.startsWith(name + ".")));
    }
  }

  @Test
  void encoder_withRelations_agreesWithThePlainPath() {
    try (LoadedModule module =
            LoadedModule.load(ENCODER.module(ENCODER.initialWeights(7)), Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDList inputs = inputs(ENCODER, manager);
      NDList plain = module.call("outputs_with_hidden_states", inputs, false);
      NDList related = module.call("outputs_with_relations", inputs, false);
      for (NDArray array : plain) {
        // the same operators in the same order
        assertThat(related.get(array.getName()).toFloatArray())
            .containsExactly(array.toFloatArray());
      }
      NDList all = module.call("outputs_with_attention_and_relations", inputs, false);
      NDList scored = module.call("outputs_with_attention", inputs, false);
      for (NDArray array : scored) {
        assertThat(all.get(array.getName()).toFloatArray()).containsExactly(array.toFloatArray());
      }
      for (String relation : List.of("queries", "keys", "values")) {
        for (int layer = 0; layer < 2; layer++) {
          NDArray one = related.get(relation + "." + layer);
          assertThat(one.getShape()).isEqualTo(new Shape(2, 3, 4, 4));
          assertThat(all.get(relation + "." + layer).toFloatArray())
              .usingComparatorWithPrecision(1e-5f)
              .containsExactly(one.toFloatArray());
        }
      }
      assertThat(scored).hasSize(4 + 2);
      assertThat(related).hasSize(4 + 6);
      assertThat(all).hasSize(4 + 2 + 6);
    }
  }

  @Test
  void encoder_attentionScores_areQueriesTimesKeysOverTheRootOfTheHeadWidth() {
    try (ScriptedModel model =
            ScriptedModel.open(ENCODER, ENCODER.initialWeights(7), Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Signals signals = model.forward(inputs(ENCODER, manager), ENCODER.provides(), false);
      for (int layer = 0; layer < 2; layer++) {
        NDArray keys = signals.keys().get(layer).transpose(0, 1, 3, 2);
        NDArray products = signals.queries().get(layer).matMul(keys).div(Math.sqrt(4));
        assertThat(signals.attentionScores().get(layer).toFloatArray())
            .usingComparatorWithPrecision(1e-6f)
            .containsExactly(products.toFloatArray());
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"QUERIES", "KEYS", "VALUES"})
  @SuppressWarnings("try") // the memory scope only has to be open
  void encoder_relations_carryGradientsToTheirOwnProjection(SignalKind kind) {
    Map<SignalKind, String> projections =
        Map.of(SignalKind.QUERIES, "query", SignalKind.KEYS, "key", SignalKind.VALUES, "value");
    try (ScriptedModel model =
            ScriptedModel.open(ENCODER, ENCODER.initialWeights(7), Device.cpu(), true);
        NDManager manager = NativeEngine.newManager(Device.cpu());
        HostMemoryScope memory = new HostMemoryScope()) {
      JniUtils.setGradMode(true);
      Signals signals = model.forward(inputs(ENCODER, manager), Set.of(kind), true);
      NDArray sum = signals.layers(kind).get(1).square().sum();
      JniUtils.backward((PtNDArray) sum, (PtNDArray) manager.create(1f), false, false);
      projections.forEach(
          (other, projection) -> {
            String name = ".attention.self." + projection + ".weight";
            assertThat(gradient(model, "encoder.layer.1" + name) > 0).isEqualTo(other == kind);
            assertThat(gradient(model, "encoder.layer.0" + name)).isPositive();
          });
    }
  }

  /** The norm of a gradient; 0 where there is none. */
  private static float gradient(ScriptedModel model, String name) {
    PtNDArray weight = (PtNDArray) requireNonNull(model.parameters().get(name), name);
    return JniUtils.getGradient(weight) == null ? 0 : weight.getGradient().norm().getFloat();
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void perceptron_everyActivation_isTheFunctionItNames(Activation activation) {
    MultilayerPerceptron one = new MultilayerPerceptron(1, List.of(1), activation, 0, 0);
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    weights.put("hidden.0.weight", HostTensor.of(new float[] {1}, 1, 1));
    weights.put("hidden.0.bias", HostTensor.of(new float[] {0}, 1));
    try (LoadedModule module = LoadedModule.load(one.module(weights), Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray input = manager.create(new float[] {0.5f, -0.5f}, new Shape(2, 1));
      float[] out = module.call("forward", new NDList(input), false).get(0).toFloatArray();
      double[] expected =
          switch (activation) {
            case RELU -> new double[] {0.5, 0};
            case GELU -> new double[] {0.3457312, -0.1542688};
            case GELU_TANH -> new double[] {0.3457140, -0.1542860};
            case SILU -> new double[] {0.5 / (1 + Math.exp(-0.5)), -0.5 / (1 + Math.exp(0.5))};
            case TANH -> new double[] {Math.tanh(0.5), Math.tanh(-0.5)};
          };
      assertThat((double) out[0]).isCloseTo(expected[0], within(2e-6));
      assertThat((double) out[1]).isCloseTo(expected[1], within(2e-6));
    }
  }

  @Test
  void bag_padding_doesNotCount() {
    try (LoadedModule module =
            LoadedModule.load(BAG.module(BAG.initialWeights(7)), Device.cpu(), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDList padded = inputs(BAG, manager);
      NDList alone =
          new NDList(
              manager.create(new long[] {2, 4}, new Shape(1, 2)),
              manager.create(new long[] {1, 1}, new Shape(1, 2)));
      float[] all = module.call("forward", padded, false).get(0).toFloatArray();
      assertThat(module.call("forward", alone, false).get(0).toFloatArray())
          .usingComparatorWithPrecision(1e-6f)
          .containsExactly(all[4], all[5], all[6], all[7]);
    }
  }

  @Test
  void weights_missingOrOfAnotherShape_areNamed() {
    Map<String, HostTensor> weights = new LinkedHashMap<>(BAG.initialWeights(1));
    weights.put("hidden.weight", HostTensor.of(new float[2], 1, 2));
    assertThatThrownBy(() -> BAG.module(weights))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "weight hidden.weight must have shape (6, 8) but had (1, 2); check that configuration"
                + " and weights belong together");
    weights.remove("hidden.weight");
    assertThatThrownBy(() -> BAG.module(weights)).hasMessageContaining("but is missing");
    Map<String, HostTensor> tooMany = new LinkedHashMap<>(BAG.initialWeights(1));
    tooMany.put("extra", HostTensor.of(new float[2], 2));
    assertThatThrownBy(() -> BAG.module(tooMany))
        .hasMessage("weights must belong to BagOfEmbeddings but it has no [extra]");
  }

  @Test
  void fromJson_unknownOrBroken_isRefused() {
    JsonObject json = new JsonObject();
    json.addProperty("architecture", "Mamba");
    assertThatThrownBy(() -> ModelConfiguration.fromJson(json))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("architecture must be one of");
    JsonObject wrong = BAG.toJson();
    wrong.getAsJsonObject("configuration").addProperty("hiddenSize", -1);
    assertThatThrownBy(() -> ModelConfiguration.fromJson(wrong))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("hiddenSize must be at least 1 but was -1");
  }

  @Test
  void initialWeights_sameSeed_areTheSame() {
    assertThat(BAG.initialWeights(3).get("hidden.weight").toFloatArray())
        .containsExactly(BAG.initialWeights(3).get("hidden.weight").toFloatArray())
        .isNotEqualTo(BAG.initialWeights(4).get("hidden.weight").toFloatArray());
  }

  private static NDList inputs(ModelConfiguration configuration, NDManager manager) {
    if (configuration instanceof MultilayerPerceptron) {
      return new NDList(
          manager.create(new float[] {1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1}, new Shape(2, 3, 2)));
    }
    return new NDList(
        manager.create(new long[] {1, 2, 3, 4, 2, 4, 0, 0}, new Shape(2, 4)),
        manager.create(new long[] {1, 1, 1, 1, 1, 1, 0, 0}, new Shape(2, 4)));
  }
}
