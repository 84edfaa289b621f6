package io.distill.teacher.internal;

/**
 * Numbers of any size from 0 on as one of a few symbols and bits: up to 15 each its own symbol,
 * from there on four an octave.
 */
final class NumberCode {

  /** The largest number. */
  static final int LARGEST = (1 << 20) - 1;

  private static final int SINGLE = 16;
  private static final int SINGLE_BITS = 4;
  private static final int PER_OCTAVE_BITS = 2;

  /** The number of symbols. */
  static final int SYMBOLS = symbol(LARGEST) + 1;

  private NumberCode() {}

  static int symbol(int number) {
    if (number < SINGLE) {
      return number;
    }
    int octave = Integer.SIZE - 1 - Integer.numberOfLeadingZeros(number);
    int quarter = (number >> (octave - PER_OCTAVE_BITS)) & ((1 << PER_OCTAVE_BITS) - 1);
    return SINGLE + ((octave - SINGLE_BITS) << PER_OCTAVE_BITS) + quarter;
  }

  /** Encodes a number from 0 to {@link #LARGEST}. */
  static void encode(RangeEncoder out, FrequencyTable table, int number) {
    int symbol = symbol(number);
    out.symbol(table, symbol);
    if (symbol >= SINGLE) {
      int bits = bits(symbol);
      lowBits(out, number & ((1 << bits) - 1), bits);
    }
  }

  private static void lowBits(RangeEncoder out, int value, int count) {
    if (count > RangeEncoder.TOTAL_BITS) {
      out.bits(value >>> RangeEncoder.TOTAL_BITS, count - RangeEncoder.TOTAL_BITS);
      out.bits(value & ((1 << RangeEncoder.TOTAL_BITS) - 1), RangeEncoder.TOTAL_BITS);
    } else {
      out.bits(value, count);
    }
  }

  static int decode(RangeDecoder in, FrequencyTable table) {
    int symbol = in.symbol(table);
    if (symbol < SINGLE) {
      return symbol;
    }
    int bits = bits(symbol);
    int quarter = (symbol - SINGLE) & ((1 << PER_OCTAVE_BITS) - 1);
    int first = ((1 << PER_OCTAVE_BITS) | quarter) << bits;
    if (bits > RangeEncoder.TOTAL_BITS) {
      int high = in.bits(bits - RangeEncoder.TOTAL_BITS);
      return first | (high << RangeEncoder.TOTAL_BITS) | in.bits(RangeEncoder.TOTAL_BITS);
    }
    return first | in.bits(bits);
  }

  private static int bits(int symbol) {
    return ((symbol - SINGLE) >> PER_OCTAVE_BITS) + SINGLE_BITS - PER_OCTAVE_BITS;
  }
}
