package io.distill.schedule;

import static java.util.Objects.requireNonNull;

import com.google.common.primitives.Doubles;
import java.util.Map;

/**
 * The weight of a loss term as a pure function of training progress; a lambda is one.
 *
 * <p>Weights are finite and at least 0.
 */
@FunctionalInterface
public interface WeightSchedule {

  /**
   * Returns the weight at a point of the run.
   *
   * @param progress where the run stands
   * @return the weight; finite and at least 0
   */
  double at(Progress progress);

  /**
   * Returns one weight for the whole run.
   *
   * @param weight the weight; finite and at least 0
   * @return the schedule
   * @throws IllegalArgumentException if the weight is out of range
   */
  static WeightSchedule constant(double weight) {
    return new WeightShapes.Constant(weight);
  }

  /**
   * Returns a straight line from one weight to another.
   *
   * @param first the weight at the first step; finite and at least 0
   * @param last the weight at the last step; finite and at least 0
   * @return the schedule {@code first + (last - first) · fraction}
   * @throws IllegalArgumentException if a weight is out of range
   */
  static WeightSchedule linear(double first, double last) {
    return new WeightShapes.Linear(first, last);
  }

  /**
   * Returns half a cosine wave from one weight to another.
   *
   * @param first the weight at the first step; finite and at least 0
   * @param last the weight at the last step; finite and at least 0
   * @return the schedule {@code last + (first - last) · (1 + cos(π · fraction)) / 2}
   * @throws IllegalArgumentException if a weight is out of range
   */
  static WeightSchedule cosine(double first, double last) {
    return new WeightShapes.Cosine(first, last);
  }

  /**
   * Rises over the first epochs to 1, by one equal stair an epoch.
   *
   * <pre>{@code min(1, (epoch + 1) / epochs)}</pre>
   *
   * <p>As the code of DKD and ReviewKD does with 20 epochs, the first epoch (number 0 here) has the
   * weight {@code 1 / epochs} and not 0, so that it is not lost for the term.
   *
   * @param epochs the number of the epoch, counted from 1, that first has the full weight; at least
   *     1
   * @return the schedule
   * @throws IllegalArgumentException if the number is below 1
   * @see <a href="https://arxiv.org/abs/2203.08679">Zhao et al., Decoupled Knowledge Distillation,
   *     2022</a>
   */
  static WeightSchedule warmUp(int epochs) {
    return new WeightShapes.WarmUp(epochs);
  }

  /**
   * Rises in a straight line over the first steps to 1.
   *
   * <pre>{@code min(1, (step + 1) / steps)}</pre>
   *
   * @param steps the number of the optimizer step, counted from 1, that first has the full weight;
   *     at least 1
   * @return the schedule
   * @throws IllegalArgumentException if the number is below 1
   */
  static WeightSchedule warmUpSteps(long steps) {
    return new WeightShapes.WarmUpSteps(steps);
  }

  /**
   * Reads the weight of each epoch from a table.
   *
   * @param perEpoch the weight of the first epoch, the second and so on, at least one; each finite
   *     and at least 0. It is held throughout its epoch, and the last one for all epochs after it
   * @return the schedule
   * @throws IllegalArgumentException if the table is empty or a weight is out of range
   */
  static WeightSchedule table(double... perEpoch) {
    return new WeightShapes.Table(Doubles.asList(requireNonNull(perEpoch, "perEpoch")));
  }

  /**
   * Draws straight lines between the weights of a table.
   *
   * @param byFraction weights by the share of the run that lies behind, at least one; shares
   *     between 0 and 1, weights finite and at least 0. Before the first share and after the last
   *     one their weights are held
   * @return the schedule
   * @throws IllegalArgumentException if the table is empty, or a share or weight is out of range
   * @see Progress#fraction
   */
  static WeightSchedule interpolated(Map<Double, Double> byFraction) {
    return new WeightShapes.Interpolated(
        Polyline.of("byFraction", byFraction, WeightShapes::check));
  }

  /**
   * Returns the product of this schedule and another.
   *
   * @param other the other schedule
   * @return the product at each point of the run
   */
  default WeightSchedule times(WeightSchedule other) {
    return WeightShapes.Product.of(this, requireNonNull(other, "other"));
  }
}
