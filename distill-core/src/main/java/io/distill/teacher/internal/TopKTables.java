package io.distill.teacher.internal;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * What is known of a teacher's distributions before a token is read: which entries of the
 * vocabulary are often among the top, how the mass of the others is spread, and how large values
 * are. Counted over the teacher's first answers and kept in the cache.
 *
 * <p>Entries are sorted into groups that are among the top about equally often; the number of
 * entries of each group has a table of its own, and within a group all sets are alike. Where a
 * teacher has no favourites there is one group, and ids take the log2 (V choose k) bits of a random
 * set.
 */
final class TopKTables {

  /**
   * By what factor groups may differ in how often their entries are among the top; 0 for one group.
   */
  private static final double[] GROUP_RATIOS = {0, 0.15, 0.3, 0.5};

  private static final int MOST_GROUPS = 32;

  /** A level of the tail is a sixteenth of a nat below the one before. */
  private static final double LEVEL = 1.0 / 16;

  /** The level of an entry that cannot be. */
  private static final int RULED_OUT = 255;

  private static final int LOWEST = 254;

  /** The number of step sizes; see {@link TokenCode}. */
  static final int STEPS = 256;

  private static final double[] SHARES = {0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999};

  private final int topK;
  private final int tokens;
  private final byte[] levels;
  private final byte[] groups;
  final SetCode sets;
  final FrequencyTable[] counts;
  final FrequencyTable missing;
  final FrequencyTable steps;
  final FrequencyTable tails;
  final FrequencyTable smallest;
  final FrequencyTable values;

  /** The entries of each group, ascending, and where each entry stands in its group. */
  final int[][] members;

  final int[] places;
  private final float[] tailLogarithms;
  private final double[] tailShares;

  private TopKTables(
      int topK,
      int tokens,
      byte[] levels,
      byte[] groups,
      FrequencyTable[] counts,
      FrequencyTable missing,
      FrequencyTable steps,
      FrequencyTable tails,
      FrequencyTable smallest,
      FrequencyTable values) {
    this.topK = topK;
    this.tokens = tokens;
    this.sets = new SetCode(topK);
    this.levels = levels;
    this.groups = groups;
    this.counts = counts;
    this.missing = missing;
    this.steps = steps;
    this.tails = tails;
    this.smallest = smallest;
    this.values = values;
    this.places = new int[groups.length];
    int[] sizes = new int[counts.length];
    for (int entry = 0; entry < groups.length; entry++) {
      places[entry] = sizes[groups[entry]]++;
    }
    this.members = new int[counts.length][];
    for (int group = 0; group < counts.length; group++) {
      members[group] = new int[sizes[group]];
    }
    for (int entry = 0; entry < groups.length; entry++) {
      members[groups[entry]][places[entry]] = entry;
    }
    this.tailShares = new double[levels.length];
    this.tailLogarithms = new float[levels.length];
    double sum = 0;
    for (int entry = 0; entry < levels.length; entry++) {
      int level = levels[entry] & 0xFF;
      tailShares[entry] = level == RULED_OUT ? 0 : Math.exp(-LEVEL * level);
      sum += tailShares[entry];
    }
    for (int entry = 0; entry < levels.length; entry++) {
      tailShares[entry] /= sum;
      tailLogarithms[entry] =
          tailShares[entry] == 0 ? Float.NEGATIVE_INFINITY : (float) Math.log(tailShares[entry]);
    }
  }

  int width() {
    return levels.length;
  }

  int topK() {
    return topK;
  }

  /** Returns the number of tokens that these were counted over. */
  int tokens() {
    return tokens;
  }

  int group(int entry) {
    return groups[entry];
  }

  /** Returns the logarithm of the share of a tail that each entry has; must not be changed. */
  float[] tailLogarithms() {
    return tailLogarithms;
  }

  /** Returns the share of a tail that an entry would have. */
  double tailShare(int entry) {
    return tailShares[entry];
  }

  /** Counts the teacher's first answers. */
  static final class Counter {
    private final int topK;
    private final double[][] tail;
    private final boolean[] possible;
    private int turn;
    private final List<int[]> tops = new ArrayList<>();
    private final long[] missing;
    private final long[] steps = new long[STEPS];
    private final long[] tails = new long[NumberCode.SYMBOLS];
    private final long[] smallest = new long[NumberCode.SYMBOLS];
    private final long[] values = new long[NumberCode.SYMBOLS];

    Counter(int width, int topK) {
      this.topK = topK;
      this.tail = new double[2][width];
      this.possible = new boolean[width];
      this.missing = new long[topK + 1];
    }

    /**
     * Counts the tail masses of some tokens.
     *
     * @param first the sum of the masses of each entry over one half of the tokens
     * @param second the sum over the other half; the halves check each other
     * @param largest the largest logarithm of the mass of each entry
     */
    void tails(float[] first, float[] second, float[] largest) {
      for (int entry = 0; entry < first.length; entry++) {
        tail[turn][entry] += first[entry];
        tail[1 - turn][entry] += second[entry];
        possible[entry] |= largest[entry] > Float.NEGATIVE_INFINITY;
      }
      // single tokens go to either half in turn
      turn = 1 - turn;
    }

