package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.time.Duration;

/**
 * How often, and after which waits, a source is asked again that failed for a while ({@link
 * TemporaryFailureException}).
 *
 * <pre>{@code
 * wait before retry k = min(first · 2^(k-1), longest), or what the service asked for if longer
 * }</pre>
 *
 * <p>An attempt that brought some of its answers starts the count anew.
 *
 * @param most how often one batch is asked again without any answer, at least 0
 * @param first the first wait
 * @param longest the longest wait that grows from the first
 */
public record Retries(int most, Duration first, Duration longest) {

  /** What is done unless the user says otherwise: 8 retries, after 1 s, 2 s, ... up to 60 s. */
  public static final Retries STANDARD =
      new Retries(8, Duration.ofSeconds(1), Duration.ofSeconds(60));

  private static final int LARGEST_SHIFT = 30;

  /**
   * Checks the numbers.
   *
   * @param most how often one batch is asked again, at least 0
   * @param first the first wait, not negative
   * @param longest the longest wait, not below the first, at most a day
   * @throws IllegalArgumentException if one is out of its range
   */
  public Retries {
    checkArgument(most >= 0, "most must be at least 0 but was %s", most);
    checkArgument(
        !requireNonNull(first, "first").isNegative(),
        "first must not be negative but was %s",
        first);
    checkArgument(
        requireNonNull(longest, "longest").compareTo(first) >= 0
            && longest.compareTo(Duration.ofDays(1)) <= 0,
        "longest must be from first %s to a day but was %s",
        first,
        longest);
  }

  /**
   * Returns that nothing is asked again.
   *
   * @return no retries
   */
  public static Retries none() {
    return new Retries(0, Duration.ZERO, Duration.ZERO);
  }

  Duration before(int retry, TemporaryFailureException failure) {
    Duration grown =
        retry > LARGEST_SHIFT || first.compareTo(longest) > 0
            ? longest
            : first.multipliedBy(1L << (retry - 1));
    Duration wait = grown.compareTo(longest) > 0 ? longest : grown;
    return failure.retryAfter().filter(asked -> asked.compareTo(wait) > 0).orElse(wait);
  }
}
