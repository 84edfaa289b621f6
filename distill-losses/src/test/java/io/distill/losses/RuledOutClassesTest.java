package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.RowTemperature;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** A learned temperature divides the teacher's logits too, and 0 times infinity is NaN. */
class RuledOutClassesTest {

  private record Learned() implements RowTemperature {
    @Override
    public void prepare(LossSetup setup) {
      setup.parameter("t", new Shape(1), 2f);
    }

    @Override
    public NDArray of(LossContext context) {
      return context.parameter("t").sum();
    }
  }

  static Stream<Arguments> losses() {
    return Stream.of(
            Losses.decoupledKd(),
            Losses.normalizedKd(),
            Losses.dist(),
            Losses.hingeRank(),
            Losses.correctedTeacher(),
            Losses.multiLabel(),
            Losses.listwiseKl(),
            Losses.standardized(Losses.listwiseKl()))
        .map(loss -> Arguments.of(loss.name(), loss));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("losses")
  void learnedTemperature_getsAFiniteGradient(String name, DistillationLoss loss) {
    LossCase given =
        LogitCases.drawn(1, 2)
            .withLabels(2, -1, 0, 1, 3)
            .withParameters(Map.of("temperature.t", new Values(new float[] {2}, 1)));
    LossCase wide =
        given
            .mapStudent(LogitCases::padded)
            .mapTeacher(LogitCases::padded)
            .mapTeacher(values -> values.with(1, Double.NEGATIVE_INFINITY));
    LossCase.Outcome outcome = wide.evaluate(loss.atTemperature(new Learned()));
    assertThat(outcome.value()).isFinite();
    assertThat(outcome.gradients().get(0).doubles()).doesNotContain(Double.NaN);
    assertThat(outcome.parameterGradients().get("temperature.t").doubles()[0])
        .isFinite()
        .isNotZero();
  }
}
