package io.distill.schedule;

import static java.util.Objects.requireNonNull;

import com.google.common.primitives.Doubles;
import java.util.Map;

/**
 * The softmax temperature as a pure function of training progress; a lambda is one.
 *
 * <p>Temperatures are unitless, finite and greater than 0; 1 leaves the logits alone, higher values
 * show more of what the teacher thinks of the wrong classes.
 */
@FunctionalInterface
public interface TemperatureSchedule {

  /**
   * Returns the temperature at a point of the run.
   *
   * @param progress where the run stands
   * @return the temperature; finite and greater than 0
   */
  double at(Progress progress);

  /**
   * Returns one temperature for the whole run.
   *
   * @param temperature the temperature; finite and greater than 0; usual range 1 to 10
   * @return the schedule
   * @throws IllegalArgumentException if the temperature is out of range
   */
  static TemperatureSchedule constant(double temperature) {
    return new TemperatureShapes.Constant(temperature);
  }

  /**
   * Returns a straight line from one temperature to another.
   *
   * @param first the temperature at the first step; finite and greater than 0
   * @param last the temperature at the last step; finite and greater than 0
   * @return the schedule {@code first + (last - first) · fraction}
   * @throws IllegalArgumentException if a temperature is out of range
   */
  static TemperatureSchedule linear(double first, double last) {
    return new TemperatureShapes.Linear(first, last);
  }

  /**
   * Returns half a cosine wave from one temperature to another.
   *
   * @param first the temperature at the first step; finite and greater than 0
   * @param last the temperature at the last step; finite and greater than 0
   * @return the schedule {@code last + (first - last) · (1 + cos(π · fraction)) / 2}
   * @throws IllegalArgumentException if a temperature is out of range
   */
  static TemperatureSchedule cosine(double first, double last) {
    return new TemperatureShapes.Cosine(first, last);
  }

  /**
   * Returns a curve that changes by the same ratio at each step.
   *
   * @param first the temperature at the first step; finite and greater than 0
   * @param last the temperature at the last step; finite and greater than 0
   * @return the schedule {@code first ^ (1 - fraction) · last ^ fraction}
   * @throws IllegalArgumentException if a temperature is out of range
   */
  static TemperatureSchedule exponential(double first, double last) {
    return new TemperatureShapes.Exponential(first, last);
  }

  /**
   * Returns a staircase: the temperature is multiplied by a factor every so many epochs.
   *
   * @param first the temperature of the first stair; finite and greater than 0
   * @param epochs the number of epochs on one stair; at least 1
   * @param factor the factor from stair to stair; finite and greater than 0, below 1 to go down
   * @return the schedule {@code first · factor ^ floor(epoch / epochs)}
   * @throws IllegalArgumentException if an argument is out of range
   */
  static TemperatureSchedule step(double first, int epochs, double factor) {
    return new TemperatureShapes.Step(first, epochs, factor);
  }

  /**
   * Returns a triangular wave over the whole run: each cycle rises in a straight line from low to
   * high and falls back.
   *
   * <pre>{@code
   * low + (high - low) · (1 - |2 · p - 1|),  p = cycles · fraction - floor(cycles · fraction)
   * }</pre>
   *
   * @param low the temperature at which each cycle, and the run, starts and ends; finite and
   *     greater than 0
   * @param high the temperature in the middle of each cycle; finite and greater than 0
   * @param cycles the number of cycles in the run; at least 1
   * @return the schedule
   * @throws IllegalArgumentException if an argument is out of range
   * @see <a href="https://arxiv.org/abs/1506.01186">Smith, Cyclical Learning Rates for Training
   *     Neural Networks, 2017</a>, whose wave this is
   */
  static TemperatureSchedule cyclic(double low, double high, int cycles) {
    return new TemperatureShapes.Cyclic(low, high, cycles);
  }

  /**
   * Reads the temperature of each epoch from a table.
   *
   * @param perEpoch the temperature of the first epoch, the second and so on, at least one; each
   *     finite and greater than 0. It is held throughout its epoch, and the last one for all epochs
   *     after it
   * @return the schedule
   * @throws IllegalArgumentException if the table is empty or a temperature is out of range
   */
  static TemperatureSchedule table(double... perEpoch) {
    return new TemperatureShapes.Table(Doubles.asList(requireNonNull(perEpoch, "perEpoch")));
  }

  /**
   * Draws straight lines between the temperatures of a table.
   *
   * @param byFraction temperatures by the share of the run that lies behind, at least one; shares
   *     between 0 and 1, temperatures finite and greater than 0. Before the first share and after
   *     the last one their temperatures are held
   * @return the schedule
   * @throws IllegalArgumentException if the table is empty, or a share or temperature is out of
   *     range
   * @see Progress#fraction
   */
  static TemperatureSchedule interpolated(Map<Double, Double> byFraction) {
    return new TemperatureShapes.Interpolated(
        Polyline.of("byFraction", byFraction, TemperatureShapes::check));
  }
}
