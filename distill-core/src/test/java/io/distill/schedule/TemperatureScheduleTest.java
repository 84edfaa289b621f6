package io.distill.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TemperatureScheduleTest {

  private static Progress at(long step) {
    return new Progress(0, step, 11, 0);
  }

  @Test
  void constant_isTheSameThroughout() {
    TemperatureSchedule schedule = TemperatureSchedule.constant(4);
    assertThat(schedule.at(at(0))).isEqualTo(4);
    assertThat(schedule.at(at(10))).isEqualTo(4);
  }

  @Test
  void linear_meetsBothEndsAndTheMiddle() {
    TemperatureSchedule schedule = TemperatureSchedule.linear(6, 1);
    assertThat(schedule.at(at(0))).isEqualTo(6);
    assertThat(schedule.at(at(5))).isEqualTo(3.5);
    assertThat(schedule.at(at(10))).isEqualTo(1);
  }

  @Test
  void cosine_meetsBothEndsAndTheMiddle() {
    TemperatureSchedule schedule = TemperatureSchedule.cosine(6, 1);
    assertThat(schedule.at(at(0))).isEqualTo(6);
    assertThat(schedule.at(at(5))).isCloseTo(3.5, within(1e-12));
    assertThat(schedule.at(at(10))).isEqualTo(1);
    // slow at the start: above the straight line
    assertThat(schedule.at(at(1))).isGreaterThan(TemperatureSchedule.linear(6, 1).at(at(1)));
  }

  @Test
  void runOfOneStep_isAtTheFirstTemperature() {
    Progress only = new Progress(0, 0, 1, 0);
    assertThat(TemperatureSchedule.linear(6, 1).at(only)).isEqualTo(6);
    assertThat(TemperatureSchedule.cosine(6, 1).at(only)).isEqualTo(6);
  }

  @Test
  void lambda_isASchedule() {
    TemperatureSchedule schedule = progress -> 1 + progress.step();
    assertThat(schedule.at(at(3))).isEqualTo(4);
  }

  @ParameterizedTest(name = "temperature={0}")
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void temperatureOutOfRange_isRefusedByName(double value) {
    String rule = " must be finite and greater than 0 but was " + value;
    assertThatThrownBy(() -> TemperatureSchedule.constant(value))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("temperature" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.linear(value, 1)).hasMessage("first" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.linear(1, value)).hasMessage("last" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.cosine(value, 1)).hasMessage("first" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.cosine(1, value)).hasMessage("last" + rule);
  }
}
