package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;

/**
 * What a filter says of an answer.
 *
 * @param kept whether it may stay
 * @param reason why not, in a few words that are the same for the same kind of reason, since they
 *     are counted; empty where it is kept
 * @param details more about this answer, such as what was extracted from it; written with the trace
 */
public record Verdict(boolean kept, String reason, Map<String, String> details) {

  private static final Verdict KEEP = new Verdict(true, "", Map.of());

  /**
   * Checks that a drop has a reason.
   *
   * @param kept whether it may stay
   * @param reason why not; not blank where it is dropped
   * @param details more about this answer
   * @throws IllegalArgumentException if a drop has no reason
   */
  public Verdict {
    checkArgument(
        kept || !requireNonNull(reason, "reason").isBlank(), "reason of a drop must not be blank");
    details = Collections.unmodifiableMap(new TreeMap<>(details));
  }

  /**
   * Returns that an answer may stay.
   *
   * @return a verdict without details
   */
  public static Verdict keep() {
    return KEEP;
  }

  /**
   * Returns that an answer is dropped.
   *
   * @param reason why, in a few words that are the same for the same kind of reason; not blank
   * @return a verdict without details
   * @throws IllegalArgumentException if it is blank
   */
  public static Verdict drop(String reason) {
    return new Verdict(false, reason, Map.of());
  }

  /**
   * Returns that an answer may stay on a condition.
   *
   * @param condition whether it may
   * @param reason why not, otherwise; not blank
   * @return a verdict without details
   * @throws IllegalArgumentException if the reason of a drop is blank
   */
  public static Verdict keepIf(boolean condition, String reason) {
    return condition ? KEEP : drop(reason);
  }

  /**
   * Returns this verdict with a detail.
   *
   * @param name what it is
   * @param value its value
   * @return a copy
   */
  public Verdict with(String name, String value) {
    Map<String, String> more = new TreeMap<>(details);
    more.put(requireNonNull(name, "name"), requireNonNull(value, "value"));
    return new Verdict(kept, reason, more);
  }
}
