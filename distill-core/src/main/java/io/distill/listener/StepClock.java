package io.distill.listener;

import java.util.function.LongSupplier;

/** Measures steps; evaluations and checkpoints between them do not count. */
final class StepClock {

  private static final double NANOS = 1e9;

  private final LongSupplier nanoTime;
  private long since;

  StepClock(LongSupplier nanoTime) {
    this.nanoTime = nanoTime;
    restart();
  }

  /** The next step starts now. */
  void restart() {
    since = nanoTime.getAsLong();
  }

  /** Returns the nanoseconds of the step that ends now, at least 1; the next one starts now. */
  long step() {
    long now = nanoTime.getAsLong();
    long nanos = Math.max(1, now - since);
    since = now;
    return nanos;
  }

  /** Returns the rows per second of the step that ends now; the next one starts now. */
  double rowsPerSecond(int rows) {
    return rows * NANOS / step();
  }
}
