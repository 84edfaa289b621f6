package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Cuts rows into batches of similar length, so that little of a batch is padding.
 *
 * <p>An epoch is a pure function of lengths, batch size, seed and number of the epoch, the same on
 * every JVM:
 *
 * <ol>
 *   <li>a generator starts from {@code mix(seed + mix(epoch))} and yields the SplitMix64 sequence;
 *   <li>all rows are shuffled (Fisher-Yates, downwards; an index below n is the high 64 bits of the
 *       unsigned product of n and the next number);
 *   <li>they are cut into groups of {@value #BATCHES_PER_GROUP} batches, each sorted by length,
 *       longest first (stable), and cut into batches;
 *   <li>the order of the batches is shuffled in the same way.
 * </ol>
 *
 * <p>Every row occurs exactly once in an epoch; one batch may be smaller than the others. Immutable
 * and thread-safe.
 */
public final class LengthGroupedSampler {

  /** The number of batches that are sorted by length together. */
  static final int BATCHES_PER_GROUP = 50;

  private final int[] lengths;
  private final int batchSize;
  private final long seed;

  private LengthGroupedSampler(int[] lengths, int batchSize, long seed) {
    this.lengths = lengths;
    this.batchSize = batchSize;
    this.seed = seed;
  }

  /**
   * Creates a sampler.
   *
   * @param lengths the length of every row
   * @param batchSize the number of rows in a batch, at least 1
   * @param seed what the order depends on
   * @return the sampler
   * @throws IllegalArgumentException if {@code lengths} is empty or {@code batchSize} is below 1
   */
  public static LengthGroupedSampler of(int[] lengths, int batchSize, long seed) {
    requireNonNull(lengths, "lengths");
    checkArgument(lengths.length > 0, "lengths must have at least one row but was empty");
    checkArgument(batchSize >= 1, "batchSize must be at least 1 but was %s", batchSize);
    return new LengthGroupedSampler(lengths.clone(), batchSize, seed);
  }

  /**
   * Creates a sampler for the rows of a source.
   *
   * @param source the source of the rows
   * @param batchSize the number of rows in a batch, at least 1
   * @param seed what the order depends on
   * @return the sampler
   * @throws IllegalArgumentException if {@code batchSize} is below 1
   */
  public static LengthGroupedSampler of(BatchSource source, int batchSize, long seed) {
    int[] lengths = new int[requireNonNull(source, "source").size()];
    Arrays.setAll(lengths, source::length);
    return of(lengths, batchSize, seed);
  }

  /**
   * Returns the number of batches of an epoch.
   *
   * @return the number of rows divided by the batch size, rounded up
   */
  public int batchesPerEpoch() {
    return (lengths.length - 1) / batchSize + 1;
  }

  /**
   * Returns the batches of one epoch of training.
   *
   * @param epoch the number of the epoch; any value
   * @return the rows of every batch, in the order to train on them
   */
  public List<int[]> epoch(int epoch) {
    SplitMix random = new SplitMix(SplitMix.mix(seed + SplitMix.mix(epoch)));
    int[] rows = identity();
    for (int i = rows.length; i > 1; i--) {
      int j = random.below(i);
      int row = rows[i - 1];
      rows[i - 1] = rows[j];
      rows[j] = row;
    }
    long group = (long) batchSize * BATCHES_PER_GROUP;
    for (long start = 0; start < rows.length; start += group) {
      sortByLength(rows, (int) start, (int) Math.min(rows.length, start + group), true);
    }
    List<int[]> batches = cut(rows);
    for (int i = batches.size(); i > 1; i--) {
      int j = random.below(i);
      int[] batch = batches.get(i - 1);
      batches.set(i - 1, batches.get(j));
      batches.set(j, batch);
    }
    return batches;
  }

  /**
   * Returns batches for evaluation: all rows sorted by length, shortest first, rows of equal length
   * in their order in the dataset.
   *
   * @return the rows of every batch; every row occurs exactly once
   */
  public List<int[]> inOrder() {
    int[] rows = identity();
    sortByLength(rows, 0, rows.length, false);
    return cut(rows);
  }

  private int[] identity() {
    int[] rows = new int[lengths.length];
    Arrays.setAll(rows, row -> row);
    return rows;
  }

  /** Sorts stably: the key is the length above the position. */
  private void sortByLength(int[] rows, int from, int to, boolean longestFirst) {
    long[] keys = new long[to - from];
    for (int i = 0; i < keys.length; i++) {
      long length = lengths[rows[from + i]];
      keys[i] = ((longestFirst ? -length : length) << 32) | i;
    }
    Arrays.sort(keys);
    int[] unsorted = Arrays.copyOfRange(rows, from, to);
    for (int i = 0; i < keys.length; i++) {
      rows[from + i] = unsorted[(int) keys[i]];
    }
  }

  private List<int[]> cut(int[] rows) {
    List<int[]> batches = new ArrayList<>(batchesPerEpoch());
    for (int start = 0; start < rows.length; start += batchSize) {
      int end = (int) Math.min(rows.length, (long) start + batchSize);
      batches.add(Arrays.copyOfRange(rows, start, end));
      if (end == rows.length) {
        break;
      }
    }
    return batches;
  }
}
