package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PatientKdTest {

  private static final DistillationLoss LOSS = Losses.patientKd();

  @Nested
  class Vectors extends FeatureContract {
    Vectors() {
      super(LOSS, Kind.VECTORS, 3, 3, 1);
    }
  }

  @Nested
  class Tokens extends FeatureContract {
    Tokens() {
      super(LOSS, Kind.TOKENS, 2, 2, 2);
    }
  }

  @Nested
  class TokensThroughMatrix extends FeatureContract {
    TokensThroughMatrix() {
      super(LOSS, Kind.TOKENS, 2, 3, 1);
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(ints = {1, 2, 3})
  void vectors_countTwiceOneMinusCosine(int seed) {
    LossCase given =
        LossCase.layers(
            List.of(Values.drawn(seed, 2, 4, 6)), List.of(Values.drawn(seed + 9, 2, 4, 6)), null);
    assertThat(given.value(LOSS))
        .isCloseTo(2 * given.value(Losses.hiddenStateCosine()), within(1e-5));
  }

  @Test
  void onlyTheFirstRealToken_counts() {
    LossCase given =
        LossCase.layers(
            List.of(Values.drawn(1, 2, 2, 3, 2)), List.of(Values.drawn(2, 2, 2, 3, 2)), null);
    // padding on the left of the second row
    LossCase masked = given.withMask(new Values(new float[] {1, 1, 0, 0, 1, 1}, 2, 3));
    double[] student = given.student().get(0).doubles();
    double[] teacher = given.teacher().get(0).doubles();
    LossCase first =
        LossCase.layers(
            List.of(
                new Values(new double[] {student[0], student[1], student[8], student[9]}, 2, 2)),
            List.of(
                new Values(new double[] {teacher[0], teacher[1], teacher[8], teacher[9]}, 2, 2)),
            null);
    assertThat(masked.value(LOSS)).isCloseTo(first.value(LOSS), within(1e-6));
    double[] gradient = masked.evaluate(LOSS).gradients().get(0).doubles();
    assertThat(new double[] {gradient[2], gradient[3], gradient[4], gradient[5]}).containsOnly(0);
    assertThat(new double[] {gradient[6], gradient[7], gradient[10], gradient[11]}).containsOnly(0);
    assertThat(gradient[8]).isNotZero();
  }

  @Test
  void rowOfPadding_countsZero() {
    LossCase given =
        LossCase.layers(
            List.of(Values.drawn(1, 2, 2, 3, 2)), List.of(Values.drawn(2, 2, 2, 3, 2)), null);
    LossCase half = given.withMask(new Values(new float[] {1, 1, 1, 0, 0, 0}, 2, 3));
    LossCase first = given.rows(0).withMask(new Values(new float[] {1, 1, 1}, 1, 3));
    assertThat(half.value(LOSS)).isCloseTo(first.value(LOSS) / 2, within(1e-6));
  }

  @Test
  void maps_areRefused() {
    LossCase maps =
        LossCase.layers(
            List.of(Values.drawn(1, 2, 2, 3, 2, 2)), List.of(Values.drawn(2, 2, 2, 3, 2, 2)), null);
    assertThatThrownBy(() -> maps.evaluate(LOSS))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "student's hidden states must have shape (rows, width) or (rows, tokens, width) for"
                + " patientKd but had (2, 3, 2, 2); a map has no first token, use hint or"
                + " hiddenStateMse");
  }
}
