package io.distill.teacher.internal;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Where the records of one kind of signals stand; an open-addressed table in plain arrays, about 70
 * bytes a row.
 */
final class RowIndex {

  private static final int FIRST_CAPACITY = 64;

  /** Where a record stands and what it must be. */
  record Place(long position, int length, int checksum, long inputs) {}

  private long[] high = new long[FIRST_CAPACITY];
  private long[] low = new long[FIRST_CAPACITY];
  private long[] positions = new long[FIRST_CAPACITY];
  private long[] inputs = new long[FIRST_CAPACITY];
  private int[] lengths = new int[FIRST_CAPACITY];
  private int[] checksums = new int[FIRST_CAPACITY];
  private int size;

  RowIndex() {
    Arrays.fill(positions, -1);
  }

  int size() {
    return size;
  }

  @Nullable Place get(RowKey key) {
    int slot = slot(key.high(), key.low());
    return positions[slot] < 0
        ? null
        : new Place(positions[slot], lengths[slot], checksums[slot], inputs[slot]);
  }

  /** Adds a row; one that is there already stays. */
  void put(RowKey key, Place place) {
    if ((size + 1) * 3L > high.length * 2L) {
      grow();
    }
    int slot = slot(key.high(), key.low());
    if (positions[slot] < 0) {
      set(slot, key.high(), key.low(), place);
      size++;
    }
  }

  private void set(int slot, long keyHigh, long keyLow, Place place) {
    high[slot] = keyHigh;
    low[slot] = keyLow;
    positions[slot] = place.position();
    inputs[slot] = place.inputs();
    lengths[slot] = place.length();
    checksums[slot] = place.checksum();
  }

  private int slot(long keyHigh, long keyLow) {
    int mask = high.length - 1;
    int slot = (int) keyHigh & mask;
    while (positions[slot] >= 0 && (high[slot] != keyHigh || low[slot] != keyLow)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private void grow() {
    RowIndex larger = new RowIndex();
    int capacity = Math.multiplyExact(high.length, 2);
    larger.high = new long[capacity];
    larger.low = new long[capacity];
    larger.positions = new long[capacity];
    larger.inputs = new long[capacity];
    larger.lengths = new int[capacity];
    larger.checksums = new int[capacity];
    Arrays.fill(larger.positions, -1);
    for (int i = 0; i < high.length; i++) {
      if (positions[i] >= 0) {
        larger.set(
            larger.slot(high[i], low[i]),
            high[i],
            low[i],
            new Place(positions[i], lengths[i], checksums[i], inputs[i]));
      }
    }
    high = larger.high;
    low = larger.low;
    positions = larger.positions;
    inputs = larger.inputs;
    lengths = larger.lengths;
    checksums = larger.checksums;
  }
}
