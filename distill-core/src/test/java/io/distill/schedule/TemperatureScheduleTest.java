package io.distill.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
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
  void exponential_keepsTheRatioOfNeighbours() {
    TemperatureSchedule schedule = TemperatureSchedule.exponential(7.3, 0.9);
    assertThat(schedule.at(at(0))).isEqualTo(7.3);
    assertThat(schedule.at(at(10))).isEqualTo(0.9);
    assertThat(schedule.at(at(5))).isCloseTo(Math.sqrt(7.3 * 0.9), within(1e-12));
    for (int step = 1; step <= 10; step++) {
      assertThat(schedule.at(at(step)) / schedule.at(at(step - 1)))
          .isCloseTo(Math.pow(0.9 / 7.3, 0.1), within(1e-12));
    }
  }

  @Test
  void step_isAStaircaseOfEpochs() {
    TemperatureSchedule schedule = TemperatureSchedule.step(8, 2, 0.5);
    assertThat(
            IntStream.range(0, 6).mapToDouble(epoch -> schedule.at(new Progress(epoch, 0, 6, 0))))
        .containsExactly(8., 8., 4., 4., 2., 2.);
  }

  @Test
  void cyclic_risesAndFallsInEachCycle() {
    TemperatureSchedule schedule = TemperatureSchedule.cyclic(1, 5, 2);
    assertThat(LongStream.range(0, 9).mapToDouble(step -> schedule.at(new Progress(0, step, 9, 0))))
        .containsExactly(1., 3., 5., 3., 1., 3., 5., 3., 1.);
    TemperatureSchedule upsideDown = TemperatureSchedule.cyclic(5, 1, 1);
    assertThat(upsideDown.at(at(0))).isEqualTo(5);
    assertThat(upsideDown.at(at(5))).isEqualTo(1);
    assertThat(upsideDown.at(at(10))).isEqualTo(5);
  }

  @Test
  void table_isHeldThroughoutEachEpoch() {
    double[] values = {4, 2, 3};
    TemperatureSchedule schedule = TemperatureSchedule.table(values);
    values[0] = 99;
    assertThat(
            IntStream.range(0, 5).mapToDouble(epoch -> schedule.at(new Progress(epoch, 3, 6, 0))))
        .containsExactly(4., 2., 3., 3., 3.);
  }

  @Test
  void interpolated_drawsLinesAndHoldsTheEnds() {
    Map<Double, Double> points = new HashMap<>(Map.of(0.8, 2.0, 0.2, 6.0, 0.5, 3.0));
    TemperatureSchedule schedule = TemperatureSchedule.interpolated(points);
    points.clear();
    assertThat(LongStream.range(0, 11).mapToDouble(step -> schedule.at(at(step))).toArray())
        .containsExactly(
            new double[] {6, 6, 6, 5, 4, 3, 3 - 1 / 3., 3 - 2 / 3., 2, 2, 2}, within(1e-12));
    assertThat(TemperatureSchedule.interpolated(Map.of(0.3, 7.0)).at(at(9))).isEqualTo(7);
  }

  static Stream<TemperatureSchedule> all() {
    return Stream.of(
        TemperatureSchedule.constant(4),
        TemperatureSchedule.linear(6, 1),
        TemperatureSchedule.cosine(6, 1),
        TemperatureSchedule.exponential(6, 1),
        TemperatureSchedule.step(6, 2, 0.7),
        TemperatureSchedule.cyclic(1, 6, 3),
        TemperatureSchedule.table(3, 2, 1),
        TemperatureSchedule.interpolated(Map.of(0.1, 2.0, 0.9, 5.0)));
  }

  /** A run that is resumed asks from the middle: what was asked before must not matter. */
  @ParameterizedTest(name = "{index}")
  @MethodSource("all")
  void schedules_areFunctionsOfProgressAlone(TemperatureSchedule schedule) {
    List<Progress> run =
        LongStream.range(0, 23)
            .mapToObj(step -> new Progress((int) (step / 4), step, 23, 5))
            .collect(Collectors.toCollection(ArrayList::new));
    Map<Progress, Double> inOrder = new HashMap<>();
    run.forEach(progress -> inOrder.put(progress, schedule.at(progress)));
    Collections.shuffle(run, new Random(1));
    assertThat(run).allSatisfy(p -> assertThat(schedule.at(p)).isEqualTo(inOrder.get(p)));
    assertThat(inOrder.values()).allSatisfy(value -> assertThat(value).isBetween(0.9, 6.0));
  }

  @Test
  void countsAndTables_outOfRange_areRefused() {
    assertThatThrownBy(() -> TemperatureSchedule.step(1, 0, 0.5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("epochs must be at least 1 but was 0");
    assertThatThrownBy(() -> TemperatureSchedule.cyclic(1, 2, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("cycles must be at least 1 but was 0");
    assertThatThrownBy(TemperatureSchedule::table)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("perEpoch must not be empty");
    assertThatThrownBy(() -> TemperatureSchedule.interpolated(Map.of()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("byFraction must not be empty");
    assertThatThrownBy(() -> TemperatureSchedule.interpolated(Map.of(1.5, 2.0)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("fractions of byFraction must be between 0 and 1 but one was 1.5");
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
    assertThatThrownBy(() -> TemperatureSchedule.exponential(value, 1)).hasMessage("first" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.exponential(1, value)).hasMessage("last" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.step(value, 1, 1)).hasMessage("first" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.step(1, 1, value)).hasMessage("factor" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.cyclic(value, 1, 1)).hasMessage("low" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.cyclic(1, value, 1)).hasMessage("high" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.table(1, value)).hasMessage("perEpoch[1]" + rule);
    assertThatThrownBy(() -> TemperatureSchedule.interpolated(Map.of(0.5, value)))
        .hasMessage("byFraction at 0.5" + rule);
  }
}