    /** Counts what a token will be written as. */
    void token(TokenCode.Token token) {
      int count = token.count();
      tops.add(Arrays.copyOf(token.ids(), count));
      for (int i = 0; i < count; i++) {
        possible[token.ids()[i]] = true;
        values[NumberCode.symbol(token.numbers()[i])]++;
      }
      missing[topK - count]++;
      steps[token.step()]++;
      tails[NumberCode.symbol(token.tail())]++;
      smallest[NumberCode.symbol(token.smallest())]++;
    }

    int tokens() {
      return tops.size();
    }

    TopKTables build() {
      byte[] groups = groups(among(tops, 0, 1), bestRatio());
      return new TopKTables(
          topK,
          tops.size(),
          levels(),
          groups,
          Arrays.stream(sizes(tops, groups))
              .map(FrequencyTable::seen)
              .toArray(FrequencyTable[]::new),
          FrequencyTable.seen(missing),
          FrequencyTable.seen(steps),
          FrequencyTable.seen(tails),
          FrequencyTable.seen(smallest),
          FrequencyTable.seen(values));
    }

    /** Counts how often each entry is among every so many of the tops. */
    private long[] among(List<int[]> some, int from, int every) {
      long[] counts = new long[possible.length];
      for (int i = from; i < some.size(); i += every) {
        for (int entry : some.get(i)) {
          counts[entry]++;
        }
      }
      return counts;
    }

    /** Counts how often a token has so many entries of each group. */
    private long[][] sizes(List<int[]> some, byte[] groups) {
      long[][] sizes = new long[count(groups)][topK + 1];
      for (int[] top : some) {
        int[] ofGroup = new int[sizes.length];
        for (int entry : top) {
          ofGroup[groups[entry]]++;
        }
        for (int group = 0; group < sizes.length; group++) {
          sizes[group][ofGroup[group]]++;
        }
      }
      return sizes;
    }

    private static int count(byte[] groups) {
      int count = 0;
      for (byte group : groups) {
        count = Math.max(count, group + 1);
      }
      return count;
    }

    /**
     * Finds how finely to group: one half of the tokens makes the groups, the other says what they
     * cost. Where a teacher has no favourites, groups would only follow chance.
     */
    private double bestRatio() {
      List<int[]> second = new ArrayList<>();
      for (int i = 1; i < tops.size(); i += 2) {
        second.add(tops.get(i));
      }
      long[] first = among(tops, 0, 2);
      double best = 0;
      double least = Double.POSITIVE_INFINITY;
      for (double ratio : GROUP_RATIOS) {
        double cost = cost(groups(first, ratio), second);
        if (cost < least) {
          least = cost;
          best = ratio;
        }
      }
      return best;
    }

    /** Returns the bits that the sets of some tokens take. */
    private double cost(byte[] groups, List<int[]> some) {
      long[][] sizes = sizes(some, groups);
      int[] members = new int[sizes.length];
      for (byte group : groups) {
        members[group]++;
      }
      double bits = 0;
      for (int group = 0; group < sizes.length; group++) {
        // the tables would be made of as many tokens again
        FrequencyTable table = FrequencyTable.seen(sizes[group]);
        double choices = 0;
        for (int size = 0; size <= topK; size++) {
          if (size > 0) {
            choices += Math.log(Math.max(1, members[group] - size + 1) / (double) size);
          }
          double ofTable =
              Math.log(table.frequency(size) / (double) (1 << RangeEncoder.TOTAL_BITS));
          bits += sizes[group][size] * (choices - (sizes.length == 1 ? 0 : ofTable));
        }
      }
      return bits;
    }

    /**
     * Sorts entries into groups. Entries that were never among the top share the rate of those that
     * were once (Good and Turing), by what they had in the tails.
     *
     * @param ratio how often a group is among the top, to the one before it; 0 for one group
     */
    private byte[] groups(long[] among, double ratio) {
      int width = among.length;
      byte[] groups = new byte[width];
      if (ratio == 0) {
        return groups;
      }
      double once = 0;
      double unseen = 0;
      for (int entry = 0; entry < width; entry++) {
        once += among[entry] == 1 ? 1 : 0;
        unseen += among[entry] == 0 ? tail[0][entry] + tail[1][entry] : 0;
      }
      double[] rates = new double[width];
      double largest = 0;
      for (int entry = 0; entry < width; entry++) {
        double share = unseen > 0 ? (tail[0][entry] + tail[1][entry]) / unseen : 1.0 / width;
        rates[entry] = among[entry] > 0 ? among[entry] : Math.min(1, (once + 1) * share);
        largest = Math.max(largest, rates[entry]);
      }
      boolean[] used = new boolean[MOST_GROUPS];
      for (int entry = 0; entry < width; entry++) {
        double below =
            Math.log(Math.max(rates[entry], Double.MIN_NORMAL) / largest) / Math.log(ratio);
        groups[entry] = (byte) Math.max(0, Math.min(MOST_GROUPS - 1, Math.floor(below)));
        used[groups[entry]] = true;
      }
      byte[] renamed = new byte[MOST_GROUPS];
      byte next = 0;
      for (int group = 0; group < MOST_GROUPS; group++) {
        renamed[group] = next;
        next += (byte) (used[group] ? 1 : 0);
      }
      for (int entry = 0; entry < width; entry++) {
        groups[entry] = renamed[groups[entry]];
      }
      return groups;
    }

