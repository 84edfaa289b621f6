package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.DataType;
import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract twice: few tokens of many channels, and many pixels of few channels. */
class NeuronSelectivityTest {

  private static final DistillationLoss LOSS = Losses.neuronSelectivity();

  private static final Values MASK =
      new Values(new float[] {1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1}, 5, 3);

  @Nested
  class OverTokens extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.layers(
          List.of(Values.drawn(1, 1, 5, 3, 4), Values.drawn(2, 1, 5, 3, 4)),
          List.of(
              Values.drawn(3, 1, 5, 3, 5),
              Values.drawn(4, 1, 5, 3, 5),
              Values.drawn(5, 1, 5, 3, 5)),
          MASK);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()).withMask(null));
    }

    @Override
    Line<Sliced> sliced() {
      LossCase whole = example().rows(0, 3);
      LossCase cut =
          whole
              .mapStudent(values -> Axes.first(values, 1, 2))
              .mapTeacher(values -> Axes.first(values, 1, 2))
              .withMask(new Values(new float[] {1, 1, 1, 1}, 2, 2));
      return Line.holds(new Sliced(whole, cut));
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(example().withMask(Values.zeros(5, 3)));
    }

    @Override
    Map<String, LossCase> misfits() {
      LossCase example = example();
      return Map.of(
          "student and teacher hidden states must have the same rows and tokens for"
              + " neuronSelectivity but were (5, 3, 4) (student, layer 0) and (5, 4, 4) (teacher,"
              + " layer 0); give both models the same tokenizer",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 4, 4)),
          "student and teacher hidden states must both have shape (rows, tokens, width) or both"
              + " (rows, channels, height, width) for neuronSelectivity but were (5, 2) (student,"
              + " layer 0) and (5, 2) (teacher, layer 0); map layers that have tokens or pixels,"
              + " or use hiddenStateMse()",
          example
              .mapStudent(values -> Values.drawn(8, 1, 5, 2))
              .mapTeacher(values -> Values.drawn(9, 1, 5, 2)));
    }
  }

  @Nested
  class OverPixels extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.layers(
          List.of(Values.drawn(1, 1, 5, 2, 2, 3)), List.of(Values.drawn(2, 1, 5, 3, 2, 3)), null);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("every pixel counts");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.doesNotApply("every pixel counts");
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "student and teacher hidden states must both have shape (rows, tokens, width) or both"
              + " (rows, channels, height, width) for neuronSelectivity but were (5, 2, 2, 3)"
              + " (student, layer 0) and (5, 2, 3) (teacher, layer 0); map layers that have tokens"
              + " or pixels, or use hiddenStateMse()",
          example().mapTeacher(values -> Values.drawn(9, 1, 5, 2, 3)));
    }
  }

  /**
   * Channels doubled on both sides leave the means of kernels as they are, but make the other form
   * the cheaper one.
   */
  @ParameterizedTest(name = "positions={0} channels={1}")
  @CsvSource({"6, 2", "7, 3", "4, 2", "12, 3"})
  void computedOverPositionsOrChannels_isTheSame(int positions, int channels) {
    Values student = Values.drawn(1, 1, 3, positions, channels);
    Values teacher = Values.drawn(2, 1, 3, positions, channels + 1);
    LossCase few = LossCase.layers(List.of(student), List.of(teacher), ones(3, positions));
    LossCase many =
        few.mapStudent(values -> Axes.pick(values, 2, 8 * channels, i -> i % channels))
            .mapTeacher(values -> Axes.pick(values, 2, 8 * channels + 8, i -> i % (channels + 1)));
    assertThat(many.evaluate(LOSS, null, 1, DataType.FLOAT64).value())
        .isCloseTo(few.evaluate(LOSS, null, 1, DataType.FLOAT64).value(), within(1e-12));
  }

  private static Values ones(int rows, int tokens) {
    float[] ones = new float[rows * tokens];
    Arrays.fill(ones, 1);
    return new Values(ones, rows, tokens);
  }

  @ParameterizedTest(name = "factor={0}")
  @ValueSource(doubles = {-1, 1e-3, 3, 1e4})
  void factorsAndOrderOfChannels_doNotMatter(double factor) {
    LossCase given =
        LossCase.layers(
            List.of(Values.drawn(1, 1, 5, 3, 4)), List.of(Values.drawn(3, 1, 5, 3, 5)), MASK);
    double value = given.value(LOSS);
    assertThat(
            given
                .mapStudent(values -> Axes.times(Axes.pick(values, 2, 4, i -> 3 - i), factor))
                .value(LOSS))
        .isCloseTo(value, within(1e-6));
    assertThat(
            given
                .mapTeacher(values -> Axes.times(Axes.pick(values, 2, 5, i -> 4 - i), factor))
                .value(LOSS))
        .isCloseTo(value, within(1e-6));
  }

  /** One channel each, at right angles: k(s, s) + k(t, t) − 2 k(s, t) = 1 + 1 − 0. */
  @Test
  void patternsAtRightAngles_areTwoApart() {
    LossCase given =
        LossCase.layers(
            List.of(new Values(new float[] {3, 0}, 1, 2, 1)),
            List.of(new Values(new float[] {0, 5}, 1, 2, 1)),
            new Values(new float[] {1, 1}, 1, 2));
    assertThat(given.value(LOSS)).isCloseTo(2, within(1e-6));
  }

  @Test
  void requirements_areHiddenStatesOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("neuronSelectivity");
  }
}
