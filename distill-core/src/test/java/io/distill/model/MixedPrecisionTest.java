package io.distill.model;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

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
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.LoadedModule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Training in bfloat16 against training in float32, which other tests hold against PyTorch's. */
class MixedPrecisionTest {

  private static final Computation MIXED = Computation.standard().withTraining(Precision.BFLOAT16);

  /** Half a unit in the last of 8 bits, relative. */
  private static final double ROUNDING = 1.0 / 512;

  private static final TransformerEncoder ENCODER =
      new TransformerEncoder(
          50, 16, 1, 32, 3, 4, 64, Activation.GELU, 1e-12, 0, Pooling.MEAN, false, 5);
  private static final BagOfEmbeddings BAG =
      new BagOfEmbeddings(50, 16, 24, Activation.TANH, 0, 0, 5);
  private static final MultilayerPerceptron PERCEPTRON =
      new MultilayerPerceptron(6, List.of(16, 24), Activation.TANH, 0, 5);

  static List<ModelConfiguration> configurations() {
    return List.of(
        ENCODER,
        BAG,
        PERCEPTRON,
        ENCODER.withClasses(0),
        BAG.withClasses(0),
        headed(EncoderHead.DENSE_TANH, 5),
        headed(EncoderHead.MASKED_LANGUAGE_MODEL, 0));
  }

  private static TransformerEncoder headed(EncoderHead head, int classes) {
    return new TransformerEncoder(
        50, 16, 1, 32, 3, 4, 64, Activation.GELU, 1e-12, 0, Pooling.FIRST, false, classes, head, 2);
  }

  private static Map<String, HostTensor> weights(ModelConfiguration configuration) {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    WeightInitializer initializer = new WeightInitializer(5);
    configuration
        .initialWeights(7)
        .forEach(
            (name, tensor) -> {
              // larger than at the start of a training, so that nothing is nearly linear
              long[] shape = tensor.shape().getShape();
              weights.put(
                  name,
                  name.contains("LayerNorm.weight")
                      ? tensor
                      : initializer.normal(name, shape.length == 1 ? 0.1 : 0.2, shape));
            });
    return weights;
  }

  private static NDList inputs(ModelConfiguration configuration, NDManager manager) {
    if (configuration instanceof MultilayerPerceptron) {
      return new NDList(
          manager.create(
              new float[] {1, -2, 3, .4f, 5, 6, 6, -.5f, .1f, 3, 2, 1}, new Shape(2, 6)));
    }
    return new NDList(
        manager.create(new long[] {1, 2, 3, 4, 5, 6, 2, 4, 9, 0, 0, 0}, new Shape(2, 6)),
        manager.create(new long[] {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0}, new Shape(2, 6)));
  }

  private static ScriptedModel open(
      ModelConfiguration configuration, Map<String, HostTensor> weights, Computation computation) {
    return ScriptedModel.open(configuration, weights, Device.cpu(), true, computation);
  }

  private static List<NDArray> arrays(Signals signals) {
    List<NDArray> arrays = new ArrayList<>();
    signals.map(
        array -> {
          // the mask of tokens is passed on as it came
          if (array.getDataType() != DataType.INT64) {
            arrays.add(array);
          }
          return array;
        });
    return arrays;
  }

  /**
   * A float32 function of everything that a model says, with a weight of its own for each number.
   */
  private static NDArray target(Signals signals, NDManager manager) {
    NDArray total = null;
    int seed = 0;
    for (NDArray array : arrays(signals)) {
      float[] coefficients = new float[(int) array.size()];
      for (int i = 0; i < coefficients.length; i++) {
        coefficients[i] = (float) Math.sin(1 + i + 31.0 * seed) / coefficients.length;
      }
      NDArray value = array.mul(manager.create(coefficients, array.getShape())).sum();
      total = total == null ? value : total.add(value);
      seed++;
    }
    return requireNonNull(total);
  }

  @SuppressWarnings("try") // the memory scope only has to be open
  private static double value(
      ModelConfiguration configuration,
      Map<String, HostTensor> weights,
      Computation computation,
      Set<SignalKind> kinds) {
    try (ScriptedModel model = open(configuration, weights, computation);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      return target(model.forward(inputs(configuration, manager), kinds, true), manager).getFloat();
    }
  }

  @SuppressWarnings("try") // the memory scope only has to be open
  private static Map<String, float[]> gradients(
      ModelConfiguration configuration, Computation computation, Set<SignalKind> kinds) {
    try (ScriptedModel model = open(configuration, weights(configuration), computation);
        NDManager manager = NativeEngine.newManager(Device.cpu());
        HostMemoryScope memory = new HostMemoryScope()) {
      JniUtils.setGradMode(true);
      NDArray target = target(model.forward(inputs(configuration, manager), kinds, true), manager);
      JniUtils.backward((PtNDArray) target, (PtNDArray) manager.create(1f), false, false);
      Map<String, float[]> gradients = new LinkedHashMap<>();
      model
          .parameters()
          .forEach(
              (name, array) -> {
                NDArray gradient = JniUtils.getGradient((PtNDArray) array);
                if (gradient != null) {
                  assertThat(gradient.getDataType()).isEqualTo(DataType.FLOAT32);
                  gradients.put(name, gradient.toFloatArray());
                  gradient.close();
                }
              });
      return gradients;
    }
  }

