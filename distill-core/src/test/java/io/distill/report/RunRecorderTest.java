package io.distill.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.schedule.Progress;
import io.distill.training.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunRecorderTest {

  private static RunRecord record(int steps) {
    RunRecorder recorder = new RunRecorder();
    for (int step = 0; step < steps; step++) {
      recorder.onStep(
          new TrainingListener.Step(
              new Progress(0, step, steps, 1),
              step,
              Map.of("distance", 2.0 * step),
              Map.of("distance", (double) step / (steps - 1)),
              0.5,
              step % 2 == 0 ? 4 : Double.NaN,
              1,
              Map.of(),
              8));
    }
    return recorder.record();
  }

  @Test
  void shortRun_hasAPointForEachStep() {
    RunRecord record = record(3);

    assertThat(record.points()).hasSize(3);
    RunRecord.Point second = record.points().get(1);
    assertThat(second.firstStep()).isEqualTo(2);
    assertThat(second.lastStep()).isEqualTo(2);
    assertThat(second.loss()).isEqualTo(1);
    assertThat(second.terms()).containsExactly(Map.entry("distance", 2.0));
    assertThat(second.weights()).containsExactly(Map.entry("distance", 0.5));
    assertThat(second.temperature()).isEmpty();
    assertThat(record.points().get(2).temperature()).hasValue(4);
  }

  @Test
  void longRun_staysBounded_andLosesNoStep() {
    int steps = 2 * RunRecorder.MAX_POINTS + 3;

    List<RunRecord.Point> points = record(steps).points();

    assertThat(points).hasSizeBetween(RunRecorder.MAX_POINTS / 2, RunRecorder.MAX_POINTS);
    long next = 1;
    double sum = 0;
    for (RunRecord.Point point : points) {
      assertThat(point.firstStep()).isEqualTo(next);
      sum += point.loss() * (point.lastStep() - point.firstStep() + 1);
      next = point.lastStep() + 1;
    }
    assertThat(next).isEqualTo(steps + 1);
    assertThat(sum).isCloseTo(steps * (steps - 1) / 2.0, within(1e-3));
    assertThat(points.get(0).temperature()).hasValue(4);
  }

  @Test
  void energy_isThatOfThePackages_alsoWhenACounterWraps(@TempDir Path powercap) throws IOException {
    Path first = zone(powercap, "intel-rapl:0", 900);
    Path part = zone(powercap, "intel-rapl:0:0", 100);
    EnergyMeter meter = EnergyMeter.of(powercap);

    meter.start();
    Files.writeString(first.resolve("energy_uj"), "300\n");
    Files.writeString(part.resolve("energy_uj"), "500\n");
    meter.stop();

    // 900 -> 1000 -> 300 µJ
    assertThat(meter.joules().getAsDouble()).isCloseTo(400e-6, within(1e-12));
  }

  private static Path zone(Path powercap, String name, long energy) throws IOException {
    Path zone = Files.createDirectory(powercap.resolve(name));
    Files.writeString(zone.resolve("energy_uj"), energy + "\n");
    Files.writeString(zone.resolve("max_energy_range_uj"), "1000\n");
    return zone;
  }

  @Test
  void energy_withoutCounters_isNotMeasured(@TempDir Path powercap) throws IOException {
    EnergyMeter nothing = EnergyMeter.of(powercap.resolve("missing"));
    nothing.start();
    nothing.stop();
    assertThat(nothing.joules()).isEmpty();

    Path zone = zone(powercap, "amd-rapl:0", 1);
    EnergyMeter broken = EnergyMeter.of(powercap);
    assertThat(broken.joules()).isEmpty();
    broken.start();
    Files.writeString(zone.resolve("energy_uj"), "?");
    broken.stop();
    assertThat(broken.joules()).isEmpty();
  }
}
