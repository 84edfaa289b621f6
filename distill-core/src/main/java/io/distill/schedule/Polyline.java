package io.distill.schedule;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/** Straight lines between points; held before the first and after the last. */
final class Polyline {

  private final NavigableMap<Double, Double> points;

  private Polyline(NavigableMap<Double, Double> points) {
    this.points = points;
  }

  static Polyline of(
      String name, Map<Double, Double> points, BiConsumer<String, Double> valueCheck) {
    NavigableMap<Double, Double> sorted = new TreeMap<>();
    requireNonNull(points, name)
        .forEach(
            (fraction, value) -> {
              checkArgument(
                  fraction >= 0 && fraction <= 1,
                  "fractions of %s must be between 0 and 1 but one was %s",
                  name,
                  fraction);
              valueCheck.accept(name + " at " + fraction, value);
              // -0.0 and 0.0 are two keys of a map but one place
              sorted.put(fraction + 0.0, value);
            });
    checkArgument(!sorted.isEmpty(), "%s must not be empty", name);
    return new Polyline(sorted);
  }

  double at(double fraction) {
    Map.Entry<Double, Double> before = points.floorEntry(fraction);
    Map.Entry<Double, Double> after = points.ceilingEntry(fraction);
    if (before == null || after == null) {
      return (before == null ? points.firstEntry() : points.lastEntry()).getValue();
    }
    double width = after.getKey() - before.getKey();
    return width == 0
        ? before.getValue()
        : Curves.linear(before.getValue(), after.getValue(), (fraction - before.getKey()) / width);
  }
}
