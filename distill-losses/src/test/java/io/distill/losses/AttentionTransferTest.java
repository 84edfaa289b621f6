package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.mapping.LayerMapping;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract three times: tokens, pixels, and pixel maps of different sizes. */
class AttentionTransferTest {

  private static final DistillationLoss LOSS = Losses.attentionTransfer();

  private static final Values MASK =
      new Values(new float[] {1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1}, 5, 3);

  @Nested
  class Tokens extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.layers(
          List.of(Values.drawn(1, 1, 5, 3, 2), Values.drawn(2, 1, 5, 3, 2)),
          List.of(
              Values.drawn(3, 1, 5, 3, 4),
              Values.drawn(4, 1, 5, 3, 4),
              Values.drawn(5, 1, 5, 3, 4)),
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
              + " attentionTransfer but were (5, 3, 2) (student, layer 0) and (5, 4, 2) (teacher,"
              + " layer 0); give both models the same tokenizer",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 4, 2)),
          "student and teacher hidden states must have the same rows and tokens for"
              + " attentionTransfer but were (5, 3, 2) (student, layer 0) and (4, 3, 2) (teacher,"
              + " layer 0); give both models the same tokenizer",
          example.mapTeacher(values -> Values.drawn(9, 1, 4, 3, 2)),
          "student and teacher hidden states must both have shape (rows, tokens, width) or both"
              + " (rows, channels, height, width) for attentionTransfer but were (5, 3, 2)"
              + " (student, layer 0) and (5, 3, 2, 2) (teacher, layer 0); map layers that have"
              + " tokens or pixels, or use hiddenStateMse()",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 3, 2, 2)),
          "student and teacher hidden states must both have shape (rows, tokens, width) or both"
              + " (rows, channels, height, width) for attentionTransfer but were (5, 2) (student,"
              + " layer 0) and (5, 2) (teacher, layer 0); map layers that have tokens or pixels,"
              + " or use hiddenStateMse()",
          example
              .mapStudent(values -> Values.drawn(8, 1, 5, 2))
              .mapTeacher(values -> Values.drawn(9, 1, 5, 2)),
          "student's token mask must have shape (5, 3) but had (5, 4); give one number a token",
          example.withMask(Values.zeros(5, 4)));
    }
  }

  @Nested
  class Pixels extends DistillationLossContract {

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
          "student and teacher hidden states must have the same rows and tokens for"
              + " attentionTransfer but were (5, 2, 2, 3) (student, layer 0) and (4, 2, 2, 3)"
              + " (teacher, layer 0); give both models the same tokenizer",
          example().mapTeacher(values -> Values.drawn(9, 1, 4, 2, 2, 3)));
    }
  }

  @Nested
  class PixelsOfDifferentSizes extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.layers(
          List.of(Values.drawn(1, 1, 5, 2, 4, 2)), List.of(Values.drawn(2, 1, 5, 3, 2, 3)), null);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply("maps of different sizes cannot be the same; see Pixels");
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
              + " (rows, channels, height, width) for attentionTransfer but were (5, 2, 4, 2)"
              + " (student, layer 0) and (5, 2, 4) (teacher, layer 0); map layers that have tokens"
              + " or pixels, or use hiddenStateMse()",
          example().mapTeacher(values -> Values.drawn(9, 1, 5, 2, 4)));
    }

    @Test
    void largerMap_isAveragedDown() {
      Values small = Values.drawn(3, 1, 2, 2, 1, 2);
      // each pixel twice: averaging gives the small map back
      Values large = Axes.pick(small, 2, 2, i -> 0);
      Values teacher = Values.drawn(4, 1, 2, 3, 1, 2);
      double expected = LossCase.layers(List.of(small), List.of(teacher), null).value(LOSS);
      assertThat(LossCase.layers(List.of(large), List.of(teacher), null).value(LOSS))
          .isCloseTo(expected, within(1e-6));
      assertThat(LossCase.layers(List.of(teacher), List.of(large), null).value(LOSS))
          .isCloseTo(expected, within(1e-6));
    }
  }

  @ParameterizedTest(name = "factor={0}")
  @ValueSource(doubles = {-1, 1e-3, 0.1, 3, 1e4})
  void factorsOnHiddenStates_doNotMatter(double factor) {
    LossCase given =
        LossCase.layers(
            List.of(Values.drawn(1, 1, 5, 3, 2)), List.of(Values.drawn(3, 1, 5, 3, 4)), MASK);
    double value = given.value(LOSS);
    assertThat(given.mapStudent(values -> Axes.times(values, factor)).value(LOSS))
        .isCloseTo(value, within(1e-6));
    assertThat(given.mapTeacher(values -> Axes.times(values, factor)).value(LOSS))
        .isCloseTo(value, within(1e-6));
  }

  /** Activity at one position only, another one in each model: unit vectors at right angles. */
  @Test
  void mapsThatShareNothing_areTwoApart() {
    LossCase given =
        LossCase.layers(
            List.of(new Values(new float[] {1, 2, 0, 0, 0, 0}, 1, 3, 2)),
            List.of(new Values(new float[] {0, 0, 0, 0, 5, 1}, 1, 3, 2)),
            new Values(new float[] {1, 1, 1}, 1, 3));
    assertThat(given.value(LOSS)).isCloseTo(2, within(1e-6));
  }

  @Test
  void paddingOfLargeNumbers_doesNotCount() {
    LossCase given =
        LossCase.layers(
            List.of(new Values(new float[] {1, 1, 7, 7}, 1, 2, 2)),
            List.of(new Values(new float[] {3, 3, 1e4f, 1e4f}, 1, 2, 2)),
            new Values(new float[] {1, 0}, 1, 2));
    assertThat(given.value(LOSS)).isZero();
  }

  @Test
  void requirements_areHiddenStatesOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("attentionTransfer");
  }

  @Test
  void prepare_declaresNothing() {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(2, 4), List.of(4, 4, 6), LayerMapping.uniform());
    LOSS.prepare(setup);
    assertThat(setup.declared()).isEmpty();
  }
}
