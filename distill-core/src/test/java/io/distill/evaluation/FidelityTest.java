package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class FidelityTest {

  private static final float NEVER = Float.NEGATIVE_INFINITY;

  private static float[] logits(double... probabilities) {
    float[] logits = new float[probabilities.length];
    for (int i = 0; i < logits.length; i++) {
      logits[i] = (float) Math.log(probabilities[i]);
    }
    return logits;
  }

  @Test
  void equalDistributions_areTheSame() {
    float[][] some = {{1, 2, 3}, {4, 0, NEVER}};
    float[][] shifted = {{11, 12, 13}, {0, -4, NEVER}};

    assertThat(Fidelity.of(some, shifted)).isEqualTo(new Fidelity(1, 0, 1));
  }

  @Test
  void kl_goesFromTeacherToStudent() {
    double expected = 0.75 * Math.log(0.75 / 0.5) + 0.25 * Math.log(0.25 / 0.5);

    assertThat(Fidelity.kl(logits(0.75, 0.25), logits(0.5, 0.5))).isCloseTo(expected, within(1e-7));
    assertThat(Fidelity.kl(logits(0.5, 0.5), logits(0.75, 0.25)))
        .isNotCloseTo(expected, within(1e-3));
  }

  @Test
  void distributionsWithNothingInCommon_haveNoSimilarity() {
    Fidelity fidelity = Fidelity.of(new float[][] {{0, NEVER}}, new float[][] {{NEVER, 0}});

    assertThat(fidelity.agreement()).isZero();
    assertThat(fidelity.kl()).isInfinite();
    assertThat(fidelity.similarity()).isZero();
  }

  @Test
  void similarity_isSymmetricAndInBits() {
    // JSD((1, 0), (1/2, 1/2)) = H(3/4, 1/4) - H(1/2, 1/2) / 2 = 0.8113 - 0.5 bits
    double expected = 1 - Math.sqrt(0.811278124459 - 0.5);

    assertThat(Fidelity.similarity(new float[] {0, NEVER}, new float[] {0, 0}))
        .isCloseTo(expected, within(1e-9));
    assertThat(Fidelity.similarity(new float[] {0, 0}, new float[] {0, NEVER}))
        .isCloseTo(expected, within(1e-9));
  }

  @Test
  void largeLogits_stayFinite() {
    assertThat(Fidelity.kl(new float[] {1e4f, -1e4f}, new float[] {-1e4f, 1e4f}))
        .isCloseTo(2e4, within(1e-6));
  }

  @Test
  void rowsAndClasses_mustFit() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Fidelity.of(new float[0][], new float[0][]))
        .withMessage("teacher must have at least one row but was empty");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Fidelity.of(new float[1][2], new float[2][2]))
        .withMessage("student must have as many rows as teacher, 1, but had 2");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Fidelity.of(new float[1][2], new float[1][3]))
        .withMessage("student must have as many classes as teacher, 2, but had 3");
  }
}
