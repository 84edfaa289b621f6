package io.distill.internal;

import java.util.Locale;

/** Numbers of bytes for people. */
public final class ByteSize {

  private static final String[] UNITS = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  private static final double STEP = 1024;

  private ByteSize() {}

  /** Returns such as {@code 1.5 GiB}; whole numbers below 1 KiB. */
  public static String text(long bytes) {
    double value = bytes;
    int unit = 0;
    while (value >= STEP && unit < UNITS.length - 1) {
      value /= STEP;
      unit++;
    }
    return unit == 0 ? bytes + " B" : String.format(Locale.ROOT, "%.1f %s", value, UNITS[unit]);
  }

  /** Adds, but stays at the largest number instead of running over. */
  public static long sum(long first, long second) {
    long sum = first + second;
    return first >= 0 && second >= 0 && sum < 0 ? Long.MAX_VALUE : sum;
  }
}