  private static double norm(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += (double) value * value;
    }
    return Math.sqrt(sum);
  }

  private static float[] difference(float[] first, float[] second) {
    float[] difference = new float[first.length];
    for (int i = 0; i < first.length; i++) {
      difference[i] = first[i] - second[i];
    }
    return difference;
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void everythingThatLeavesTheModel_isFloat32AndNearlyThat(ModelConfiguration configuration) {
    Map<String, HostTensor> weights = weights(configuration);
    try (ScriptedModel exact = open(configuration, weights, Computation.standard());
        ScriptedModel mixed = open(configuration, weights, MIXED);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDList inputs = inputs(configuration, manager);
      for (Set<SignalKind> asked : Sets.powerSet(configuration.provides())) {
        List<NDArray> expected = arrays(exact.forward(inputs, asked, true));
        List<NDArray> given = arrays(mixed.forward(inputs, asked, true));
        assertThat(given).hasSameSizeAs(expected);
        for (int i = 0; i < given.size(); i++) {
          assertThat(given.get(i).getDataType()).isEqualTo(DataType.FLOAT32);
          float[] values = given.get(i).toFloatArray();
          float[] exactly = expected.get(i).toFloatArray();
          assertThat(norm(difference(values, exactly))).isLessThan(8 * ROUNDING * norm(exactly));
        }
        NDArray last = given.get(given.size() - 1);
        assertThat(last.toFloatArray()).isNotEqualTo(expected.get(given.size() - 1).toFloatArray());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void gradients_areFloat32sWithinRounding(ModelConfiguration configuration) {
    for (Set<SignalKind> kinds :
        List.of(configuration.provides(), Set.of(SignalKind.EMBEDDING, SignalKind.HIDDEN_STATES))) {
      Map<String, float[]> exact = gradients(configuration, Computation.standard(), kinds);
      Map<String, float[]> mixed = gradients(configuration, MIXED, kinds);
      assertThat(mixed.keySet()).isEqualTo(exact.keySet());
      double all = exact.values().stream().mapToDouble(each -> norm(each) * norm(each)).sum();
      exact.forEach(
          (name, expected) -> {
            double error = norm(difference(requireNonNull(mixed.get(name)), expected));
            // a bias of keys has no effect; its gradient is nothing but rounding
            assertThat(error)
                .as(name)
                .isLessThan(12 * ROUNDING * Math.max(norm(expected), 0.03 * Math.sqrt(all)));
          });
    }
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void gradients_areTheSlopeOfTheFunctionItself(ModelConfiguration configuration) {
    Map<String, float[]> mixed = gradients(configuration, MIXED, configuration.provides());
    Map<String, float[]> direction =
        gradients(configuration, Computation.standard(), configuration.provides());
    double length = 0;
    double slope = 0;
    for (Map.Entry<String, float[]> each : direction.entrySet()) {
      float[] along = requireNonNull(mixed.get(each.getKey()));
      for (int i = 0; i < along.length; i++) {
        length += (double) each.getValue()[i] * each.getValue()[i];
        slope += (double) along[i] * each.getValue()[i];
      }
    }
    // the function in bfloat16 is a staircase; the one that it approximates has a slope
    double step = 1e-2 / Math.sqrt(length);
    double measured =
        (moved(configuration, direction, step) - moved(configuration, direction, -step))
            / (2 * step);
    assertThat(slope).isCloseTo(measured, within(0.01 * measured));
  }

  private static double moved(
      ModelConfiguration configuration, Map<String, float[]> direction, double step) {
    Map<String, HostTensor> weights = weights(configuration);
    direction.forEach(
        (name, along) -> {
          HostTensor tensor = requireNonNull(weights.get(name));
          float[] values = tensor.toFloatArray();
          for (int i = 0; i < values.length; i++) {
            values[i] += (float) (step * along[i]);
          }
          weights.put(name, HostTensor.of(values, tensor.shape().getShape()));
        });
    return value(configuration, weights, Computation.standard(), configuration.provides());
  }

  /** What stands behind the last product is float32, so the staircase is smooth in it. */
  @ParameterizedTest
  @MethodSource("configurations")
  void gradients_behindTheLastProduct_areFiniteDifferences(ModelConfiguration configuration) {
    Map<String, float[]> gradients = gradients(configuration, MIXED, configuration.provides());
    // a dense layer would bend the line, and one in bfloat16 make it a staircase
    boolean linear =
        configuration instanceof TransformerEncoder encoder && encoder.head() == EncoderHead.LINEAR;
    List<String> behind =
        gradients.keySet().stream()
            .filter(
                name ->
                    name.startsWith("classifier.")
                        || name.equals("cls.predictions.bias")
                        || (linear && name.startsWith("encoder.layer.2.output.La")))
            .toList();
    assertThat(behind.isEmpty())
        .isEqualTo(configuration.classes() == 0 && configuration instanceof BagOfEmbeddings);
    for (String name : behind) {
      float[] gradient = requireNonNull(gradients.get(name));
      for (int i = 0; i < gradient.length; i += 7) {
        double step = 0.25;
        float[] along = new float[gradient.length];
        along[i] = 1;
        double measured =
            (nudged(configuration, name, along, step) - nudged(configuration, name, along, -step))
                / (2 * step);
        assertThat((double) gradient[i]).as(name).isCloseTo(measured, within(1e-5));
      }
    }
  }

  private static double nudged(
      ModelConfiguration configuration, String name, float[] along, double step) {
    Map<String, HostTensor> weights = weights(configuration);
    HostTensor tensor = requireNonNull(weights.get(name));
    float[] values = tensor.toFloatArray();
    for (int i = 0; i < values.length; i++) {
      values[i] += (float) (step * along[i]);
    }
    weights.put(name, HostTensor.of(values, tensor.shape().getShape()));
    return value(configuration, weights, MIXED, configuration.provides());
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void answers_areFloat32s_liveAndSaved(ModelConfiguration configuration, @TempDir Path directory)
      throws IOException {
    Map<String, HostTensor> weights = weights(configuration);
    Path plain = Files.createDirectory(directory.resolve("plain"));
    Path saved = Files.createDirectory(directory.resolve("saved"));
    try (ScriptedModel exact = open(configuration, weights, Computation.standard());
        ScriptedModel mixed = open(configuration, weights, MIXED);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDList inputs = inputs(configuration, manager);
      // after a training pass, as at the end of a run
      assertThat(mixed.forward(inputs, Set.of(SignalKind.EMBEDDING), true).kinds()).isNotEmpty();
      List<NDArray> expected = arrays(exact.forward(inputs, configuration.provides(), false));
      List<NDArray> given = arrays(mixed.forward(inputs, configuration.provides(), false));
      for (int i = 0; i < given.size(); i++) {
        assertThat(given.get(i).toFloatArray()).containsExactly(expected.get(i).toFloatArray());
      }
      exact.writeTo(plain);
      mixed.writeTo(saved);
      // nothing of the training's precision is in the file: whatever serves it, serves float32
      assertThat(saved.resolve(SignalModel.MODEL_FILE))
          .hasSameBinaryContentAs(plain.resolve(SignalModel.MODEL_FILE));
      assertThat(mixed.fingerprint()).isEqualTo(exact.fingerprint());
      try (LoadedModule served =
          LoadedModule.loadTrusted(saved.resolve(SignalModel.MODEL_FILE), Device.cpu(), false)) {
        NDArray answer = served.call("forward", inputs, false).singletonOrThrow();
        NDArray own =
            configuration.provides().contains(SignalKind.LOGITS)
                ? exact.forward(inputs, Set.of(SignalKind.LOGITS), false).logits()
                : exact.forward(inputs, Set.of(SignalKind.EMBEDDING), false).embedding();
        assertThat(answer.toFloatArray()).containsExactly(own.toFloatArray());
      }
    }
  }

  @Test
  void answers_inBfloat16_areOthers_andSoIsTheFingerprint(@TempDir Path directory) {
    Map<String, HostTensor> weights = weights(ENCODER);
    Computation quick = Computation.standard().withInference(Precision.BFLOAT16);
    try (ScriptedModel exact = ScriptedModel.open(ENCODER, weights, Device.cpu(), false);
        ScriptedModel mixed = ScriptedModel.open(ENCODER, weights, Device.cpu(), false, quick);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDList inputs = inputs(ENCODER, manager);
      float[] expected =
          exact.forward(inputs, Set.of(SignalKind.LOGITS), false).logits().toFloatArray();
      float[] given =
          mixed.forward(inputs, Set.of(SignalKind.LOGITS), false).logits().toFloatArray();
      assertThat(norm(difference(given, expected)))
          .isPositive()
          .isLessThan(8 * ROUNDING * norm(expected));
      assertThat(mixed.fingerprint()).isNotEqualTo(exact.fingerprint());
      // saved, it is the same model
      mixed.writeTo(directory);
      try (ScriptedModel read =
          ScriptedModel.read(directory.resolve(SignalModel.MODEL_FILE), Device.cpu(), false)) {
        assertThat(read.fingerprint()).isEqualTo(exact.fingerprint());
        assertThat(read.computation()).isEqualTo(Computation.standard());
      }
    }
  }
}
