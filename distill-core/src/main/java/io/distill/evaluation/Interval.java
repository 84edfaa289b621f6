package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

/**
 * How far a figure may be off.
 *
 * @param low the lower end, finite
 * @param high the upper end, finite, not below {@code low}
 * @param over what was varied
 */
public record Interval(double low, double high, Over over) {

  /** What an interval covers. */
  public enum Over {
    /** A bootstrap interval: training with other seeds, and other test rows. */
    SEEDS_AND_ROWS("seeds and rows"),
    /** A bootstrap interval: other test rows only; too few seeds were trained for more. */
    ROWS("rows"),
    /** The smallest and the largest value that one of the seeds had; not a bootstrap interval. */
    RANGE_OF_SEEDS("range of the seeds");

    private final String text;

    Over(String text) {
      this.text = text;
    }

    /**
     * Names it in words, as reports do.
     *
     * @return such as {@code seeds and rows}
     */
    @Override
    public String toString() {
      return text;
    }
  }

  /**
   * Checks the values.
   *
   * @param low the lower end, finite
   * @param high the upper end, finite, not below {@code low}
   * @param over what was varied
   * @throws IllegalArgumentException if an end is not finite, or the ends are in the wrong order
   */
  public Interval {
    requireNonNull(over, "over");
    checkArgument(Double.isFinite(low), "low must be finite but was %s", low);
    checkArgument(
        Double.isFinite(high) && high >= low,
        "high must be finite and at least low %s but was %s",
        low,
        high);
  }
}
