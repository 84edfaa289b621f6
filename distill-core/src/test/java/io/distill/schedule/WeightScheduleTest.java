package io.distill.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WeightScheduleTest {

  private static Progress at(long step) {
    return new Progress((int) step / 4, step, 11, 0);
  }

  private static double[] steps(WeightSchedule schedule) {
    return LongStream.range(0, 11).mapToDouble(step -> schedule.at(at(step))).toArray();
  }

  @Test
  void curves_meetTheirEnds() {
    assertThat(WeightSchedule.constant(0.25).at(at(3))).isEqualTo(0.25);
    assertThat(WeightSchedule.linear(1, 0).at(at(0))).isEqualTo(1);
    assertThat(WeightSchedule.linear(1, 0).at(at(3))).isCloseTo(0.7, within(1e-12));
    assertThat(WeightSchedule.linear(1, 0).at(at(10))).isZero();
    assertThat(WeightSchedule.cosine(3, 1).at(at(0))).isEqualTo(3);
    assertThat(WeightSchedule.cosine(3, 1).at(at(5))).isCloseTo(2, within(1e-12));
    assertThat(WeightSchedule.cosine(3, 1).at(at(1))).isGreaterThan(2.9);
    assertThat(WeightSchedule.cosine(3, 1).at(at(10))).isEqualTo(1);
  }

  @Test
  void warmUp_risesByAStairAnEpoch() {
    assertThat(steps(WeightSchedule.warmUp(2)))
        .containsExactly(0.5, 0.5, 0.5, 0.5, 1, 1, 1, 1, 1, 1, 1);
    assertThat(steps(WeightSchedule.warmUp(1))).containsOnly(1);
    assertThat(
            IntStream.range(0, 21)
                .mapToDouble(epoch -> WeightSchedule.warmUp(20).at(new Progress(epoch, 0, 1, 0)))
                .toArray())
        .startsWith(0.05, 0.1)
        .endsWith(0.95, 1, 1);
  }

  @Test
  void warmUpSteps_risesInAStraightLine() {
    assertThat(steps(WeightSchedule.warmUpSteps(4)))
        .containsExactly(0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1, 1);
  }

  @Test
  void tables_areHeldOrInterpolated() {
    assertThat(steps(WeightSchedule.table(3, 0))).containsExactly(3, 3, 3, 3, 0, 0, 0, 0, 0, 0, 0);
    assertThat(steps(WeightSchedule.interpolated(Map.of(0.2, 0.0, 0.4, 4.0))))
        .containsExactly(new double[] {0, 0, 0, 2, 4, 4, 4, 4, 4, 4, 4}, within(1e-12));
  }

  @Test
  void times_multipliesAtEachPoint() {
    WeightSchedule schedule = WeightSchedule.warmUpSteps(4).times(progress -> 10 * progress.step());
    assertThat(steps(schedule)).startsWith(0, 5, 15, 30, 40);
  }

  @ParameterizedTest(name = "weight={0}")
  @ValueSource(doubles = {-0.1, Double.NaN, Double.POSITIVE_INFINITY})
  void weightOutOfRange_isRefusedByName(double value) {
    String rule = " must be finite and at least 0 but was " + value;
    assertThatThrownBy(() -> WeightSchedule.constant(value))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("weight" + rule);
    assertThatThrownBy(() -> WeightSchedule.linear(value, 1)).hasMessage("first" + rule);
    assertThatThrownBy(() -> WeightSchedule.linear(1, value)).hasMessage("last" + rule);
    assertThatThrownBy(() -> WeightSchedule.cosine(value, 1)).hasMessage("first" + rule);
    assertThatThrownBy(() -> WeightSchedule.cosine(1, value)).hasMessage("last" + rule);
    assertThatThrownBy(() -> WeightSchedule.table(value)).hasMessage("perEpoch[0]" + rule);
    assertThatThrownBy(() -> WeightSchedule.interpolated(Map.of(1.0, value)))
        .hasMessage("byFraction at 1.0" + rule);
  }

  @Test
  void countsOutOfRange_areRefused() {
    assertThatThrownBy(() -> WeightSchedule.warmUp(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("epochs must be at least 1 but was 0");
    assertThatThrownBy(() -> WeightSchedule.warmUpSteps(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("steps must be at least 1 but was 0");
    assertThatThrownBy(WeightSchedule::table).hasMessage("perEpoch must not be empty");
  }
}
