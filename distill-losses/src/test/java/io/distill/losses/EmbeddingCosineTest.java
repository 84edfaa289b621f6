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
class EmbeddingCosineTest {

  private static final DistillationLoss LOSS = Losses.embeddingCosine();

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

  @ParameterizedTest(name = "factor={0}")
  @ValueSource(doubles = {1e-3, 0.1, 3, 1e6, 1e12})
  void length_doesNotMatter(double factor) {
    LossCase given = drawn(1, 8);
    double value = given.value(LOSS);
    assertThat(given.mapStudent(values -> times(values, factor)).value(LOSS))
        .isCloseTo(value, within(1e-6));
    assertThat(given.mapTeacher(values -> times(values, factor)).value(LOSS))
        .isCloseTo(value, within(1e-6));
  }

  @Test
  void oppositeDirection_isTwo() {
    LossCase given = drawn(1, 4);
    assertThat(given.withTeacher(List.of(times(given.student().get(0), -3))).value(LOSS))
        .isCloseTo(2, within(1e-6));
  }

  @Test
  void zeroEmbedding_isOne() {
    assertThat(drawn(1, 4).mapStudent(values -> Values.zeros(5, 4)).value(LOSS)).isEqualTo(1);
  }

  @Test
  void requirements_areEmbeddingsOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.EMBEDDING));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.EMBEDDING));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("embeddingCosine");
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
