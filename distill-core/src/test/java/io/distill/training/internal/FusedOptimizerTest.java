package io.distill.training.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.internal.NativeEngine;
import io.distill.training.Optimizer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FusedOptimizerTest {

  private final NDManager manager = NativeEngine.newManager(Device.cpu());
  private final Map<String, NDArray> parameters = new LinkedHashMap<>();

  @AfterEach
  void close() {
    manager.close();
  }

  private NDArray parameter(String name, Shape shape, float... values) {
    NDArray array = manager.create(values, shape);
    array.setRequiresGradient(true);
    parameters.put(name, array);
    return array;
  }

  private void addGradient(String name, float... values) {
    NDArray parameter = parameters.get(name);
    try (NDArray gradient = JniUtils.getGradient((PtNDArray) parameter);
        NDArray addend = manager.create(values, parameter.getShape())) {
      gradient.addi(addend);
    }
  }

  private float[] gradient(String name) {
    try (NDArray gradient = JniUtils.getGradient((PtNDArray) parameters.get(name))) {
      return gradient.toFloatArray();
    }
  }

  private FusedOptimizer optimizer(Optimizer recipe) {
    NativeEngine.prepareThread();
    return new FusedOptimizer(recipe, parameters, Device.cpu());
  }

  @Test
  void step_returnsNormOfAllGradients_andClipsNegativeOnes() {
    NDArray weight = parameter("weight", new Shape(2, 1), 10, 10);
    NDArray bias = parameter("bias", new Shape(1), 10);
    try (FusedOptimizer optimizer = optimizer(Optimizer.sgd(1))) {
      addGradient("weight", -3, 4);
      addGradient("bias", -12);

      double norm = optimizer.step(1, 6.5);

      assertThat(norm).isEqualTo(13);
      assertThat(weight.toFloatArray()).containsExactly(new float[] {11.5f, 8}, within(1e-5f));
      assertThat(bias.toFloatArray()).containsExactly(new float[] {16}, within(1e-5f));
    }
  }

  @Test
  void step_belowTheNorm_leavesGradientsAsTheyAre() {
    NDArray weight = parameter("weight", new Shape(2, 1), 10, 10);
    try (FusedOptimizer optimizer = optimizer(Optimizer.sgd(1))) {
      addGradient("weight", -3, 4);

      assertThat(optimizer.step(1, 5)).isEqualTo(5);
      assertThat(weight.toFloatArray()).containsExactly(13, 6);
    }
  }

  @Test
  void step_zeroesGradientsInPlace() {
    NDArray weight = parameter("weight", new Shape(1, 1), 10);
    try (FusedOptimizer optimizer = optimizer(Optimizer.sgd(1))) {
      addGradient("weight", 1);
      optimizer.step(1, Double.POSITIVE_INFINITY);
      assertThat(gradient("weight")).containsExactly(0);
      addGradient("weight", 2);
      optimizer.step(1, Double.POSITIVE_INFINITY);
    }
    assertThat(weight.toFloatArray()).containsExactly(7);
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void step_nonFiniteGradient_changesNeitherWeightsNorState(float bad) {
    for (Optimizer recipe :
        new Optimizer[] {Optimizer.adamW(), Optimizer.sgd(0.1).withMomentum(0.9)}) {
      parameters.clear();
      NDArray weight = parameter("weight", new Shape(1, 2), 1, 2);
      NDArray bias = parameter("bias", new Shape(1), 3);
      try (FusedOptimizer optimizer = optimizer(recipe)) {
        addGradient("weight", 1, 1);
        addGradient("bias", 1);
        optimizer.step(0.1, 1);
        float[] weightBefore = weight.toFloatArray();
        float[] biasBefore = bias.toFloatArray();
        Map<String, float[]> stateBefore = state(optimizer);

        addGradient("weight", 1, 1);
        addGradient("bias", bad);
        double norm = optimizer.step(0.1, 1);

        assertThat(Double.isFinite(norm)).isFalse();
        assertThat(weight.toFloatArray()).containsExactly(weightBefore);
        assertThat(bias.toFloatArray()).containsExactly(biasBefore);
        assertThat(state(optimizer)).usingRecursiveComparison().isEqualTo(stateBefore);
        assertThat(gradient("weight")).containsExactly(0, 0);
        assertThat(gradient("bias")).containsExactly(0);
      }
    }
  }

  private static Map<String, float[]> state(FusedOptimizer optimizer) {
    Map<String, float[]> copy = new LinkedHashMap<>();
    optimizer.state().forEach((name, array) -> copy.put(name, array.toFloatArray()));
    return copy;
  }

  @Test
  void state_namesEveryBuffer() {
    parameter("weight", new Shape(1, 2), 1, 2);
    parameter("bias", new Shape(1), 3);
    try (FusedOptimizer optimizer = optimizer(Optimizer.adamW())) {
      addGradient("weight", 1, 2);
      optimizer.step(0.1, Double.POSITIVE_INFINITY);

      assertThat(optimizer.state())
          .containsOnlyKeys("step", "mean/weight", "square/weight", "mean/bias", "square/bias");
      assertThat(state(optimizer).get("step")).containsExactly(1);
      assertThat(state(optimizer).get("mean/weight"))
          .containsExactly(new float[] {0.1f, 0.2f}, within(1e-6f));
    }
    try (FusedOptimizer optimizer = optimizer(Optimizer.sgd(0.1).withMomentum(0.9))) {
      assertThat(optimizer.state()).containsOnlyKeys("step", "momentum/weight", "momentum/bias");
    }
  }

  @Test
  void construction_leftOverGradients_areZeroedEvenIfNotFinite() {
    NDArray weight = parameter("weight", new Shape(1, 3), 1, 2, 3);
    optimizer(Optimizer.sgd(1)).close();
    addGradient("weight", Float.NaN, Float.POSITIVE_INFINITY, 5);

    try (FusedOptimizer optimizer = optimizer(Optimizer.sgd(1))) {
      assertThat(gradient("weight")).containsExactly(0, 0, 0);
      addGradient("weight", 1, 1, 1);
      optimizer.step(1, Double.POSITIVE_INFINITY);
    }
    assertThat(weight.toFloatArray()).containsExactly(0, 1, 2);
  }

  @Test
  void construction_doesNotChangeParametersOrGradientMode() {
    NDArray weight = parameter("weight", new Shape(1, 2), 1, 2);
    NativeEngine.prepareThread();
    boolean mode = JniUtils.isGradMode();
    try {
      for (boolean each : new boolean[] {false, true}) {
        JniUtils.setGradMode(each);
        optimizer(Optimizer.adamW()).close();
        assertThat(JniUtils.isGradMode()).isEqualTo(each);
      }
    } finally {
      JniUtils.setGradMode(mode);
    }
    assertThat(weight.toFloatArray()).containsExactly(1, 2);
  }

  @Test
  void adamW_onlyBiases_decaysNothing() {
    NDArray bias = parameter("bias", new Shape(2), 1, -1);
    try (FusedOptimizer optimizer = optimizer(Optimizer.adamW().withWeightDecay(0.5))) {
      optimizer.step(0.1, Double.POSITIVE_INFINITY);
    }
    assertThat(bias.toFloatArray()).containsExactly(1, -1);
  }

  @Test
  void adamW_unusedMatrix_decays() {
    NDArray weight = parameter("weight", new Shape(1, 2), 1, -1);
    try (FusedOptimizer optimizer = optimizer(Optimizer.adamW().withWeightDecay(0.5))) {
      optimizer.step(0.1, Double.POSITIVE_INFINITY);
    }
    float[] decayed = weight.toFloatArray();
    assertThat(Arrays.toString(decayed)).isEqualTo("[0.95, -0.95]");
  }
}
