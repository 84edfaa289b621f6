package io.distill.teacher.internal;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** How likely each of some symbols is, as whole numbers that add up to 2^15; none is 0. */
final class FrequencyTable {

  private static final int TOTAL = 1 << RangeEncoder.TOTAL_BITS;

  /** Looks up the symbol from the first bits of a target; then at most a few steps are left. */
  private static final int LOOKUP_SHIFT = 7;

  private static final double NEIGHBOUR = 0.1;
  private static final double FLOOR = 0.02;

  private final int[] starts;
  private final short[] lookup;

  private FrequencyTable(int[] frequencies) {
    starts = new int[frequencies.length + 1];
    for (int i = 0; i < frequencies.length; i++) {
      starts[i + 1] = starts[i] + frequencies[i];
    }
    lookup = new short[TOTAL >> LOOKUP_SHIFT];
    int symbol = 0;
    for (int i = 0; i < lookup.length; i++) {
      while (starts[symbol + 1] <= i << LOOKUP_SHIFT) {
        symbol++;
      }
      lookup[i] = (short) symbol;
    }
  }

  /** Makes a table of how often symbols were seen; those near a seen one count as likelier. */
  static FrequencyTable seen(long[] counts) {
    double[] weights = new double[counts.length];
    Arrays.fill(weights, FLOOR);
    for (int i = 0; i < counts.length; i++) {
      weights[i] += (1 - 2 * NEIGHBOUR) * counts[i];
      weights[Math.max(0, i - 1)] += NEIGHBOUR * counts[i];
      weights[Math.min(counts.length - 1, i + 1)] += NEIGHBOUR * counts[i];
    }
    return of(weights);
  }

  /** Makes a table of weights, at least one of them greater than 0. */
  static FrequencyTable of(double[] weights) {
    double sum = Arrays.stream(weights).sum();
    int[] frequencies = new int[weights.length];
    int rest = TOTAL - weights.length;
    int largest = 0;
    int given = 0;
    for (int i = 0; i < weights.length; i++) {
      int share = (int) (weights[i] / sum * rest);
      frequencies[i] = 1 + share;
      given += frequencies[i];
      if (frequencies[i] > frequencies[largest]) {
        largest = i;
      }
    }
    frequencies[largest] += TOTAL - given;
    return new FrequencyTable(frequencies);
  }

  int symbols() {
    return starts.length - 1;
  }

  int start(int symbol) {
    return starts[symbol];
  }

  int frequency(int symbol) {
    return starts[symbol + 1] - starts[symbol];
  }

  /** Returns the symbol that a number below 2^15 belongs to. */
  int symbol(int target) {
    int symbol = lookup[target >> LOOKUP_SHIFT];
    while (starts[symbol + 1] <= target) {
      symbol++;
    }
    return symbol;
  }

  int bytes() {
    return symbols() * Short.BYTES;
  }

  void write(ByteBuffer bytes) {
    for (int i = 0; i < symbols(); i++) {
      // a table of one symbol has all of 2^15, which still fits 16 bits
      bytes.putShort((short) frequency(i));
    }
  }

  /**
   * Reads what {@link #write} wrote.
   *
   * @throws IllegalArgumentException if it is no table of so many symbols
   */
  static FrequencyTable read(ByteBuffer bytes, int symbols) {
    if (symbols < 1 || symbols > TOTAL || bytes.remaining() < symbols * Short.BYTES) {
      throw new IllegalArgumentException("a table must have " + symbols + " frequencies");
    }
    int[] frequencies = new int[symbols];
    int sum = 0;
    for (int i = 0; i < symbols; i++) {
      frequencies[i] = bytes.getShort() & 0xFFFF;
      sum += frequencies[i];
      if (frequencies[i] < 1 || sum > TOTAL) {
        throw new IllegalArgumentException("frequencies of a table must add up to " + TOTAL);
      }
    }
    if (sum != TOTAL) {
      throw new IllegalArgumentException("frequencies of a table must add up to " + TOTAL);
    }
    return new FrequencyTable(frequencies);
  }
}
