package io.distill.listener;

import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;

/** Numbers as people read them. */
final class Figures {

  private static final double SMALL = 1e-3;
  private static final double ONE_DIGIT = 10;
  private static final double MANY_DIGITS = 1e3;
  private static final double LARGE = 1e7;
  private static final int SECONDS = 60;
  private static final double KILO = 1e3;
  private static final String[] UNITS = {"B", "kB", "MB", "GB", "TB"};

  private Figures() {}

  /** Returns a value of a few digits, such as {@code 0.4312}, {@code 12.35} or {@code 2.90e-4}. */
  static String value(double value) {
    double size = Math.abs(value);
    if (size == 0) {
      return "0";
    }
    if (!Double.isFinite(value)) {
      return Double.toString(value);
    }
    if (size < SMALL || size >= LARGE) {
      return String.format(Locale.ROOT, "%.2e", value)
          .replace("e+", "e")
          .replaceFirst("e(-?)0", "e$1");
    }
    return String.format(
        Locale.ROOT, size < ONE_DIGIT ? "%.4f" : size < MANY_DIGITS ? "%.2f" : "%.0f", value);
  }

  /** Returns values with their names, such as {@code softTargets 0.4312, hint 0.0211}. */
  static String values(Map<String, Double> values, String between) {
    StringJoiner text = new StringJoiner(between);
    values.forEach((name, value) -> text.add(name + " " + value(value)));
    return text.toString();
  }

  static String count(long count) {
    return String.format(Locale.ROOT, "%,d", count);
  }

  static String percent(double share) {
    return String.format(Locale.ROOT, "%.0f%%", Math.floor(share * 100));
  }

  /** Returns a setting with the digits it needs, such as {@code 4} or {@code 2.35}. */
  static String setting(double value) {
    String text = value(value);
    return text.contains(".") && !text.contains("e") ? text.replaceFirst("\\.?0+$", "") : text;
  }

  /** Returns such as {@code 34 ms}, {@code 3.4 s}, {@code 1:05} or {@code 2:00:07}. */
  static String time(double seconds) {
    if (seconds < 1) {
      return String.format(Locale.ROOT, "%.0f ms", seconds * KILO);
    }
    if (!(seconds >= SECONDS)) {
      return String.format(Locale.ROOT, "%.1f s", seconds);
    }
    long whole = Math.round(seconds);
    long minutes = whole / SECONDS;
    return minutes < SECONDS
        ? String.format(Locale.ROOT, "%d:%02d", minutes, whole % SECONDS)
        : String.format(
            Locale.ROOT, "%d:%02d:%02d", minutes / SECONDS, minutes % SECONDS, whole % SECONDS);
  }

  static String bytes(long bytes) {
    double value = bytes;
    int unit = 0;
    while (value >= KILO && unit < UNITS.length - 1) {
      value /= KILO;
      unit++;
    }
    return String.format(Locale.ROOT, unit == 0 ? "%.0f %s" : "%.1f %s", value, UNITS[unit]);
  }
}
