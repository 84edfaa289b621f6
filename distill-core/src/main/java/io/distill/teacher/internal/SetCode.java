package io.distill.teacher.internal;

/**
 * A set of n of the numbers from 0 to s-1, all such sets alike, at close to the log2 (s choose n)
 * bits that it takes: how many of them are in the lower half, then each half likewise.
 */
final class SetCode {

  /** How many of n are in one half, by n. */
  private final FrequencyTable[] halves;

  /** Prepares for sets of up to so many numbers. */
  SetCode(int largest) {
    halves = new FrequencyTable[largest + 1];
    // additions and halvings are exact enough to be the same on every machine
    double[] row = {1};
    for (int n = 0; n <= largest; n++) {
      halves[n] = FrequencyTable.of(row);
      double[] next = new double[row.length + 1];
      for (int i = 0; i < row.length; i++) {
        next[i] += row[i] / 2;
        next[i + 1] += row[i] / 2;
      }
      row = next;
    }
  }

  /** Encodes numbers in ascending order, {@code numbers[from]} to {@code numbers[to - 1]}. */
  void encode(RangeEncoder out, int[] numbers, int from, int to, int first, int size) {
    int count = to - from;
    if (count == 0 || count == size) {
      return;
    }
    if (count == 1) {
      out.uniform(numbers[from] - first, size);
      return;
    }
    int lower = size / 2;
    int middle = from;
    while (middle < to && numbers[middle] < first + lower) {
      middle++;
    }
    out.symbol(halves[count], middle - from);
    encode(out, numbers, from, middle, first, lower);
    encode(out, numbers, middle, to, first + lower, size - lower);
  }

  /**
   * Decodes numbers in ascending order.
   *
   * @throws IllegalArgumentException if there cannot be such a set
   */
  void decode(RangeDecoder in, int[] numbers, int from, int to, int first, int size) {
    int count = to - from;
    if (count > size) {
      throw new IllegalArgumentException(
          "a set must have at most " + size + " numbers but has " + count);
    }
    if (count == 0) {
      return;
    }
    if (count == size) {
      for (int i = 0; i < count; i++) {
        numbers[from + i] = first + i;
      }
      return;
    }
    if (count == 1) {
      int number = in.uniform(size);
      if (number >= size) {
        throw new IllegalArgumentException(
            "a number of a set must be below " + size + " but was " + number);
      }
      numbers[from] = first + number;
      return;
    }
    int lower = size / 2;
    int middle = from + in.symbol(halves[count]);
    decode(in, numbers, from, middle, first, lower);
    decode(in, numbers, middle, to, first + lower, size - lower);
  }
}
