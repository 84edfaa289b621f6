package io.distill.schedule;

import static com.google.common.base.Preconditions.checkArgument;

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
    return progress -> first + (last - first) * progress.fraction();
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
    return progress ->
        last + (first - last) * (1 + StrictMath.cos(Math.PI * progress.fraction())) / 2;
  }

  private static void check(String name, double temperature) {
    checkArgument(
        Double.isFinite(temperature) && temperature > 0,
        "%s must be finite and greater than 0 but was %s",
        name,
        temperature);
  }
}
