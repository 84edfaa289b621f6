package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.loss.DistillationLoss;
import io.distill.loss.LossTerm;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LossesTest {

  @Test
  void softTargetsAndHardLabels_shareOne() {
    DistillationLoss loss = Losses.softTargetsAndHardLabels(0.75);
    Progress progress = new Progress(0, 0, 1, 0);
    assertThat(loss.terms())
        .extracting(LossTerm::name)
        .containsExactly("softTargets", "hardLabels");
    assertThat(loss.terms())
        .extracting(term -> term.weightAt(progress))
        .containsExactly(0.75, 0.25);
    assertThat(loss.requiresLabels()).isTrue();
  }

  @ParameterizedTest(name = "alpha={0}")
  @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
  void softTargetsAndHardLabels_outOfRange_isRefused(double alpha) {
    assertThatThrownBy(() -> Losses.softTargetsAndHardLabels(alpha))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("alpha must be between 0 and 1 but was " + alpha);
  }

  @Test
  void atTemperature_ofASum_keepsItsTerms() {
    DistillationLoss loss =
        Losses.softTargets().weighted(0.5).plus(Losses.hardLabels()).atTemperature(progress -> 4);
    LossCase given =
        LossCase.of(SignalKind.LOGITS, Values.drawn(1, 2, 3, 4), Values.drawn(2, 2, 3, 4))
            .withLabels(0, 1, 2);

    assertThat(loss.terms())
        .extracting(LossTerm::name)
        .containsExactly("softTargets", "hardLabels");
    assertThat(given.value(loss.terms().get(0).loss()))
        .isEqualTo(given.atTemperature(4).value(Losses.softTargets()));
    assertThat(given.value(loss))
        .isEqualTo(
            given
                .atTemperature(4)
                .value(Losses.softTargets().weighted(0.5).plus(Losses.hardLabels())));
  }
}
