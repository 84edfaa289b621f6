package io.distill.report;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;

/**
 * Reads the energy counters of the processor packages (Intel's and AMD's RAPL, as Linux shows
 * them). Counters wrap around, so they have to be read often enough: every few minutes.
 */
final class EnergyMeter {

  private static final Path POWERCAP = Path.of("/sys/class/powercap");
  private static final double MICRO = 1e-6;
  private static final long READ_EVERY_NANOS = 1_000_000_000L;

  private final List<Counter> counters;
  private boolean broken;
  private boolean started;
  private long lastRead;

  private EnergyMeter(List<Counter> counters) {
    this.counters = counters;
  }

  /** The energy of one package, in µJ. */
  private static final class Counter {
    private final Path energy;
    private final long range;
    private long last;
    private long total;

    Counter(Path energy, long range) {
      this.energy = energy;
      this.range = range;
    }

    void start() throws IOException {
      last = number(energy);
      total = 0;
    }

    void read() throws IOException {
      long now = number(energy);
      total += now >= last ? now - last : now - last + range;
      last = now;
    }
  }

  static EnergyMeter ofThisMachine() {
    return of(POWERCAP);
  }

  static EnergyMeter of(Path powercap) {
    List<Counter> counters = new ArrayList<>();
    try (Stream<Path> zones = Files.list(powercap)) {
      for (Path zone : zones.sorted().toList()) {
        // packages only: "intel-rapl:0", not their parts "intel-rapl:0:0", which they include
        Path energy = zone.resolve("energy_uj");
        if (String.valueOf(zone.getFileName()).matches("[a-z]+-rapl:\\d+")
            && Files.isReadable(energy)
            && number(energy) >= 0) {
          counters.add(new Counter(energy, number(zone.resolve("max_energy_range_uj"))));
        }
      }
    } catch (IOException | UncheckedIOException | NumberFormatException e) {
      counters.clear();
    }
    return new EnergyMeter(counters);
  }

  private static long number(Path file) throws IOException {
    return Long.parseLong(Files.readString(file).strip());
  }

  void start() {
    started = true;
    try {
      for (Counter counter : counters) {
        counter.start();
      }
    } catch (IOException | NumberFormatException e) {
      broken = true;
    }
    lastRead = System.nanoTime();
  }

  /** Reads the counters if they were not read within the last second. */
  void read() {
    if (System.nanoTime() - lastRead >= READ_EVERY_NANOS) {
      readNow();
    }
  }

  private void readNow() {
    try {
      for (Counter counter : counters) {
        counter.read();
      }
    } catch (IOException | NumberFormatException e) {
      broken = true;
    }
    lastRead = System.nanoTime();
  }

  /** Returns the energy from the start until the last reading; empty if it cannot be measured. */
  OptionalDouble joules() {
    if (!started || broken || counters.isEmpty()) {
      return OptionalDouble.empty();
    }
    return OptionalDouble.of(counters.stream().mapToLong(counter -> counter.total).sum() * MICRO);
  }

  /** Reads the counters a last time. */
  void stop() {
    if (started) {
      readNow();
    }
  }
}
