package io.distill.report;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.evaluation.Interval;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * One number of a report, or why there is none.
 *
 * @param value the number, finite; empty if it is undefined or was not measured
 * @param interval how far it may be off; empty if nothing is known about that
 * @param missing why there is no number, in words; empty exactly if there is one
 */
public record Figure(OptionalDouble value, Optional<Interval> interval, String missing) {

  /**
   * Checks that there is either a number or a reason.
   *
   * @param value the number, finite; empty if it is undefined or was not measured
   * @param interval how far it may be off; empty if nothing is known about that
   * @param missing why there is no number, in words; empty exactly if there is one
   * @throws IllegalArgumentException if there are both or neither, or the number is not finite
   */
  public Figure {
    requireNonNull(value, "value");
    requireNonNull(interval, "interval");
    requireNonNull(missing, "missing");
    checkArgument(
        value.isEmpty() || Double.isFinite(value.getAsDouble()),
        "value must be finite but was %s",
        value);
    checkArgument(
        value.isPresent() == missing.isEmpty(),
        "missing must be given exactly if value is not but value was %s and missing '%s'",
        value,
        missing);
    checkArgument(
        interval.isEmpty() || value.isPresent(), "interval must come with a value but did not");
  }

  static Figure of(double value) {
    return of(value, Optional.empty(), "undefined");
  }

  static Figure missing(String reason) {
    return new Figure(OptionalDouble.empty(), Optional.empty(), reason);
  }

  /** Returns a number if it is finite, and the reason otherwise. */
  static Figure of(double value, Optional<Interval> interval, String reason) {
    return Double.isFinite(value)
        ? new Figure(OptionalDouble.of(value), interval, "")
        : missing(reason);
  }

  /**
   * Returns whether there is a number.
   *
   * @return whether {@link #value} is present
   */
  public boolean isPresent() {
    return value.isPresent();
  }

  /**
   * Returns the number.
   *
   * @return the number
   * @throws java.util.NoSuchElementException if there is none
   */
  public double get() {
    return value.getAsDouble();
  }
}
