package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import io.distill.signal.SignalKind;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UniversalLogitTest extends DistillationLossContract {

  private static final int TEACHER_LENGTH = 5;
  private static final int TEACHER_VOCABULARY = 8;

  /** Padding behind and before, a hole, fewer and more tokens than the student's rows have. */
  private static final Values TEACHER_MASK =
      Sequences.numbers(
          5, 5, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1);

  @Override
  DistillationLoss loss() {
    return Losses.universalLogit();
  }

  @Override
  LossCase example() {
    return LossCase.of(
            SignalKind.LOGITS,
            Values.drawn(1, 2, 5, 4, Sequences.VOCABULARY),
            Values.drawn(2, 2, 5, TEACHER_LENGTH, TEACHER_VOCABULARY))
        .withMask(Sequences.MASK)
        .withTeacherMask(TEACHER_MASK)
        .atTemperature(2);
  }

  @Override
  Line<LossCase> agreement() {
    LossCase example = example();
    return Line.holds(example.withTeacher(example.student()).withTeacherMask(Sequences.MASK));
  }

  @Override
  Line<Sliced> sliced() {
    LossCase masked =
        example()
            .withMask(
                Sequences.numbers(
                    5, 4, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0));
    LossCase sliced =
        masked
            .mapStudent(values -> Sequences.tokens(values, 0, 3))
            .withMask(Sequences.filled(1, 5, 3));
    return Line.holds(new Sliced(masked, sliced));
  }

  @Override
  Line<LossCase> nothing() {
    return Line.holds(example().withMask(Values.zeros(5, 4)));
  }

  @Override
  Map<String, LossCase> misfits() {
    LossCase example = example();
    return Map.of(
        "teacher must give a token mask to be compared across tokenizers but gave none; give a"
            + " SignalReader that sets it",
        example.withTeacherMask(null),
        "teacher logits and mask must have shapes (5, tokens, vocabulary) and (5, tokens) but were"
            + " (5, 5, 8) and (5, 4); give both models the same rows",
        example.withTeacherMask(Sequences.MASK),
        "teacher logits and mask must have shapes (5, tokens, vocabulary) and (5, tokens) but were"
            + " (5, 8) and (5, 5); give both models the same rows",
        example.mapTeacher(values -> Values.drawn(2, 1, 5, 8)),
        "student logits must have shape (rows, tokens, vocabulary) but had (5, 6); use a language"
            + " model, or a loss on rows",
        example.mapStudent(values -> Values.drawn(2, 1, 5, 6)),
        "labels or the student's token mask must say which tokens count but there is neither; give"
            + " token labels, or a model with a mask",
        example.withMask(null));
  }

  @Test
  void tokensOfATeacherWithoutAny_countNothing() {
    Outcome outcome = example().withTeacherMask(Values.zeros(5, 5)).evaluate(loss());
    assertThat(outcome.value()).isZero();
    assertThat(outcome.gradients().get(0).largest()).isZero();
  }

  @Test
  void handMadeExample() {
    // student predicts tokens 2 and 3, the teacher only its token 3: token 2 is padding
    double[] student = {
      Math.log(1), Math.log(3), Math.log(4), Math.log(1), Math.log(1), Math.log(1), 9, 9, 9
    };
    double[] teacher = {5, 0, Math.log(9), Math.log(1), 7, 7};
    LossCase given =
        LossCase.of(SignalKind.LOGITS, new Values(student, 1, 3, 3), new Values(teacher, 1, 3, 2))
            .withMask(Sequences.numbers(1, 3, 1, 1, 1))
            .withTeacherMask(Sequences.numbers(1, 3, 1, 0, 1));

    // sorted (4, 3, 1) / 8 against (9, 1, 0) / 10, over two tokens of the student
    double expected = ((0.9 - 0.5) + (0.375 - 0.1) + 0.125) / 2;

    assertThat(given.value(loss())).isCloseTo(expected, within(1e-6));
  }

  @Test
  void labels_decideForTheStudent() {
    LossCase given = example().withLabels(Sequences.LABELS);
    assertThat(given.withMask(null).value(loss())).isEqualTo(given.value(loss()));
    assertThat(given.value(loss())).isNotCloseTo(example().value(loss()), within(1e-3));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void orderOfTheVocabularies_doesNotMatter(long seed) {
    LossCase given = example().mapStudent(values -> Values.drawn(seed, 2, 5, 4, 6));
    double value = given.value(loss());
    assertThat(given.mapStudent(UniversalLogitTest::reversed).value(loss()))
        .isCloseTo(value, within(1e-6));
    assertThat(given.mapTeacher(UniversalLogitTest::reversed).value(loss()))
        .isCloseTo(value, within(1e-6));
  }

  /** Reverses the vocabulary. */
  private static Values reversed(Values values) {
    int width = Math.toIntExact(values.shape()[2]);
    double[] from = values.doubles();
    double[] turned = new double[from.length];
    for (int i = 0; i < turned.length; i++) {
      turned[i] = from[i / width * width + width - 1 - i % width];
    }
    return new Values(turned, values.shape());
  }

  @Test
  void paddedVocabulary_changesNothing() {
    LossCase given = example();
    LossCase padded =
        given
            .mapStudent(
                v -> Sequences.widened(v, Sequences.filled(Double.NEGATIVE_INFINITY, 5, 4, 3)))
            .mapTeacher(
                v -> Sequences.widened(v, Sequences.filled(Double.NEGATIVE_INFINITY, 5, 5, 2)));
    Outcome outcome = padded.evaluate(loss());
    assertThat(outcome.value()).isCloseTo(given.value(loss()), within(1e-6));
    assertThat(Arrays.stream(outcome.gradients().get(0).doubles()).allMatch(Double::isFinite))
        .isTrue();
  }

  @Test
  void vocabularies_mayDiffer() {
    assertThat(loss().requiresSameClasses()).isFalse();
    assertThat(loss().named("uld").requiresSameClasses()).isFalse();
    assertThat(loss().plus(Losses.sequenceLevel()).requiresSameClasses()).isFalse();
    assertThat(loss().plus(Losses.tokenLevelKl()).requiresSameClasses()).isTrue();
    assertThat(loss().name()).isEqualTo("universalLogit");
    assertThat(loss().requiresLabels()).isFalse();
  }
}
