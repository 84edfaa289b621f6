package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import io.distill.signal.SignalKind;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract twice: equal widths, and a projector between widths. */
class InfoNceTest {

  private static final DistillationLoss LOSS = Losses.infoNce();

  abstract static class Contract extends DistillationLossContract {

    /** At 0.07 the third derivative is too large for finite differences; goldens hold that. */
    @Override
    DistillationLoss loss() {
      return Losses.infoNce(0.5);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply(
          "a cross-entropy over the batch, which is 0 only for infinite scores; see"
              + " distinctRows_areFound");
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
    Line<LossCase> duplicated() {
      return Line.doesNotApply(
          "a second copy of a row is a negative of the first; see duplicates_addLogarithmOfTwo");
    }

    @Override
    Line<LossCase> accumulated() {
      return Line.doesNotApply(
          "the other rows of a batch are the negatives, and a part of a batch has fewer; see"
              + " accumulatedBatches_haveTheirOwnNegatives");
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
  class EqualWidths extends Contract {

    @Override
    LossCase example() {
      return drawn(1, 5, 4);
    }
  }

  @Nested
  class WithProjector extends Contract {

    @Override
    LossCase example() {
      return LossCase.of(SignalKind.EMBEDDING, Values.drawn(1, 1, 5, 2), Values.drawn(2, 1, 5, 4))
          .withParameters(Map.of("projector", Values.drawn(3, 1, 4, 2)));
    }
  }

  private static LossCase drawn(long seed, int rows, int width) {
    return LossCase.of(
        SignalKind.EMBEDDING,
        Values.drawn(seed, 1, rows, width),
        Values.drawn(seed + 100, 1, rows, width));
  }

  private static LossCase directions(int rows) {
    Values own = Values.zeros(rows, rows).oneHot(1, 0);
    return LossCase.of(SignalKind.EMBEDDING, own, own);
  }

  @ParameterizedTest(name = "temperature={0}")
  @ValueSource(doubles = {0.07, 0.5, 1})
  void distinctRows_areFound(double temperature) {
    double expected = Math.log1p(7 * Math.exp(-1 / temperature));
    assertThat(directions(8).value(Losses.infoNce(temperature)))
        .isCloseTo(expected, within(1e-6 + 1e-5 * expected));
    // every row finds its neighbour instead
    int[] turned = {1, 2, 3, 4, 5, 6, 7, 0};
    assertThat(directions(8).mapTeacher(v -> v.rows(turned)).value(Losses.infoNce(temperature)))
        .isCloseTo(expected + 1 / temperature, within(1e-4));
  }

  @Test
  void studentThatTellsNothing_isLogarithmOfRows() {
    LossCase given = drawn(1, 6, 4).mapStudent(values -> Values.zeros(6, 4));
    Outcome outcome = given.evaluate(LOSS);
    assertThat(outcome.value()).isCloseTo(Math.log(6), within(1e-6));
    assertThat(outcome.gradients().get(0).largest()).isFinite();
  }

  @Test
  void oneRow_isZero() {
    assertThat(drawn(1, 1, 4).value(LOSS)).isZero();
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void duplicates_addLogarithmOfTwo(long seed) {
    LossCase given = drawn(seed, 4, 3);
    assertThat(given.rows(0, 1, 2, 3, 0, 1, 2, 3).value(LOSS))
        .isCloseTo(given.value(LOSS) + Math.log(2), within(1e-5));
  }

  @Test
  void accumulatedBatches_haveTheirOwnNegatives() {
    LossCase given = drawn(1, 5, 4);
    LossCase head = given.rows(0, 1, 2);
    LossCase tail = given.rows(3, 4);
    double parts =
        head.evaluate(LOSS, given.counts(), 0.6f).value()
            + tail.evaluate(LOSS, given.counts(), 0.4f).value();
    assertThat(parts).isCloseTo(0.6 * head.value(LOSS) + 0.4 * tail.value(LOSS), within(1e-6));
    assertThat(parts).isLessThan(given.value(LOSS));
  }

  @Test
  void direction_isFromStudentToTeacher() {
    // the first student is as near to either teacher, the first teacher nearer to the first student
    LossCase given =
        LossCase.of(
            SignalKind.EMBEDDING,
            new Values(new float[] {1, 1, 0, 1}, 2, 2),
            new Values(new float[] {1, 0, 0, 1}, 2, 2));
    double second = Math.log1p(Math.exp(-1));
    assertThat(given.value(Losses.infoNce(1))).isCloseTo((Math.log(2) + second) / 2, within(1e-6));
  }

  @Test
  void lengthsAndTheRunsTemperature_doNotMatter() {
    LossCase given = drawn(1, 5, 4);
    double[] factors = {1e-3, 2, 300, 1, 7};
    double value = given.value(LOSS);
    assertThat(
            given
                .mapStudent(v -> LogitCases.affine(v, factors, new double[5]))
                .mapTeacher(v -> LogitCases.affine(v, factors, new double[5]))
                .value(LOSS))
        .isCloseTo(value, within(1e-4));
    assertThat(given.atTemperature(9).value(LOSS)).isEqualTo(value);
  }

  @ParameterizedTest(name = "temperature={0}")
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void temperature_outOfRange_isRefused(double temperature) {
    assertThatThrownBy(() -> Losses.infoNce(temperature))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("temperature must be finite and greater than 0 but was " + temperature);
  }

  @Test
  void requirements_areEmbeddingsOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.EMBEDDING));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.EMBEDDING));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("infoNce");
    assertThat(LOSS).isEqualTo(Losses.infoNce(0.07));
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