    private byte[] levels() {
      int width = possible.length;
      double[] total = new double[2];
      int open = 0;
      for (int entry = 0; entry < width; entry++) {
        total[0] += tail[0][entry];
        total[1] += tail[1][entry];
        open += possible[entry] ? 1 : 0;
      }
      double even = 1.0 / Math.max(1, open);
      double best = total[0] > 0 && total[1] > 0 ? bestShare(total, even) : 0;
      double all = total[0] + total[1];
      double[] mixed = new double[width];
      double largest = 0;
      for (int entry = 0; entry < width; entry++) {
        if (possible[entry] || open == 0) {
          mixed[entry] =
              (1 - best) * even + (best > 0 ? best * (tail[0][entry] + tail[1][entry]) / all : 0);
          largest = Math.max(largest, mixed[entry]);
        }
      }
      byte[] levels = new byte[width];
      for (int entry = 0; entry < width; entry++) {
        levels[entry] =
            (byte)
                (mixed[entry] == 0
                    ? RULED_OUT
                    : Math.min(LOWEST, Math.round(-Math.log(mixed[entry] / largest) / LEVEL)));
      }
      return levels;
    }

    /** Finds how far one half of the tokens can be trusted to tell the tails of the other. */
    private double bestShare(double[] total, double even) {
      double best = 0;
      double least = Double.POSITIVE_INFINITY;
      for (double share : SHARES) {
        double bits = 0;
        for (int entry = 0; entry < possible.length; entry++) {
          if (possible[entry]) {
            for (int half = 0; half < 2; half++) {
              double told = share * tail[half][entry] / total[half] + (1 - share) * even;
              bits -= tail[1 - half][entry] / total[1 - half] * Math.log(told);
            }
          }
        }
        if (bits < least) {
          least = bits;
          best = share;
        }
      }
      return best;
    }
  }

  byte[] bytes() {
    int length = 2 * levels.length + 2 * Integer.BYTES;
    for (FrequencyTable table : tables()) {
      length += table.bytes();
    }
    byte[] result = new byte[length];
    ByteBuffer bytes = BlockFile.little(result);
    bytes.putInt(tokens).put(levels).put(groups).putInt(counts.length);
    for (FrequencyTable table : tables()) {
      table.write(bytes);
    }
    return result;
  }

  private FrequencyTable[] tables() {
    FrequencyTable[] all = Arrays.copyOf(counts, counts.length + 5);
    all[counts.length] = missing;
    all[counts.length + 1] = steps;
    all[counts.length + 2] = tails;
    all[counts.length + 3] = smallest;
    all[counts.length + 4] = values;
    return all;
  }

  /**
   * Reads what {@link #bytes} wrote.
   *
   * @throws IllegalArgumentException if it is anything else
   */
  static TopKTables read(ByteBuffer bytes, int width, int topK) {
    if (bytes.remaining() < 2L * width + 2 * Integer.BYTES) {
      throw new IllegalArgumentException("tables of the top logits must have an entry a logit");
    }
    int tokens = bytes.getInt();
    if (tokens < 0) {
      throw new IllegalArgumentException("tables must be of some tokens but are of " + tokens);
    }
    byte[] levels = new byte[width];
    byte[] groups = new byte[width];
    bytes.get(levels).get(groups);
    int count = bytes.getInt();
    if (count < 1 || count > MOST_GROUPS) {
      throw new IllegalArgumentException("there must be 1 to 32 groups but there are " + count);
    }
    for (byte group : groups) {
      if (group < 0 || group >= count) {
        throw new IllegalArgumentException("a group must be below " + count + " but is " + group);
      }
    }
    boolean open = false;
    for (byte level : levels) {
      open |= (level & 0xFF) != RULED_OUT;
    }
    if (!open) {
      throw new IllegalArgumentException("a tail must have an entry that is not ruled out");
    }
    FrequencyTable[] counts = new FrequencyTable[count];
    for (int group = 0; group < count; group++) {
      counts[group] = FrequencyTable.read(bytes, topK + 1);
    }
    TopKTables tables =
        new TopKTables(
            topK,
            tokens,
            levels,
            groups,
            counts,
            FrequencyTable.read(bytes, topK + 1),
            FrequencyTable.read(bytes, STEPS),
            FrequencyTable.read(bytes, NumberCode.SYMBOLS),
            FrequencyTable.read(bytes, NumberCode.SYMBOLS),
            FrequencyTable.read(bytes, NumberCode.SYMBOLS));
    if (bytes.hasRemaining()) {
      throw new IllegalArgumentException("tables of the top logits must end with their block");
    }
    return tables;
  }
}
