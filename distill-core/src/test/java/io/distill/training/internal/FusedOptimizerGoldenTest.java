package io.distill.training.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import com.google.gson.Gson;
import io.distill.internal.NativeEngine;
import io.distill.training.Optimizer;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with PyTorch in float64; the file is written by optimizer_golden.py. */
class FusedOptimizerGoldenTest {

  private static final double RELATIVE = 1e-5;

  private static final Golden GOLDEN = read();

  record Golden(
      Map<String, long[]> shapes,
      Map<String, float[]> initial,
      List<Double> learningRateFactors,
      List<Map<String, float[]>> gradients,
      List<Case> cases) {}

  record Case(
      String name,
      String type,
      double lr,
      List<Double> betas,
      double eps,
      double decay,
      double momentum,
      boolean nesterov,
      Double maxNorm,
      List<Checkpoint> checkpoints) {

    Optimizer optimizer() {
      return type.equals("adamW")
          ? new Optimizer.AdamW(lr, betas.get(0), betas.get(1), eps, decay)
          : new Optimizer.Sgd(lr, momentum, nesterov, decay);
    }

    @Override
    public String toString() {
      return name;
    }
  }

  record Checkpoint(int step, double norm, Map<String, double[]> parameters) {}

  private static Golden read() {
    try (Reader reader =
        new InputStreamReader(
            Objects.requireNonNull(
                FusedOptimizerGoldenTest.class.getResourceAsStream("/golden/optimizers.json")),
            StandardCharsets.UTF_8)) {
      return new Gson().fromJson(reader, Golden.class);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  static Stream<Case> cases() {
    return GOLDEN.cases().stream();
  }

  @Test
  void file_hasAllCasesWithSixCheckpointsOverFiftySteps() {
    assertThat(GOLDEN.cases()).hasSize(16);
    assertThat(GOLDEN.gradients()).hasSize(50);
    assertThat(GOLDEN.cases())
        .allSatisfy(
            each ->
                assertThat(each.checkpoints())
                    .extracting(Checkpoint::step)
                    .containsExactly(1, 2, 5, 10, 25, 50));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("cases")
  void step_equalsPyTorch(Case golden) {
    NativeEngine.prepareThread();
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Map<String, NDArray> parameters = new LinkedHashMap<>();
      GOLDEN
          .initial()
          .forEach(
              (name, values) -> {
                NDArray array = manager.create(values, new Shape(GOLDEN.shapes().get(name)));
                array.setRequiresGradient(true);
                parameters.put(name, array);
              });
      double maxNorm = golden.maxNorm() == null ? Double.POSITIVE_INFINITY : golden.maxNorm();
      int checkpoint = 0;
      try (FusedOptimizer optimizer =
          new FusedOptimizer(golden.optimizer(), parameters, Device.cpu())) {
        for (int step = 0; step < GOLDEN.gradients().size(); step++) {
          addGradients(GOLDEN.gradients().get(step), parameters, manager);
          double rate = golden.lr() * GOLDEN.learningRateFactors().get(step);
          double norm = optimizer.step(rate, maxNorm);
          Checkpoint expected = golden.checkpoints().get(checkpoint);
          if (expected.step() == step + 1) {
            checkpoint++;
            assertThat(norm).isCloseTo(expected.norm(), within(RELATIVE * expected.norm()));
            compare(expected, parameters);
          }
        }
      }
      assertThat(checkpoint).isEqualTo(golden.checkpoints().size());
    }
  }

  private static void addGradients(
      Map<String, float[]> values, Map<String, NDArray> parameters, NDManager manager) {
    parameters.forEach(
        (name, parameter) -> {
          try (NDArray gradient = JniUtils.getGradient((PtNDArray) parameter);
              NDArray addend = manager.create(values.get(name), parameter.getShape())) {
            gradient.addi(addend);
          }
        });
  }

  private static void compare(Checkpoint expected, Map<String, NDArray> parameters) {
    expected
        .parameters()
        .forEach(
            (name, values) -> {
              float[] actual = parameters.get(name).toFloatArray();
              for (int i = 0; i < values.length; i++) {
                assertThat((double) actual[i])
                    .as("%s[%s] after step %s", name, i, expected.step())
                    .isCloseTo(values[i], within(RELATIVE * Math.abs(values[i])));
              }
            });
  }
}
