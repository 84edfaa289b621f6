package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.DataType;
import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import io.distill.mapping.LayerMapping;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FactorTransferTest {

  private static final DistillationLoss LOSS = Losses.factorTransfer();

  @Nested
  class Vectors extends Contract {
    Vectors() {
      super(LOSS, Kind.VECTORS, 3, 4);
    }
  }

  @Nested
  class Tokens extends Contract {
    Tokens() {
      super(LOSS, Kind.TOKENS, 3, 4);
    }
  }

  @Nested
  class Maps extends Contract {
    Maps() {
      super(LOSS, Kind.MAPS, 2, 4);
    }
  }

  @Nested
  class SquaresOfWideFactors extends Contract {
    SquaresOfWideFactors() {
      super(Losses.factorTransfer(2, 2), Kind.TOKENS, 2, 2);
    }
  }

  private abstract static class Contract extends FeatureContract {
    Contract(DistillationLoss loss, Kind kind, int student, int teacher) {
      super(loss, kind, student, teacher, 1);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply("factors of student and teacher come from different networks");
    }

    /**
     * The factors of the teacher are a fixed target; see encoder_hasTheGradientOfTheReconstruction.
     */
    @Override
    boolean followsValue(String parameter) {
      return !parameter.startsWith("encoder");
    }
  }

  private static LossCase example() {
    return FeatureContract.prepared(
        LOSS,
        LossCase.layers(List.of(Values.drawn(1, 2, 4, 3)), List.of(Values.drawn(2, 2, 4, 4)), null),
        31);
  }

  @Test
  void paraphraser_learnsFromTheTeacherAlone() {
    // squares: the gradient of absolute differences would only see signs
    DistillationLoss loss = Losses.factorTransfer(0.5, 2);
    LossCase given = example();
    Outcome outcome = given.evaluate(loss);
    Outcome other = given.mapStudent(values -> Values.drawn(8, 2, values.shape())).evaluate(loss);
    for (String network : List.of("encoder", "encoder.out", "decoder", "decoder.out")) {
      Values gradient = outcome.parameterGradients().get(name(network, ""));
      assertThat(gradient.largest()).as(network).isPositive();
      assertThat(other.parameterGradients().get(name(network, "")).numbers())
          .as(network)
          .containsExactly(gradient.numbers(), within(1e-6f));
    }
    assertThat(outcome.gradients().get(0).largest()).isPositive();
  }

  /**
   * Where the student's factors are 0, the squared distance is 1 whatever the encoder says: what is
   * left is the reconstruction, whose gradient the encoder must have.
   */
  @ParameterizedTest(name = "{0}")
  @ValueSource(strings = {"encoder", "encoder.bias", "encoder.out", "encoder.out.bias"})
  void encoder_hasTheGradientOfTheReconstruction(String weight) {
    DistillationLoss squares = Losses.factorTransfer(0.5, 2);
    Map<String, Values> parameters = new LinkedHashMap<>(example().parameters());
    parameters.put("translator.out.0.0", Values.zeros(2, 2));
    parameters.put("translator.out.bias.0.0", Values.zeros(2));
    String name = name(weight, "");
    double[] numbers = parameters.get(name).doubles();
    double[] gradient = precise(squares, parameters).parameterGradients().get(name).doubles();
    for (int i = 0; i < numbers.length; i++) {
      Values whole = parameters.get(name);
      parameters.put(name, whole.with(i, numbers[i] + 1e-4));
      double above = precise(squares, parameters).value();
      parameters.put(name, whole.with(i, numbers[i] - 1e-4));
      double below = precise(squares, parameters).value();
      parameters.put(name, whole);
      assertThat(gradient[i]).isCloseTo((above - below) / 2e-4, within(1e-6));
    }
  }

  private static Outcome precise(DistillationLoss loss, Map<String, Values> parameters) {
    return example().withParameters(parameters).evaluate(loss, null, 1, DataType.FLOAT64);
  }

  @Test
  void equalFactors_leaveTheReconstruction() {
    LossCase given = example().withStudent(List.of(Values.drawn(2, 2, 4, 4)));
    Map<String, Values> parameters = new LinkedHashMap<>(given.parameters());
    for (String bias : List.of("", ".bias", ".out", ".out.bias")) {
      parameters.put("translator" + bias + ".0.0", parameters.get("encoder" + bias + ".0.0"));
    }
    Outcome same = given.withParameters(parameters).evaluate(LOSS);
    assertThat(same.gradients().get(0).largest()).isLessThan(1e-5f);
    assertThat(same.value()).isLessThan(example().value(LOSS));

    // without a decoder, what is lost is the teacher's features
    parameters.put("decoder.out.0.0", Values.zeros(4, 4));
    parameters.put("decoder.out.bias.0.0", Values.zeros(4));
    double squares = 0;
    for (double number : given.teacher().get(0).doubles()) {
      squares += number * number / 16;
    }
    assertThat(given.withParameters(parameters).value(LOSS)).isCloseTo(squares, within(1e-5));
  }

  private static String name(String network, String bias) {
    return network + bias + ".0.0";
  }

  @Test
  void prepare_declaresFactorsOfTheRate() {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(3), List.of(8), LayerMapping.uniform());
    LOSS.prepare(setup);
    assertThat(setup.declared())
        .containsEntry("translator.0.0", "(4, 3)")
        .containsEntry("translator.out.0.0", "(4, 4)")
        .containsEntry("encoder.0.0", "(4, 8)")
        .containsEntry("encoder.out.0.0", "(4, 4)")
        .containsEntry("decoder.0.0", "(8, 4)")
        .containsEntry("decoder.out.0.0", "(8, 8)")
        .hasSize(12);
    RecordingSetup one =
        RecordingSetup.ofHiddenStates(List.of(3), List.of(1), LayerMapping.uniform());
    Losses.factorTransfer(0.25, 1).prepare(one);
    assertThat(one.declared()).containsEntry("translator.0.0", "(1, 3)");
  }

  @ParameterizedTest(name = "rate={0}")
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void rate_outOfRange_isRefused(double rate) {
    assertThatThrownBy(() -> Losses.factorTransfer(rate, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("rate must be finite and greater than 0 but was " + rate);
  }

  @ParameterizedTest(name = "norm={0}")
  @ValueSource(ints = {0, 3})
  void norm_outOfRange_isRefused(int norm) {
    assertThatThrownBy(() -> Losses.factorTransfer(0.5, norm))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("norm must be 1 or 2 but was " + norm);
  }
}
