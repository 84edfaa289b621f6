package io.distill.exception;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;

class DistillationExceptionTest {

  @Test
  void exception_keepsMessageAndCause() {
    IOException cause = new IOException("disk");
    assertThat(new DistillationException("what must be", cause))
        .isInstanceOf(RuntimeException.class)
        .hasMessage("what must be")
        .hasCause(cause);
    assertThat(new DistillationException("what must be")).hasNoCause();
  }

  @Test
  void nonFiniteLoss_namesTermEpochAndStep() {
    NonFiniteLossException exception =
        new NonFiniteLossException("softTargets", Double.NaN, 3, 120);
    assertThat(exception)
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "loss term 'softTargets' must be finite but was NaN at epoch 3, step 120; the weights"
                + " of the step before are kept; lower the learning rate, clip gradients"
                + " (gradientClipping), or look for NaN in the data and in the teacher's outputs");
    assertThat(exception.term()).isEqualTo("softTargets");
    assertThat(exception.epoch()).isEqualTo(3);
    assertThat(exception.step()).isEqualTo(120);
  }
}
