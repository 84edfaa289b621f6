package io.distill.teacher;

import io.distill.signal.SignalKind;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * How far a teacher's answers are from what a cache has of it, over a random sample of rows.
 *
 * @param rows the number of rows compared
 * @param seed what the choice of rows depended on
 * @param largestDifferences the largest difference of each kind: {@code |kept - live| / max(1,
 *     |live|)} over all values; where only the top logits are kept {@code |√p - √q|} over the
 *     likelier half of them, p and q being the probabilities that the cache and the teacher give an
 *     entry
 * @see CachedTeacher#verify
 */
public record CacheCheck(int rows, long seed, Map<SignalKind, Double> largestDifferences) {

  /**
   * Copies the map.
   *
   * @param rows the number of rows compared
   * @param seed what the choice of rows depended on
   * @param largestDifferences the largest difference of each kind
   */
  public CacheCheck {
    Map<SignalKind, Double> copy = new EnumMap<>(SignalKind.class);
    copy.putAll(largestDifferences);
    largestDifferences = Collections.unmodifiableMap(copy);
  }

  /**
   * Returns the largest difference of all kinds.
   *
   * @return the largest difference; 0 if nothing was compared
   */
  public double largestDifference() {
    return largestDifferences.values().stream().mapToDouble(Double::doubleValue).max().orElse(0);
  }
}
