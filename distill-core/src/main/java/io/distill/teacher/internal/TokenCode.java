package io.distill.teacher.internal;

import java.util.Arrays;

/**
 * The top of one distribution as numbers, and those numbers as bits.
 *
 * <p>A probability p is rounded to the nearest of the levels
 *
 * <pre>{@code
 * p = ((u + 8) · h)²       for u = 0, 1, 2, ...     (steps of h in √p)
 * p = (8 · h)² · e^(u/4)   for u = -1, -2, ...      (steps of a quarter in log p)
 * }</pre>
 *
 * <p>Steps that are even in √p cost the least divergence for their bits: the Fisher information of
 * a distribution is flat there. The step h is chosen for each token as the largest of {@code
 * 2^(-j/8)} at which the divergence of the rounded distribution (k kept entries and the rest as
 * one) is at most that of the same values in bfloat16, and at most {@link #LARGEST_DIVERGENCE}. So
 * every log-probability is within 1/8 of what the teacher said, and most are far closer.
 *
 * <p>The logarithm of the mass of the rest is kept in steps of 1/256.
 */
final class TokenCode {

  /** The largest divergence in nats that rounding may cost a token. */
  static final double LARGEST_DIVERGENCE = 1.0 / (1 << 16);

  /** The smallest divergence that is asked for; below it float32 itself is rounded. */
  private static final double SMALLEST_DIVERGENCE = 1e-9;

  private static final double LOG_STEP = 0.25;
  private static final int LINEAR_FROM = 8;
  private static final double TAIL_STEPS = 256;
  private static final double STEPS_PER_OCTAVE = 8;

  /** The number that says that nothing else has any mass. */
  private static final int NO_TAIL = NumberCode.LARGEST;

  private static final int TABLE = 1 << 14;
  private static final double[] LOGARITHMS = new double[TABLE];
  private static final double[] STEP_LOGARITHMS = new double[TopKTables.STEPS];

  static {
    for (int i = 1; i < TABLE; i++) {
      LOGARITHMS[i] = 2 * Math.log(i);
    }
    for (int j = 0; j < STEP_LOGARITHMS.length; j++) {
      STEP_LOGARITHMS[j] = -2 * Math.log(2) * j / STEPS_PER_OCTAVE;
    }
  }

  private final TopKTables tables;
  private final SetCode sets;
  private final int[] local;
  private final int[] byGroup;

  TokenCode(TopKTables tables) {
    this.tables = tables;
    this.sets = tables.sets;
    this.local = new int[tables.topK()];
    this.byGroup = new int[tables.counts.length + 1];
  }

  /**
   * A token as numbers.
   *
   * @param count how many entries are kept, fewer than k if others have no mass
   * @param ids their ids, in ascending order
   * @param numbers the level of each above the smallest
   * @param step the number j of the step size
   * @param smallest the smallest level, as a number from 0 on
   * @param tail the logarithm of the mass of the rest, as a number from 0 on
   */
  @SuppressWarnings("ArrayRecordComponent")
  record Token(int count, int[] ids, int[] numbers, int step, int smallest, int tail) {}

  /**
   * Rounds the top of a distribution.
   *
   * @param ids the ids of the kept entries
   * @param logarithms their log-probabilities; an entry at -infinity is not kept
   * @param tail the logarithm of the mass of all other entries
   */
  static Token round(int[] ids, float[] logarithms, double tail) {
    Integer[] order = new Integer[ids.length];
    Arrays.setAll(order, i -> i);
    Arrays.sort(order, (left, right) -> Integer.compare(ids[left], ids[right]));
    int[] sorted = new int[ids.length];
    double[] values = new double[ids.length];
    int count = 0;
    for (int i : order) {
      if (logarithms[i] != Float.NEGATIVE_INFINITY) {
        sorted[count] = ids[i];
        values[count++] = Math.min(0, logarithms[i]);
      }
    }
    int tailNumber =
        tail == Double.NEGATIVE_INFINITY
            ? NO_TAIL
            : (int) Math.min(NO_TAIL - 1, Math.round(-Math.min(0, tail) * TAIL_STEPS));
    double allowed = allowed(values, count, tail);
    int[] levels = new int[ids.length];
    int step = firstStep(allowed, count);
    while (true) {
      for (int i = 0; i < count; i++) {
        levels[i] = level(values[i], step);
      }
      if (step == TopKTables.STEPS - 1
          || divergence(values, levels, count, step, tail, tailNumber) <= allowed) {
        break;
      }
      step++;
    }
    int smallest = Integer.MAX_VALUE;
    for (int i = 0; i < count; i++) {
      smallest = Math.min(smallest, levels[i]);
    }
    smallest = count == 0 ? 0 : smallest;
    for (int i = 0; i < count; i++) {
      levels[i] -= smallest;
    }
    int zigzag = smallest >= 0 ? 2 * smallest : -2 * smallest - 1;
    return new Token(count, sorted, levels, step, zigzag, tailNumber);
  }

  /** Returns the divergence that bfloat16 would be expected to cost. */
  private static double allowed(double[] values, int count, double tail) {
    double expected = 0;
    for (int i = 0; i < count; i++) {
      expected += expectedOfBfloat16(values[i]);
    }
    expected += tail == Double.NEGATIVE_INFINITY ? 0 : expectedOfBfloat16(tail);
    return Math.max(SMALLEST_DIVERGENCE, Math.min(LARGEST_DIVERGENCE, expected));
  }

  private static double expectedOfBfloat16(double logarithm) {
    // 8 significant bits: the spacing is 2^-7 of the power of two below
    double spacing = Math.ulp((float) logarithm) * (1 << 16);
    double probability = Math.exp(logarithm);
    return probability * (1 - probability) * spacing * spacing / 24;
  }

