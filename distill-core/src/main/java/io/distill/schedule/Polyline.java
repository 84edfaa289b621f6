package io.distill.schedule;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/**
 * Straight lines between points; held before the first and after the last.
 *
 * @param points at least one, by rising fraction
 */
record Polyline(List<Point> points) {

  /** A value at a share of the run. */
  record Point(double fraction, double value) {}

  Polyline {
    points = List.copyOf(points);
    checkArgument(!points.isEmpty(), "points must not be empty");
    for (int i = 0; i < points.size(); i++) {
      double fraction = points.get(i).fraction();
      checkArgument(
          fraction >= 0 && fraction <= 1,
          "fractions of points must be between 0 and 1 but one was %s",
          fraction);
      checkArgument(
          i == 0 || points.get(i - 1).fraction() < fraction,
          "fractions of points must rise but %s followed %s",
          fraction,
          points.get(Math.max(0, i - 1)).fraction());
    }
  }

  static Polyline of(
      String name, Map<Double, Double> points, BiConsumer<String, Double> valueCheck) {
    TreeMap<Double, Double> sorted = new TreeMap<>();
    requireNonNull(points, name)
        .forEach(
            (fraction, value) -> {
              checkArgument(
                  fraction >= 0 && fraction <= 1,
                  "fractions of %s must be between 0 and 1 but one was %s",
                  name,
                  fraction);
              check(name, fraction, value, valueCheck);
              // -0.0 and 0.0 are two keys of a map but one place
              sorted.put(fraction + 0.0, value);
            });
    checkArgument(!sorted.isEmpty(), "%s must not be empty", name);
    return new Polyline(
        sorted.entrySet().stream()
            .map(point -> new Point(point.getKey(), point.getValue()))
            .toList());
  }

  void checkValues(String name, BiConsumer<String, Double> valueCheck) {
    points.forEach(point -> check(name, point.fraction(), point.value(), valueCheck));
  }

  private static void check(
      String name, double fraction, double value, BiConsumer<String, Double> valueCheck) {
    valueCheck.accept(name + " at " + fraction, value);
  }

  double at(double fraction) {
    int after = 0;
    while (after < points.size() && points.get(after).fraction() < fraction) {
      after++;
    }
    if (after == 0 || after == points.size()) {
      return points.get(Math.max(0, after - 1)).value();
    }
    Point next = points.get(after);
    if (next.fraction() == fraction) {
      return next.value();
    }
    Point before = points.get(after - 1);
    double width = next.fraction() - before.fraction();
    return Curves.linear(before.value(), next.value(), (fraction - before.fraction()) / width);
  }
}
