package io.distill.training.internal;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Means over the rows of an epoch so far, as sums: what a checkpoint in the middle of it keeps.
 *
 * @param rows the number of rows
 * @param loss the sum of the losses, each times its rows
 * @param terms the same of each term
 */
record Means(long rows, double loss, Map<String, Double> terms) {

  static Means none() {
    return new Means(0, 0, Map.of());
  }

  Means plus(long count, double stepLoss, Map<String, Double> values) {
    Map<String, Double> sums = new LinkedHashMap<>(terms);
    values.forEach((name, value) -> sums.merge(name, count * value, Double::sum));
    return new Means(rows + count, loss + count * stepLoss, sums);
  }

  double meanLoss() {
    return rows == 0 ? 0 : loss / rows;
  }

  Map<String, Double> meanTerms() {
    Map<String, Double> means = new LinkedHashMap<>();
    terms.forEach((name, sum) -> means.put(name, sum / rows));
    return means;
  }
}