  private static int firstStep(double allowed, int count) {
    // even errors of ±h/2 in √p cost h²/6 an entry; start a bit above
    double step = Math.sqrt(6 * allowed / Math.max(1, count)) * 1.5;
    long number = Math.round(-Math.log(step) / Math.log(2) * STEPS_PER_OCTAVE);
    return (int) Math.max(0, Math.min(TopKTables.STEPS - 1, number));
  }

  private static int level(double logarithm, int step) {
    double above = logarithm - STEP_LOGARITHMS[step] - LOGARITHMS[LINEAR_FROM];
    return (int)
        (above >= 0
            ? Math.min(NumberCode.LARGEST, Math.round(LINEAR_FROM * (Math.exp(above / 2) - 1)))
            : Math.max(-NumberCode.LARGEST / 2, Math.round(above / LOG_STEP)));
  }

  /** Returns the logarithm of the probability of a level. */
  private static double logarithm(int level, int step) {
    if (level < 0) {
      return STEP_LOGARITHMS[step] + LOGARITHMS[LINEAR_FROM] + level * LOG_STEP;
    }
    int units = level + LINEAR_FROM;
    return STEP_LOGARITHMS[step] + (units < TABLE ? LOGARITHMS[units] : 2 * Math.log(units));
  }

  private static double divergence(
      double[] values, int[] levels, int count, int step, double tail, int tailNumber) {
    double sum = tailNumber == NO_TAIL ? 0 : Math.exp(-tailNumber / TAIL_STEPS);
    double mass = tail == Double.NEGATIVE_INFINITY ? 0 : Math.exp(tail);
    double difference = mass == 0 ? 0 : mass * (tail + tailNumber / TAIL_STEPS);
    for (int i = 0; i < count; i++) {
      double rounded = logarithm(levels[i], step);
      double probability = Math.exp(values[i]);
      sum += Math.exp(rounded);
      mass += probability;
      difference += probability * (values[i] - rounded);
    }
    // both sides brought to a sum of 1; the teacher's own sum is rounded too
    return difference / mass + Math.log(sum / mass);
  }

  void encode(RangeEncoder out, Token token) {
    out.symbol(tables.missing, tables.topK() - token.count());
    int count = token.count();
    int[] order = byGroup(token.ids(), count);
    int from = 0;
    int left = count;
    for (int group = 0; group < tables.counts.length; group++) {
      int to = byGroup[group + 1];
      if (left > 0) {
        out.symbol(tables.counts[group], to - from);
      }
      left -= to - from;
      sets.encode(out, local, from, to, 0, tables.members[group].length);
      from = to;
    }
    NumberCode.encode(out, tables.tails, token.tail());
    if (count == 0) {
      return;
    }
    out.symbol(tables.steps, token.step());
    NumberCode.encode(out, tables.smallest, token.smallest());
    for (int i = 0; i < count; i++) {
      NumberCode.encode(out, tables.values, token.numbers()[order[i]]);
    }
  }

  /** Sorts ids by group; their places go into {@link #local}. */
  private int[] byGroup(int[] ids, int count) {
    Arrays.fill(byGroup, 0);
    for (int i = 0; i < count; i++) {
      byGroup[tables.group(ids[i]) + 1]++;
    }
    for (int group = 1; group < byGroup.length; group++) {
      byGroup[group] += byGroup[group - 1];
    }
    int[] next = Arrays.copyOf(byGroup, byGroup.length);
    int[] order = new int[count];
    for (int i = 0; i < count; i++) {
      int place = next[tables.group(ids[i])]++;
      order[place] = i;
      local[place] = tables.places[ids[i]];
    }
    return order;
  }

  /**
   * Decodes a token.
   *
   * @param ids where the ids go, from {@code at} on; if fewer than k are kept the first comes again
   * @param values where their logarithms go; up to a constant, they are log-probabilities
   * @return the logarithm of the mass of the rest minus that of the share which the tables give to
   *     the kept entries, so that adding the tables' logarithms spreads it over all others
   * @throws IllegalArgumentException if there cannot be such a token
   */
  float decode(RangeDecoder in, long[] ids, float[] values, int at) {
    int topK = tables.topK();
    int count = topK - in.symbol(tables.missing);
    int from = 0;
    for (int group = 0; group < tables.counts.length && from < count; group++) {
      int to = from + in.symbol(tables.counts[group]);
      if (to > count) {
        throw new IllegalArgumentException(
            "a token must have at most " + count + " entries but has " + to);
      }
      int[] members = tables.members[group];
      sets.decode(in, local, from, to, 0, members.length);
      for (int i = from; i < to; i++) {
        ids[at + i] = members[local[i]];
      }
      from = to;
    }
    if (from != count) {
      throw new IllegalArgumentException("a token must have " + count + " entries but has " + from);
    }
    int tailNumber = NumberCode.decode(in, tables.tails);
    double kept = 0;
    if (count > 0) {
      int step = in.symbol(tables.steps);
      int zigzag = NumberCode.decode(in, tables.smallest);
      int smallest = (zigzag & 1) == 0 ? zigzag >> 1 : -((zigzag + 1) >> 1);
      for (int i = 0; i < count; i++) {
        values[at + i] = (float) logarithm(smallest + NumberCode.decode(in, tables.values), step);
        kept += tables.tailShare((int) ids[at + i]);
      }
    }
    float base =
        tailNumber == NO_TAIL || kept >= 1
            ? Float.NEGATIVE_INFINITY
            : (float) (-tailNumber / TAIL_STEPS - Math.log1p(-kept));
    for (int i = count; i < topK; i++) {
      ids[at + i] = count == 0 ? 0 : ids[at];
      values[at + i] = count == 0 ? base + tables.tailLogarithms()[0] : values[at];
    }
    return base;
  }
}
