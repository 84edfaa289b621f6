package io.distill.report;

import java.util.Locale;

/** Numbers as people read them. */
final class Format {

  private static final long KILO = 1024;

  private Format() {}

  static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }

  static String points(double share) {
    return String.format(Locale.ROOT, "%+.1f points", 100 * share);
  }

  static String decimal(double value) {
    double magnitude = Math.abs(value);
    if (magnitude != 0 && (magnitude < 0.001 || magnitude >= 1e6)) {
      return String.format(Locale.ROOT, "%.2e", value);
    }
    return String.format(Locale.ROOT, magnitude < 1 ? "%.4f" : "%.3f", value);
  }

  static String count(double value) {
    return String.format(Locale.ROOT, "%,d", Math.round(value));
  }

  static String count(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  static String times(double value) {
    return String.format(Locale.ROOT, value < 10 ? "%.1f" : "%,.0f", value);
  }

  static String ratio(double value) {
    return times(value) + " ×";
  }

  static String bytes(double value) {
    if (value < KILO) {
      return count(value) + " B";
    }
    return value < KILO * KILO
        ? String.format(Locale.ROOT, "%.1f KiB", value / KILO)
        : String.format(Locale.ROOT, "%,.1f MiB", value / (KILO * KILO));
  }

  static String millis(double value) {
    return String.format(Locale.ROOT, value < 1 ? "%.3f ms" : "%.2f ms", value);
  }

  static String seconds(double value) {
    return String.format(Locale.ROOT, "%.1f s", value);
  }

  static String joules(double value) {
    return String.format(Locale.ROOT, "%,.0f J", value);
  }
}
