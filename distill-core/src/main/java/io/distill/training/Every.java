package io.distill.training;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.time.Duration;

/**
 * How often something happens in a run: checkpoints, or trials on the validation set.
 *
 * @param count how many units lie between one time and the next; at least 1
 * @param unit what is counted
 */
public record Every(long count, Unit unit) {

  /** What is counted. */
  public enum Unit {
    /** Passes over the data. */
    EPOCHS,
    /** Optimizer steps. */
    STEPS,
    /** Milliseconds since the last time; looked at after each step. */
    MILLISECONDS
  }

  /**
   * Checks the number.
   *
   * @param count how many units lie between one time and the next; at least 1
   * @param unit what is counted
   * @throws IllegalArgumentException if the number is below 1
   */
  public Every {
    checkArgument(count >= 1, "count must be at least 1 but was %s", count);
    requireNonNull(unit, "unit");
  }

  /**
   * After each so many epochs.
   *
   * @param epochs the number of epochs; at least 1
   * @return the interval
   * @throws IllegalArgumentException if it is below 1
   */
  public static Every epochs(int epochs) {
    return new Every(epochs, Unit.EPOCHS);
  }

  /**
   * After each so many optimizer steps, counted from the start of the run.
   *
   * @param steps the number of steps; at least 1
   * @return the interval
   * @throws IllegalArgumentException if it is below 1
   */
  public static Every steps(long steps) {
    return new Every(steps, Unit.STEPS);
  }

  /**
   * After the first step that ends this long after the last time.
   *
   * @param minutes the number of minutes; at least 1
   * @return the interval
   * @throws IllegalArgumentException if it is below 1
   */
  public static Every minutes(long minutes) {
    return new Every(Duration.ofMinutes(minutes).toMillis(), Unit.MILLISECONDS);
  }

  /**
   * After the first step that ends this long after the last time.
   *
   * @param time the time; at least one millisecond
   * @return the interval
   * @throws IllegalArgumentException if it is shorter
   */
  public static Every time(Duration time) {
    return new Every(time.toMillis(), Unit.MILLISECONDS);
  }

  @Override
  public String toString() {
    return "every " + count + " " + unit.name().toLowerCase(java.util.Locale.ROOT);
  }
}
