package io.distill.teacher.internal;

import java.nio.ByteBuffer;

/**
 * Reads what {@link RangeEncoder} wrote. Any bytes decode to something; what follows the last byte
 * reads as 0.
 */
final class RangeDecoder {

  private static final int TOTAL_BITS = RangeEncoder.TOTAL_BITS;
  private static final long TOP = 1L << 24;
  private static final long WORD = 0xFFFFFFFFL;
  private static final int LAST = 0xFF;

  private final ByteBuffer in;
  private long range = WORD;
  private long code;

  RangeDecoder(ByteBuffer in) {
    this.in = in;
    for (int i = 0; i < Integer.BYTES; i++) {
      code = (code << Byte.SIZE) | next();
    }
  }

  private int next() {
    return in.hasRemaining() ? in.get() & LAST : 0;
  }

  /** Decodes a symbol of a table. */
  int symbol(FrequencyTable table) {
    long unit = range >>> TOTAL_BITS;
    int target = (int) Math.min(code / unit, (1 << TOTAL_BITS) - 1);
    int symbol = table.symbol(target);
    code -= unit * table.start(symbol);
    range = unit * table.frequency(symbol);
    normalize();
    return symbol;
  }

  /** Decodes a number from 0 to {@code count - 1}. */
  int uniform(int count) {
    if (count > 1 << TOTAL_BITS) {
      int high = uniform(((count - 1) >>> TOTAL_BITS) + 1);
      return (high << TOTAL_BITS) | bits(TOTAL_BITS);
    }
    if (count <= 1) {
      return 0;
    }
    long unit = range / count;
    int value = (int) Math.min(code / unit, count - 1);
    code -= unit * value;
    range = unit;
    normalize();
    return value;
  }

  /** Decodes so many bits, at most {@link RangeEncoder#TOTAL_BITS}. */
  int bits(int count) {
    if (count == 0) {
      return 0;
    }
    range >>>= count;
    int value = (int) Math.min(code / range, (1 << count) - 1);
    code -= range * value;
    normalize();
    return value;
  }

  private void normalize() {
    while (range < TOP) {
      range <<= Byte.SIZE;
      code = ((code << Byte.SIZE) | next()) & WORD;
    }
  }
}
