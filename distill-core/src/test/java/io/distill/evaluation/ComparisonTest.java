package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class ComparisonTest {

  @Test
  void gapClosed_isTheShareOfTheWay() {
    assertThat(Comparison.gapClosed(0.85, 0.7, 0.9).getAsDouble()).isCloseTo(0.75, within(1e-12));
    assertThat(Comparison.gapClosed(0.6, 0.7, 0.9).getAsDouble()).isCloseTo(-0.5, within(1e-12));
  }

  @Test
  void gapClosed_withoutAGap_isUndefined() {
    assertThat(Comparison.gapClosed(0.95, 0.9, 0.9)).isEmpty();
    assertThat(Comparison.gapClosed(0.95, 0.91, 0.9)).isEmpty();
    assertThat(Comparison.gapClosed(0.95, Double.NaN, 0.9)).isEmpty();
  }

  @Test
  void retention_isAShareOfTheTeacher() {
    assertThat(Comparison.retention(0.6, 0.8).getAsDouble()).isCloseTo(0.75, within(1e-12));
    assertThat(Comparison.retention(0.6, 0)).isEmpty();
  }

  @Test
  void specialisationIndex_isWhatTheTargetKeptMore() {
    assertThat(Comparison.specialisationIndex(0.98, 0.5, 0.7)).isCloseTo(0.38, within(1e-12));
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Comparison.specialisationIndex(1))
        .withMessage("others must have at least one value but were empty");
  }

  @Test
  void transferabilityIndex_isTheChangeElsewhereForEachPointWon() {
    assertThat(Comparison.transferabilityIndex(0.2, -0.1, -0.3).getAsDouble())
        .isCloseTo(-100, within(1e-9));
    assertThat(Comparison.transferabilityIndex(0.2, 0.04).getAsDouble())
        .isCloseTo(20, within(1e-9));
  }

  @Test
  void transferabilityIndex_ofAStudentThatWonNothing_isUndefined() {
    assertThat(Comparison.transferabilityIndex(0, -0.1)).isEmpty();
    assertThat(Comparison.transferabilityIndex(-0.1, 0.3)).isEmpty();
  }
}
