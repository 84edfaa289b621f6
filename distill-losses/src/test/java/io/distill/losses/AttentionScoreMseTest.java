package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The contract twice: with padding, and for a model that knows none. */
class AttentionScoreMseTest {

  private static final DistillationLoss LOSS = Losses.attentionScoreMse();

  private static LossCase scores(List<Values> student, List<Values> teacher) {
    return LossCase.layers(SignalKind.ATTENTION_SCORES, student, teacher, null);
  }

  @Nested
  class WithPadding extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return scores(
              List.of(Values.drawn(1, 1, 5, 2, 3, 3), Values.drawn(2, 1, 5, 2, 3, 3)),
              List.of(
                  Values.drawn(3, 1, 5, 2, 3, 3),
                  Values.drawn(4, 1, 5, 2, 3, 3),
                  Values.drawn(5, 1, 5, 2, 3, 3)))
          .withMask(new Values(new float[] {1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1}, 5, 3));
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      LossCase whole = example().rows(0, 3);
      LossCase cut =
          whole
              .mapStudent(values -> Axes.first(Axes.first(values, 2, 2), 3, 2))
              .mapTeacher(values -> Axes.first(Axes.first(values, 2, 2), 3, 2))
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
          "student and teacher must have the same number of attention heads but had 2 (student,"
              + " layer 0, attention scores (5, 2, 3, 3)) and 4 (teacher, layer 0, attention scores"
              + " (5, 4, 3, 3)); build the student with as many heads, or use miniLmV2()",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 4, 3, 3)),
          "student and teacher attention scores must have shape (rows, heads, tokens, ...) with the"
              + " same rows and tokens but were (5, 2, 3, 3) (student, layer 0) and (5, 2, 4, 4)"
              + " (teacher, layer 0); give both models the same tokenizer",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 2, 4, 4)),
          "student's token mask must have shape (5, 3) but had (5, 4); give one number a token",
          example.withMask(Values.zeros(5, 4)));
    }
  }

  @Nested
  class WithoutMask extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return scores(
          List.of(Values.drawn(1, 1, 5, 2, 3, 3)), List.of(Values.drawn(3, 1, 5, 2, 3, 3)));
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("without a mask every token counts");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.doesNotApply("without a mask every token counts");
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "student and teacher attention scores must have shape (rows, heads, tokens, ...) with the"
              + " same rows and tokens but were (5, 2, 3, 3) (student, layer 0) and (4, 2, 3, 3)"
              + " (teacher, layer 0); give both models the same tokenizer",
          example().mapTeacher(values -> Values.drawn(9, 1, 4, 2, 3, 3)));
    }
  }

  /** Models that mask early give -inf, or -1e4, where a key is padding. */
  @Test
  void scoresOfPadding_mayBeInfinite() {
    float none = Float.NEGATIVE_INFINITY;
    LossCase given =
        scores(
                List.of(new Values(new float[] {1, none, 5, none}, 1, 1, 2, 2)),
                List.of(new Values(new float[] {3, -1e4f, none, 0}, 1, 1, 2, 2)))
            .withMask(new Values(new float[] {1, 0}, 1, 2));
    Outcome outcome = given.evaluate(LOSS);
    assertThat(outcome.value()).isEqualTo(4);
    assertThat(outcome.gradients().get(0).numbers()).containsExactly(-4, 0, 0, 0);
  }

  /** Whatever says that a key is hidden, to one of both or to both: -1e9 here, -inf there. */
  @Test
  void scoresOfHiddenKeys_doNotCount() {
    float none = Float.NEGATIVE_INFINITY;
    LossCase given =
        scores(
                List.of(
                    new Values(new float[] {1, -1e9f, -1e9f, 2, 0, -1e9f, 4, 5, 6}, 1, 1, 3, 3)),
                List.of(
                    new Values(
                        new float[] {3, -1e9f, none, 2, 3, -65504, -1e9f, 5, 8}, 1, 1, 3, 3)))
            .withMask(new Values(new float[] {1, 1, 1}, 1, 3));
    Outcome outcome = given.evaluate(LOSS);
    // one key, two keys, and two of three
    assertThat(outcome.value()).isCloseTo((4 + 9 / 2. + 4 / 2.) / 3, within(1e-6));
    assertThat(outcome.gradients().get(0).numbers())
        .containsExactly(-4 / 3f, 0, 0, 0, -1, 0, 0, 0, -2 / 3f);
  }

  @Test
  void requirements_areAttentionScoresOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.ATTENTION_SCORES));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.ATTENTION_SCORES));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("attentionScoreMse");
  }
}
