package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class ProjectorTest {

  @Test
  void names_areThoseOfTheConstants() {
    assertThat(Projector.named("LINEAR")).isEqualTo(Projector.LINEAR);
    assertThat(Projector.named("LINEAR_RELU")).isEqualTo(Projector.LINEAR_RELU);
    assertThat(Projector.named("MLP")).isEqualTo(Projector.MLP);
    assertThat(Projector.named("CONVOLUTION_1X1")).isEqualTo(Projector.CONVOLUTION_1X1);
    assertThat(Projector.MLP).hasToString("MLP").hasSameHashCodeAs(Projector.named("MLP"));
  }

  @Test
  void unknownName_isRefusedWithTheKnownOnes() {
    assertThatThrownBy(() -> Projector.named("mlp"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("name must be one of [LINEAR, CONVOLUTION_1X1, LINEAR_RELU, MLP] but was mlp");
  }

  @Test
  void always_isAnotherProjector() {
    assertThat(Projector.MLP.always())
        .isNotEqualTo(Projector.MLP)
        .isEqualTo(Projector.MLP.always().always())
        .hasToString("MLP.always()");
  }

  @Test
  void missingProjector_isRefused() {
    assertThatThrownBy(() -> Losses.hint(null))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("projector");
  }
}
