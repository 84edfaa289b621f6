package io.distill.report;

import static java.util.Objects.requireNonNull;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/**
 * The curves of a run: losses, weights, temperature, learning rate, size of the gradient.
 *
 * @param points the steps in order; neighbouring steps of a long run share a point
 * @param joules the energy that the processor packages of the machine took meanwhile, whoever used
 *     them; empty where the machine does not tell
 */
public record RunRecord(List<Point> points, OptionalDouble joules) {

  /**
   * Copies the list.
   *
   * @param points the steps in order
   * @param joules the energy of the run; empty if unknown
   */
  public RunRecord {
    points = List.copyOf(points);
    requireNonNull(joules, "joules");
  }

  /**
   * Returns the record of a run that nobody watched.
   *
   * @return no points, no energy
   */
  public static RunRecord empty() {
    return new RunRecord(List.of(), OptionalDouble.empty());
  }

  /**
   * Some steps in a row; values are means over them.
   *
   * @param firstStep the first of the steps, counted from 1
   * @param lastStep the last of the steps
   * @param loss the weighted sum of the terms
   * @param terms the value of each term before weighting, by name
   * @param weights the factor of each term, by name
   * @param learningRate the learning rate
   * @param temperature the run's temperature; empty if no term read it
   * @param gradientNorm the L2 norm of all gradients before clipping
   */
  public record Point(
      long firstStep,
      long lastStep,
      double loss,
      Map<String, Double> terms,
      Map<String, Double> weights,
      double learningRate,
      OptionalDouble temperature,
      double gradientNorm) {
    /**
     * Copies the maps.
     *
     * @param firstStep the first of the steps, counted from 1
     * @param lastStep the last of the steps
     * @param loss the weighted sum of the terms
     * @param terms the value of each term before weighting, by name
     * @param weights the factor of each term, by name
     * @param learningRate the learning rate
     * @param temperature the run's temperature; empty if no term read it
     * @param gradientNorm the L2 norm of all gradients before clipping
     */
    public Point {
      terms = Collections.unmodifiableMap(new LinkedHashMap<>(terms));
      weights = Collections.unmodifiableMap(new LinkedHashMap<>(weights));
      requireNonNull(temperature, "temperature");
    }
  }
}
