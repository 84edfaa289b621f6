package io.distill.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import io.distill.internal.NativeEngine;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RowTemperatureTest {

  private static final float INFINITE = Float.POSITIVE_INFINITY;

  private final NDManager manager = NativeEngine.newManager(Device.cpu());

  @BeforeEach
  void prepareThread() {
    NativeEngine.prepareThread();
  }

  @AfterEach
  void closeManager() {
    manager.close();
  }

  private Signals logits(NDArray array) {
    return Signals.builder().logits(array).build();
  }

  private NDArray rows(int rows, float... values) {
    return manager.create(values, new Shape(rows, values.length / rows));
  }

  private static Progress epoch(int epoch) {
    return new Progress(epoch, epoch, 100, 0);
  }

  private LossContext.Builder context(NDArray student, NDArray teacher) {
    return LossContext.builder(logits(student), logits(teacher));
  }

  private float[] byEntropy(double low, double high, NDArray teacher) {
    LossContext context =
        context(manager.ones(teacher.getShape()), teacher)
            .temperature(RowTemperature.byTeacherEntropy(low, high), LossState.none())
            .build();
    assertThat(context.temperatures().getShape())
        .isEqualTo(new Shape(teacher.getShape().get(0), 1));
    return context.temperatures().toFloatArray();
  }

  @Test
  void byTeacherEntropy_isHighWhereTheTeacherIsCertain() {
    double p = Math.exp(1) / (Math.exp(1) + 3);
    double q = (1 - p) / 3;
    double share = -(p * Math.log(p) + 3 * q * Math.log(q)) / Math.log(4);
    assertThat(byEntropy(2, 8, rows(4, 0, 0, 0, 0, 1e4f, 0, 0, 0, 1, 0, 0, 0, 5, 5, -1e4f, -1e4f)))
        .containsExactly(new float[] {2, 8, (float) (8 - 6 * share), 5}, within(1e-5f));
  }

  @Test
  void byTeacherEntropy_leavesClassesOutThatAreRuledOut() {
    assertThat(
            byEntropy(
                1,
                3,
                rows(
                    3, 0, 0, -INFINITE, -INFINITE, 7, -INFINITE, -INFINITE, -INFINITE, 9, 0, 0, 0)))
        .startsWith(1, 3)
        .doesNotContain(Float.NaN);
    // no class is more than one class is: certain
    assertThat(byEntropy(1, 3, rows(2, 5, 6))).containsExactly(3, 3);
  }

  @Test
  void byTeacherEntropy_fallsWithEntropy() {
    float[] temperatures = byEntropy(1, 5, rows(4, 0, 0, 0, 0.5f, 0, 0, 1, 0, 0, 4, 0, 0));
    for (int row = 1; row < 4; row++) {
      assertThat(temperatures[row]).isGreaterThan(temperatures[row - 1]);
    }
  }

  private static double learnedValue(double theta) {
    return 1 + 20 / (1 + Math.exp(-theta));
  }

  @ParameterizedTest(name = "epoch {0}: {1}")
  @CsvSource({"0, 0.0244717", "1, 0.0954915", "4, 0.5", "8, 0.9755283", "9, 1", "50, 1"})
  void learned_reversesTheGradient_byTheCurriculum(int epoch, double strength) {
    NDArray theta = Gradients.leaf(manager.create(new float[] {0.3f}));
    LossContext context =
        context(rows(1, 1, 2), rows(1, 3, 4))
            .progress(epoch(epoch))
            .temperature(RowTemperature.learned(), new LossState(Map.of("theta", theta), Map.of()))
            .build();
    NDArray value = Gradients.backward(() -> context.temperatures().square());
    double temperature = learnedValue(0.3f);
    assertThat((double) context.temperatures().getFloat()).isCloseTo(temperature, within(1e-5));
    assertThat(context.temperatures().getShape().dimension()).isZero();
    assertThat((double) value.getFloat()).isCloseTo(temperature * temperature, within(1e-3));
    double sigmoid = (temperature - 1) / 20;
    double forward = 2 * temperature * 20 * sigmoid * (1 - sigmoid);
    assertThat((double) theta.getGradient().toFloatArray()[0])
        .isCloseTo(-strength * forward, within(1e-4 * forward));
  }

  /** A sum of a number and its negative part would round; what is trained on must be exact. */
  @ParameterizedTest(name = "theta={0}")
  @ValueSource(floats = {0.1f, 1e-8f, -3.3333333f, 12345.678f})
  void learned_doesNotChangeTheValueByReversing(float number) {
    NDArray theta = manager.create(new float[] {number});
    for (int epoch = 0; epoch < 12; epoch++) {
      LossContext context =
          context(rows(1, 1, 2), rows(1, 3, 4))
              .progress(epoch(epoch))
              .temperature(
                  RowTemperature.learned(), new LossState(Map.of("theta", theta), Map.of()))
              .build();
      NDArray plain = Activation.sigmoid(theta).mul(20f).add(1f);
      assertThat(context.temperatures().getFloat()).isEqualTo(plain.toFloatArray()[0]);
    }
  }

  private Map<String, NDArray> perceptron(DataType type) {
    Map<String, NDArray> parameters = new LinkedHashMap<>();
    parameters.put(
        "hidden.weight",
        rows(2, 0.5f, -0.25f, 1, 0.125f, -0.5f, 0.75f, 0.25f, -1).toType(type, true));
    parameters.put("hidden.bias", manager.create(new float[] {0.1f, 0.2f}).toType(type, true));
    parameters.put("output.weight", rows(1, 0.5f, -0.3f).toType(type, true));
    parameters.put("output.bias", manager.create(new float[] {1}).toType(type, true));
    parameters.values().forEach(array -> array.setRequiresGradient(true));
    return parameters;
  }

  private LossContext byInstance(
      Map<String, NDArray> parameters, NDArray student, NDArray teacher, int epoch) {
    return context(student, teacher)
        .progress(epoch(epoch))
        .temperature(RowTemperature.learnedByInstance(), new LossState(parameters, Map.of()))
        .build();
  }

  @Test
  void learnedByInstance_isAPerceptronOfBothModelsLogits() {
    NDArray student = Gradients.leaf(rows(2, 1, 2, -1, 0.5f));
    NDArray teacher = rows(2, 3, -2, 0, 4);
    Map<String, NDArray> parameters = perceptron(DataType.FLOAT32);
    LossContext context = byInstance(parameters, student, teacher, 20);
    NDArray value = Gradients.backward(() -> context.temperatures().sum());
    double sum = 0;
    float[][] both = {{3, -2, 1, 2}, {0, 4, -1, 0.5f}};
    float[][] weight = {{0.5f, -0.25f, 1, 0.125f}, {-0.5f, 0.75f, 0.25f, -1}};
    for (float[] row : both) {
      double output = 1;
      for (int unit = 0; unit < 2; unit++) {
        double hidden = unit == 0 ? 0.1f : 0.2f;
        for (int i = 0; i < 4; i++) {
          hidden += weight[unit][i] * row[i];
        }
        output += (unit == 0 ? 0.5f : -0.3f) * Math.max(0, hidden);
      }
      sum += learnedValue(output);
    }
    assertThat(context.temperatures().getShape()).isEqualTo(new Shape(2, 1));
    assertThat((double) value.getFloat()).isCloseTo(sum, within(1e-4));
    assertThat(student.getGradient().toFloatArray()).as("no gradient").containsOnly(0);
  }

  /** Central differences with the sign turned, in float64. */
  @Test
  void learnedByInstance_gradientsAreReversed() {
    NDArray student = rows(2, 1, 2, -1, 0.5f).toType(DataType.FLOAT64, true);
    NDArray teacher = rows(2, 3, -2, 0, 4).toType(DataType.FLOAT64, true);
    Map<String, NDArray> parameters = perceptron(DataType.FLOAT64);
    NDArray unused =
        Gradients.backward(
            () -> byInstance(parameters, student, teacher, 20).temperatures().square().sum());
    assertThat(unused.getDataType()).isEqualTo(DataType.FLOAT64);
    parameters.forEach(
        (name, array) -> {
          double[] values = array.toDoubleArray();
          double[] gradient = array.getGradient().toDoubleArray();
          for (int i = 0; i < values.length; i++) {
            double step = 1e-6;
            double[] up = values.clone();
            up[i] += step;
            double[] down = values.clone();
            down[i] -= step;
            double difference =
                (squares(parameters, name, up, student, teacher)
                        - squares(parameters, name, down, student, teacher))
                    / (2 * step);
            assertThat(gradient[i])
                .as("%s[%s]", name, i)
                .isCloseTo(-difference, within(1e-5 * Math.max(1, Math.abs(difference))));
          }
        });
  }

  private double squares(
      Map<String, NDArray> parameters,
      String name,
      double[] values,
      NDArray student,
      NDArray teacher) {
    Map<String, NDArray> changed = new LinkedHashMap<>(parameters);
    changed.put(name, manager.create(values, parameters.get(name).getShape()));
    return byInstance(changed, student, teacher, 20).temperatures().square().sum().getDouble();
  }

  @Test
  void learnedByInstance_readsInfiniteLogitsAsZero() {
    Map<String, NDArray> parameters = perceptron(DataType.FLOAT32);
    NDArray student = rows(1, 1, 2);
    assertThat(
            byInstance(parameters, student, rows(1, -INFINITE, 3), 0).temperatures().toFloatArray())
        .isEqualTo(byInstance(parameters, student, rows(1, 0, 3), 0).temperatures().toFloatArray());
  }

  @Test
  void requirements_joinThoseOfTheLoss() {
    DistillationLoss hidden =
        new DistillationLoss() {
          @Override
          public NDArray compute(LossContext context) {
            return context.temperatures().sum();
          }

          @Override
          public Set<SignalKind> requires() {
            return Set.of(SignalKind.HIDDEN_STATES);
          }
        };
    DistillationLoss entropy = hidden.atTemperature(RowTemperature.byTeacherEntropy(1, 2));
    assertThat(entropy.requiresOfStudent()).containsExactly(SignalKind.HIDDEN_STATES);
    assertThat(entropy.requiresOfTeacher())
        .containsExactlyInAnyOrder(SignalKind.HIDDEN_STATES, SignalKind.LOGITS);
    assertThat(entropy.requires())
        .containsExactlyInAnyOrder(SignalKind.HIDDEN_STATES, SignalKind.LOGITS);
    DistillationLoss instance = hidden.atTemperature(RowTemperature.learnedByInstance());
    assertThat(instance.requiresOfStudent()).contains(SignalKind.LOGITS);
    assertThat(hidden.atTemperature(RowTemperature.learned()).requires())
        .containsExactly(SignalKind.HIDDEN_STATES);
  }

  @ParameterizedTest(name = "temperature={0}")
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void boundsOutOfRange_areRefusedByName(double value) {
    String rule = " must be finite and greater than 0 but was " + value;
    assertThatThrownBy(() -> RowTemperature.byTeacherEntropy(value, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("low" + rule);
    assertThatThrownBy(() -> RowTemperature.byTeacherEntropy(1, value)).hasMessage("high" + rule);
    assertThatThrownBy(() -> RowTemperature.learned(value, 1, 1)).hasMessage("low" + rule);
    assertThatThrownBy(() -> RowTemperature.learned(1, value, 1)).hasMessage("high" + rule);
  }

  @Test
  void countsAndOrderOutOfRange_areRefused() {
    assertThatThrownBy(() -> RowTemperature.byTeacherEntropy(3, 2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("low must be at most high 2.0 but was 3.0");
    assertThatThrownBy(() -> RowTemperature.learned(2, 2, 1))
        .hasMessage("low must be below high 2.0 but was 2.0");
    assertThatThrownBy(() -> RowTemperature.learned(1, 2, 0))
        .hasMessage("epochs must be at least 1 but was 0");
    assertThatThrownBy(() -> RowTemperature.learnedByInstance(1, 2, 1, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("hiddenSize must be at least 1 but was 0");
    assertThat(List.of(RowTemperature.learned(), RowTemperature.learnedByInstance()))
        .containsExactly(
            RowTemperature.learned(1, 21, 10), RowTemperature.learnedByInstance(1, 21, 10, 64));
  }
}
