package io.distill.model;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import com.google.gson.Gson;
import io.distill.internal.HostMemoryScope;
import io.distill.internal.NativeEngine;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The encoder against {@code transformers}; the file is written by {@code encoder_golden.py}. */
class TransformerEncoderGoldenTest {

  /** Padding after the second row's three tokens. */
  private static final int LENGTH = 5;

  private static Golden golden;

  @SuppressWarnings("ArrayRecordComponent")
  record Weight(long[] shape, float[] values) {}

  @SuppressWarnings("ArrayRecordComponent")
  record Golden(
      long[][] ids,
      long[][] mask,
      Map<String, Weight> weights,
      List<double[]> hiddenStates,
      List<double[]> attentionScores,
      List<double[]> queries,
      List<double[]> keys,
      List<double[]> values,
      double[] mean,
      double[] embedding,
      double[] first,
      Map<String, double[]> gradients) {}

  @BeforeAll
  static void read() throws IOException {
    try (Reader reader =
        new InputStreamReader(
            requireNonNull(
                TransformerEncoderGoldenTest.class.getResourceAsStream("encoder-golden.json")),
            StandardCharsets.UTF_8)) {
      golden = new Gson().fromJson(reader, Golden.class);
    }
  }

  private static TransformerEncoder encoder(Pooling pooling, boolean normalized) {
    return new TransformerEncoder(
        50, 16, 2, 12, 2, 3, 20, Activation.GELU, 1e-12, 0.1, pooling, normalized, 0);
  }

  private static ScriptedModel open(TransformerEncoder encoder, boolean trainable) {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    golden.weights().forEach((name, w) -> weights.put(name, HostTensor.of(w.values(), w.shape())));
    return ScriptedModel.open(encoder, weights, Device.cpu(), trainable);
  }

  private static NDList inputs(NDManager manager) {
    Shape shape = new Shape(2, LENGTH);
    return new NDList(
        manager.create(Arrays.stream(golden.ids()).flatMapToLong(Arrays::stream).toArray(), shape),
        manager.create(
            Arrays.stream(golden.mask()).flatMapToLong(Arrays::stream).toArray(), shape));
  }

  @ParameterizedTest
  @EnumSource(names = {"HIDDEN_STATES", "ATTENTION_SCORES", "VALUES"})
  void hiddenStates_equalPyTorchs(SignalKind asked) {
    try (ScriptedModel model = open(encoder(Pooling.MEAN, true), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Signals signals = model.forward(inputs(manager), Set.of(asked), false);
      assertThat(signals.hiddenStates()).hasSize(2);
      for (int layer = 0; layer < 2; layer++) {
        float[] ours = signals.hiddenStates().get(layer).toFloatArray();
        assertClose(ours, golden.hiddenStates().get(layer), i -> real(i / 12));
      }
      assertClose(signals.embedding().toFloatArray(), golden.embedding(), i -> true);
    }
  }

  @Test
  void attentionScores_equalPyTorchsBeforeTheSoftmax() {
    try (ScriptedModel model = open(encoder(Pooling.MEAN, true), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Signals signals = model.forward(inputs(manager), Set.of(SignalKind.ATTENTION_SCORES), false);
      assertThat(signals.attentionScores()).hasSize(2);
      for (int layer = 0; layer < 2; layer++) {
        NDArray scores = signals.attentionScores().get(layer);
        assertThat(scores.getShape()).isEqualTo(new Shape(2, 3, LENGTH, LENGTH));
        assertClose(
            scores.toFloatArray(),
            golden.attentionScores().get(layer),
            i ->
                real(i / (3 * LENGTH * LENGTH) * LENGTH + i / LENGTH % LENGTH)
                    && real(i / (3 * LENGTH * LENGTH) * LENGTH + i % LENGTH));
      }
    }
  }

  @ParameterizedTest(name = "with scores: {0}")
  @ValueSource(booleans = {false, true})
  void queriesKeysAndValues_equalPyTorchs(boolean withScores) {
    Set<SignalKind> asked = EnumSet.of(SignalKind.QUERIES, SignalKind.KEYS, SignalKind.VALUES);
    if (withScores) {
      asked.add(SignalKind.ATTENTION_SCORES);
    }
    try (ScriptedModel model = open(encoder(Pooling.MEAN, true), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Signals signals = model.forward(inputs(manager), asked, false);
      assertLayers(signals.queries(), golden.queries());
      assertLayers(signals.keys(), golden.keys());
      assertLayers(signals.values(), golden.values());
    }
  }

  private static void assertLayers(List<NDArray> ours, List<double[]> expected) {
    assertThat(ours).hasSize(2);
    for (int layer = 0; layer < 2; layer++) {
      assertThat(ours.get(layer).getShape()).isEqualTo(new Shape(2, 3, LENGTH, 4));
      assertClose(
          ours.get(layer).toFloatArray(),
          expected.get(layer),
          i -> real(i / (3 * LENGTH * 4) * LENGTH + i / 4 % LENGTH));
    }
  }

  @Test
  void embedding_ofEachPooling_equalsPyTorchs() {
    try (ScriptedModel mean = open(encoder(Pooling.MEAN, false), false);
        ScriptedModel first = open(encoder(Pooling.FIRST, false), false);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Set<SignalKind> asked = Set.of(SignalKind.EMBEDDING);
      NDList inputs = inputs(manager);
      assertClose(
          mean.forward(inputs, asked, false).embedding().toFloatArray(), golden.mean(), i -> true);
      assertClose(
          first.forward(inputs, asked, false).embedding().toFloatArray(),
          golden.first(),
          i -> true);
    }
  }

  @Test
  @SuppressWarnings("try") // the memory scope only has to be open
  void gradients_equalPyTorchs() {
    try (ScriptedModel model = open(withoutDropout(), true);
        NDManager manager = NativeEngine.newManager(Device.cpu());
        HostMemoryScope memory = new HostMemoryScope()) {
      JniUtils.setGradMode(true);
      NDArray embedding =
          model.forward(inputs(manager), Set.of(SignalKind.EMBEDDING), true).embedding();
      float[] coefficients = new float[24];
      for (int i = 0; i < coefficients.length; i++) {
        coefficients[i] = i / 10f - 1;
      }
      NDArray target = embedding.mul(manager.create(coefficients, new Shape(2, 12))).sum();
      JniUtils.backward((PtNDArray) target, (PtNDArray) manager.create(1f), false, false);
      golden
          .gradients()
          .forEach(
              (name, expected) -> {
                NDArray gradient = requireNonNull(model.parameters().get(name)).getGradient();
                assertClose(gradient.toFloatArray(), expected, i -> true);
              });
    }
  }

  private static TransformerEncoder withoutDropout() {
    return new TransformerEncoder(
        50, 16, 2, 12, 2, 3, 20, Activation.GELU, 1e-12, 0, Pooling.MEAN, true, 0);
  }

  private static boolean real(int token) {
    return golden.mask()[token / LENGTH][token % LENGTH] == 1;
  }

  private static void assertClose(
      float[] ours, double[] expected, java.util.function.IntPredicate compared) {
    assertThat(ours).hasSameSizeAs(expected);
    for (int i = 0; i < ours.length; i++) {
      if (compared.test(i)) {
        assertThat((double) ours[i])
            .as("element %s", i)
            .isCloseTo(expected[i], org.assertj.core.api.Assertions.within(1e-5));
      }
    }
  }
}
