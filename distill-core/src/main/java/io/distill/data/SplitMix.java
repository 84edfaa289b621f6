package io.distill.data;

/**
 * The SplitMix64 sequence; written out here because the order of rows must not depend on a JDK.
 *
 * @see <a href="https://doi.org/10.1145/2714064.2660195">Steele, Lea, Flood, Fast splittable
 *     pseudorandom number generators, 2014</a>
 */
final class SplitMix {

  private static final long GAMMA = 0x9E3779B97F4A7C15L;

  private long state;

  SplitMix(long seed) {
    this.state = seed;
  }

  static long mix(long value) {
    long mixed = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
    mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
    return mixed ^ (mixed >>> 31);
  }

  long next() {
    state += GAMMA;
    return mix(state);
  }

  /** Returns an index from 0 to {@code bound - 1}; the bias is below {@code bound / 2^64}. */
  int below(int bound) {
    long number = next();
    long high = Math.multiplyHigh(number, bound);
    // multiplyHigh is signed: a negative number stands for itself plus 2^64
    return (int) (number < 0 ? high + bound : high);
  }
}
