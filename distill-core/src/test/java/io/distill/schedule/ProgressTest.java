package io.distill.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ProgressTest {

  @Test
  void fraction_goesFromZeroToOne() {
    assertThat(new Progress(0, 0, 5, 0).fraction()).isZero();
    assertThat(new Progress(0, 1, 5, 0).fraction()).isEqualTo(0.25);
    assertThat(new Progress(0, 4, 5, 0).fraction()).isEqualTo(1);
    assertThat(new Progress(0, 5, 5, 0).fraction()).isEqualTo(1);
    assertThat(new Progress(0, 0, 1, 0).fraction()).isZero();
  }

  @Test
  void countsOutOfRange_areRefused() {
    assertThatThrownBy(() -> new Progress(-1, 0, 1, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("epoch must be at least 0 but was -1");
    assertThatThrownBy(() -> new Progress(0, 0, 0, 0))
        .hasMessage("totalSteps must be at least 1 but was 0");
    assertThatThrownBy(() -> new Progress(0, 4, 3, 0))
        .hasMessage("step must be between 0 and totalSteps 3 but was 4");
    assertThatThrownBy(() -> new Progress(0, -1, 3, 0))
        .hasMessage("step must be between 0 and totalSteps 3 but was -1");
  }
}
