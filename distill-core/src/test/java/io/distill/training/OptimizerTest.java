package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class OptimizerTest {

  @Test
  void defaults_arePyTorchs() {
    assertThat(Optimizer.adamW()).isEqualTo(new Optimizer.AdamW(1e-3, 0.9, 0.999, 1e-8, 0.01));
    assertThat(Optimizer.sgd(0.1)).isEqualTo(new Optimizer.Sgd(0.1, 0, false, 0));
  }

  @Test
  void copies_changeOneThing() {
    Optimizer.AdamW adam = new Optimizer.AdamW(0.1, 0.2, 0.3, 0.4, 0.5);
    assertThat(adam.withLearningRate(1)).isEqualTo(new Optimizer.AdamW(1, 0.2, 0.3, 0.4, 0.5));
    assertThat(adam.withBetas(0, 0.9)).isEqualTo(new Optimizer.AdamW(0.1, 0, 0.9, 0.4, 0.5));
    assertThat(adam.withEpsilon(1)).isEqualTo(new Optimizer.AdamW(0.1, 0.2, 0.3, 1, 0.5));
    assertThat(adam.withWeightDecay(0)).isEqualTo(new Optimizer.AdamW(0.1, 0.2, 0.3, 0.4, 0));
    Optimizer.Sgd sgd = new Optimizer.Sgd(0.1, 0.2, true, 0.3);
    assertThat(sgd.withLearningRate(1)).isEqualTo(new Optimizer.Sgd(1, 0.2, true, 0.3));
    assertThat(sgd.withMomentum(0)).isEqualTo(new Optimizer.Sgd(0.1, 0, false, 0.3));
    assertThat(sgd.withNesterovMomentum(0.9)).isEqualTo(new Optimizer.Sgd(0.1, 0.9, true, 0.3));
    assertThat(sgd.withWeightDecay(0)).isEqualTo(new Optimizer.Sgd(0.1, 0.2, true, 0));
  }

  private static Arguments refused(String message, ThrowingCallable call) {
    return Arguments.of(message, call);
  }

  static Stream<Arguments> badValues() {
    Optimizer.AdamW adam = Optimizer.adamW();
    return Stream.of(
        refused(
            "learningRate must be finite and greater than 0 but was 0.0",
            () -> adam.withLearningRate(0)),
        refused(
            "learningRate must be finite and greater than 0 but was NaN",
            () -> Optimizer.sgd(Double.NaN)),
        refused(
            "learningRate must be finite and greater than 0 but was Infinity",
            () -> Optimizer.sgd(1).withLearningRate(Double.POSITIVE_INFINITY)),
        refused("beta1 must be from 0 to below 1 but was 1.0", () -> adam.withBetas(1, 0.5)),
        refused("beta2 must be from 0 to below 1 but was -0.5", () -> adam.withBetas(0, -0.5)),
        refused("epsilon must be greater than 0 but was 0.0", () -> adam.withEpsilon(0)),
        refused(
            "weightDecay must be finite and at least 0 but was -1.0",
            () -> adam.withWeightDecay(-1)),
        refused(
            "weightDecay must be finite and at least 0 but was Infinity",
            () -> Optimizer.sgd(1).withWeightDecay(Double.POSITIVE_INFINITY)),
        refused(
            "momentum must be from 0 to below 1 but was 1.0",
            () -> Optimizer.sgd(1).withMomentum(1)),
        refused(
            "momentum must be greater than 0 with nesterov but was 0.0",
            () -> Optimizer.sgd(1).withNesterovMomentum(0)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("badValues")
  void value_outOfRange_isRefused(String message, ThrowingCallable call) {
    assertThatIllegalArgumentException().isThrownBy(call).withMessage(message);
  }
}
