package io.distill.teacher.internal;

import java.io.ByteArrayOutputStream;

/**
 * An arithmetic coder: a symbol of probability p costs -log2 p bits, to within a thousandth.
 *
 * @see <a href="https://www.hpl.hp.com/techreports/Compaq-DEC/">Martin, Range encoding, 1979</a>
 */
final class RangeEncoder {

  /** Frequencies of a table add up to two to this power. */
  static final int TOTAL_BITS = 15;

  private static final long TOP = 1L << 24;
  private static final long CARRY = 1L << 32;
  private static final long WORD = 0xFFFFFFFFL;
  private static final int FLUSHED_BYTES = 5;
  private static final int LAST = 0xFF;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private long low;
  private long range = WORD;
  private int held;
  private long repeated;
  private boolean first = true;

  /** Encodes what takes {@code frequency} of {@code total} from {@code start} on. */
  private void encode(int start, int frequency, int total) {
    long unit = range / total;
    low += unit * start;
    range = unit * frequency;
    normalize();
  }

  /** Encodes a symbol of a table. */
  void symbol(FrequencyTable table, int symbol) {
    long unit = range >>> TOTAL_BITS;
    low += unit * table.start(symbol);
    range = unit * table.frequency(symbol);
    normalize();
  }

  /** Encodes a number that is equally likely to be any from 0 to {@code count - 1}. */
  void uniform(int value, int count) {
    if (count > 1 << TOTAL_BITS) {
      int high = ((count - 1) >>> TOTAL_BITS) + 1;
      uniform(value >>> TOTAL_BITS, high);
      bits(value & ((1 << TOTAL_BITS) - 1), TOTAL_BITS);
    } else if (count > 1) {
      encode(value, 1, count);
    }
  }

  /** Encodes so many bits as they are, at most {@link #TOTAL_BITS}. */
  void bits(int value, int count) {
    if (count > 0) {
      range >>>= count;
      low += range * value;
      normalize();
    }
  }

  private void normalize() {
    while (range < TOP) {
      range <<= Byte.SIZE;
      shift();
    }
  }

  private void shift() {
    if (low < LAST * TOP || low >= CARRY) {
      if (!first) {
        out.write(held + (int) (low >>> Integer.SIZE));
      }
      first = false;
      for (; repeated > 0; repeated--) {
        out.write(LAST + (int) (low >>> Integer.SIZE));
      }
      held = (int) ((low >>> 24) & LAST);
    } else {
      repeated++;
    }
    low = (low & (TOP - 1)) << Byte.SIZE;
  }

  /** Returns all bytes; nothing can be encoded after that. */
  byte[] finish() {
    // the decoder reads zeros where there is nothing: bytes that only say so can go
    for (int i = 0; i < FLUSHED_BYTES; i++) {
      shift();
    }
    byte[] bytes = out.toByteArray();
    int length = bytes.length;
    while (length > 0 && bytes[length - 1] == 0) {
      length--;
    }
    return java.util.Arrays.copyOf(bytes, length);
  }
}
