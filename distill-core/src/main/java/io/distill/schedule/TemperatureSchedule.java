package io.distill.schedule;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

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
    check("temperature", temperature);
    return progress -> temperature;
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
    check("first", first);
    check("last", last);
    return progress -> Curves.linear(first, last, progress.fraction());
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
    check("first", first);
    check("last", last);
    return progress -> Curves.cosine(first, last, progress.fraction());
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
    check("first", first);
    check("last", last);
    return progress -> Curves.exponential(first, last, progress.fraction());
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
    check("first", first);
    checkArgument(epochs >= 1, "epochs must be at least 1 but was %s", epochs);
    check("factor", factor);
    return progress -> first * StrictMath.pow(factor, Math.floorDiv(progress.epoch(), epochs));
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
    check("low", low);
    check("high", high);
    checkArgument(cycles >= 1, "cycles must be at least 1 but was %s", cycles);
    return progress -> Curves.triangle(low, high, cycles * progress.fraction());
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
    double[] copy = requireNonNull(perEpoch, "perEpoch").clone();
    checkArgument(copy.length > 0, "perEpoch must not be empty");
    for (int epoch = 0; epoch < copy.length; epoch++) {
      check("perEpoch[" + epoch + "]", copy[epoch]);
    }
    return progress -> copy[Math.min(progress.epoch(), copy.length - 1)];
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
    Polyline line = Polyline.of("byFraction", byFraction, TemperatureSchedule::check);
    return progress -> line.at(progress.fraction());
  }

  private static void check(String name, double temperature) {
    checkArgument(
        Double.isFinite(temperature) && temperature > 0,
        "%s must be finite and greater than 0 but was %s",
        name,
        temperature);
  }
}
