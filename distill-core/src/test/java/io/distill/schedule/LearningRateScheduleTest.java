package io.distill.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LearningRateScheduleTest {

  private static Progress at(long step) {
    return new Progress(0, step, 11, 0);
  }

  @Test
  void constant_isOne() {
    assertThat(LearningRateSchedule.constant().factor(at(7))).isEqualTo(1);
  }

  @Test
  void linear_endsAtItsLastFactor() {
    LearningRateSchedule schedule = LearningRateSchedule.linear(0.2);
    assertThat(schedule.factor(at(0))).isEqualTo(1);
    assertThat(schedule.factor(at(5))).isCloseTo(0.6, within(1e-12));
    assertThat(schedule.factor(at(10))).isCloseTo(0.2, within(1e-12));
  }

  @Test
  void cosine_endsAtItsLastFactor() {
    LearningRateSchedule schedule = LearningRateSchedule.cosine(0.2);
    assertThat(schedule.factor(at(0))).isEqualTo(1);
    assertThat(schedule.factor(at(5))).isCloseTo(0.6, within(1e-12));
    assertThat(schedule.factor(at(10))).isEqualTo(0.2);
  }

  @Test
  void step_fallsEverySoManyEpochs() {
    LearningRateSchedule schedule = LearningRateSchedule.step(2, 0.5);
    assertThat(
            LongStream.range(0, 6)
                .mapToDouble(epoch -> schedule.factor(new Progress((int) epoch, epoch, 6, 0)))
                .toArray())
        .containsExactly(1, 1, 0.5, 0.5, 0.25, 0.25);
  }

  @Test
  void withWarmUp_risesThenRunsTheScheduleOverTheRest() {
    LearningRateSchedule schedule = LearningRateSchedule.linear(0).withWarmUp(4);
    assertThat(
            LongStream.range(0, 9)
                .mapToDouble(step -> schedule.factor(new Progress(0, step, 9, 0)))
                .toArray())
        .containsExactly(new double[] {0.2, 0.4, 0.6, 0.8, 1, 0.75, 0.5, 0.25, 0}, within(1e-12));
  }

  @Test
  void withWarmUp_ofNoSteps_changesNothing() {
    LearningRateSchedule schedule = LearningRateSchedule.cosine(0);
    assertThat(schedule.withWarmUp(0).factor(at(3))).isEqualTo(schedule.factor(at(3)));
  }

  @Test
  void withWarmUp_longerThanTheRun_neverReachesTheSchedule() {
    LearningRateSchedule schedule = LearningRateSchedule.constant().withWarmUp(99);
    assertThat(schedule.factor(at(10))).isCloseTo(0.11, within(1e-12));
  }

  @ParameterizedTest(name = "factor={0}")
  @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
  void factorOutOfRange_isRefusedByName(double value) {
    String rule = " must be between 0 and 1 but was " + value;
    assertThatThrownBy(() -> LearningRateSchedule.linear(value))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("last" + rule);
    assertThatThrownBy(() -> LearningRateSchedule.cosine(value)).hasMessage("last" + rule);
    assertThatThrownBy(() -> LearningRateSchedule.step(1, value)).hasMessage("factor" + rule);
  }

  @Test
  void countsOutOfRange_areRefused() {
    assertThatThrownBy(() -> LearningRateSchedule.step(0, 0.5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("epochs must be at least 1 but was 0");
    assertThatThrownBy(() -> LearningRateSchedule.constant().withWarmUp(-1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("steps must be at least 0 but was -1");
  }
}
