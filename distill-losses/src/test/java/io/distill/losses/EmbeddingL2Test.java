package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract twice: equal widths, and a projector between widths. */
class EmbeddingL2Test {

  private static final DistillationLoss LOSS = Losses.embeddingL2();

  private static LossCase drawn(long seed, int width) {
    return LossCase.of(
        SignalKind.EMBEDDING,
        Values.drawn(seed, 1, 5, width),
        Values.drawn(seed + 100, 1, 5, width));
  }

  private static Values times(Values values, double factor) {
    float[] scaled = values.numbers();
    for (int i = 0; i < scaled.length; i++) {
      scaled[i] = (float) (scaled[i] * factor);
    }
    return new Values(scaled, values.shape());
  }

  @Nested
  class EqualWidths extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return drawn(1, 4);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("an embedding stands for a row, and every row counts");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.doesNotApply("an embedding stands for a row, and every row counts");
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "student and teacher embeddings must have the same shape but were (5, 4) (student) and"
              + " (5, 6) (teacher); declare the projector in prepare(...)",
          example().mapTeacher(values -> Values.drawn(9, 1, 5, 6)),
          "student and teacher embeddings must have the same shape but were (5, 4) (student) and"
              + " (2, 4) (teacher); declare the projector in prepare(...)",
          example().mapTeacher(values -> Values.drawn(9, 1, 2, 4)));
    }
  }

  @Nested
  class WithProjector extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.of(SignalKind.EMBEDDING, Values.drawn(1, 1, 5, 2), Values.drawn(2, 1, 5, 3))
          .withParameters(Map.of("projector", Values.drawn(3, 1, 3, 2)));
    }

    @Override
    Line<LossCase> agreement() {
      LossCase example = example();
      float[] from = example.student().get(0).numbers();
      float[] wide = new float[15];
      for (int row = 0; row < 5; row++) {
        System.arraycopy(from, row * 2, wide, row * 3, 2);
      }
      return Line.holds(
          example
              .withTeacher(List.of(new Values(wide, 5, 3)))
              .withParameters(
                  Map.of("projector", new Values(new float[] {1, 0, 0, 1, 0, 0}, 3, 2))));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("an embedding stands for a row, and every row counts");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.doesNotApply("an embedding stands for a row, and every row counts");
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "student and teacher embeddings must have the same shape but were (5, 3) (student) and"
              + " (5, 4) (teacher); declare the projector in prepare(...)",
          example().mapTeacher(values -> Values.drawn(9, 1, 5, 4)));
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void unitVectors_haveTwiceTheCosineLoss(long seed) {
    LossCase given =
        drawn(seed, 8).mapStudent(EmbeddingL2Test::unit).mapTeacher(EmbeddingL2Test::unit);
    assertThat(given.value(LOSS))
        .isCloseTo(2 * given.value(Losses.embeddingCosine()), within(1e-5));
  }

  private static Values unit(Values values) {
    double[] numbers = values.doubles();
    int width = numbers.length / values.rows();
    for (int start = 0; start < numbers.length; start += width) {
      double squares = 0;
      for (int i = start; i < start + width; i++) {
        squares += numbers[i] * numbers[i];
      }
      for (int i = start; i < start + width; i++) {
        numbers[i] /= Math.sqrt(squares);
      }
    }
    return new Values(numbers, values.shape());
  }

  @Test
  void squares_areSummedOverTheWidthAndAveragedOverRows() {
    LossCase given =
        LossCase.of(
            SignalKind.EMBEDDING,
            new Values(new float[] {3, 4, 0, 1}, 2, 2),
            new Values(new float[] {0, 0, 0, 3}, 2, 2));
    assertThat(given.value(LOSS)).isCloseTo((25 + 4) / 2.0, within(1e-6));
  }

  @ParameterizedTest(name = "factor={0}")
  @ValueSource(doubles = {0.1, 3, 100})
  void length_matters(double factor) {
    LossCase given = drawn(1, 8);
    double scaled =
        given
            .mapStudent(values -> times(values, factor))
            .mapTeacher(values -> times(values, factor))
            .value(LOSS);
    assertThat(scaled / (factor * factor)).isCloseTo(given.value(LOSS), within(1e-5));
  }

  @Test
  void requirements_areEmbeddingsOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.EMBEDDING));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.EMBEDDING));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("embeddingL2");
  }

  @Test
  void prepare_declaresProjectorOnlyBetweenUnequalWidths() {
    RecordingSetup equal = RecordingSetup.ofEmbeddings(4, 4);
    LOSS.prepare(equal);
    assertThat(equal.declared()).isEmpty();

    RecordingSetup unequal = RecordingSetup.ofEmbeddings(4, 6);
    LOSS.prepare(unequal);
    assertThat(unequal.declared()).containsExactly(Map.entry("projector", "(6, 4)"));
  }
}
