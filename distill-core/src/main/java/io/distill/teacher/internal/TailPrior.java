package io.distill.teacher.internal;

import java.nio.ByteBuffer;

/**
 * How the mass of a tail is spread over the entries of a vocabulary that were not kept: in
 * proportion to what the teacher's first answers gave to each entry when it was not among the top.
 *
 * <p>Kept as one byte an entry, a sixteenth of a nat each, so all entries lie within 16 nats.
 */
public final class TailPrior {

  private static final double STEP = 1.0 / 16;
  private static final int LARGEST = 255;

  private final byte[] levels;
  private final float[] logarithms;

  private TailPrior(byte[] levels) {
    this.levels = levels;
    this.logarithms = new float[levels.length];
    double sum = 0;
    for (byte level : levels) {
      sum += Math.exp(-STEP * (level & LARGEST));
    }
    for (int i = 0; i < levels.length; i++) {
      logarithms[i] = (float) (-STEP * (levels[i] & LARGEST) - Math.log(sum));
    }
  }

  /**
   * Makes a prior of mean masses.
   *
   * @param mass what each entry had in the tails, not all 0
   * @param tokens the number of tails; the fewer, the more equal the prior
   */
  static TailPrior of(double[] mass, long tokens) {
    double total = 0;
    for (double each : mass) {
      total += each;
    }
    // as if one more token in a hundred had an even tail: an entry never seen may still come
    double even = 1.0 / mass.length;
    double share = total > 0 ? 1.0 / (1 + 0.01 + 1.0 / Math.max(1, tokens)) : 0;
    double[] mixed = new double[mass.length];
    double largest = 0;
    for (int i = 0; i < mass.length; i++) {
      mixed[i] = (1 - share) * even + (total > 0 ? share * mass[i] / total : 0);
      largest = Math.max(largest, mixed[i]);
    }
    byte[] levels = new byte[mass.length];
    for (int i = 0; i < mass.length; i++) {
      long level = Math.round(-Math.log(mixed[i] / largest) / STEP);
      levels[i] = (byte) Math.min(LARGEST, level);
    }
    return new TailPrior(levels);
  }

  /** Returns a prior under which all entries are alike. */
  static TailPrior even(int width) {
    return new TailPrior(new byte[width]);
  }

  /**
   * Returns the logarithms of the prior.
   *
   * @return one an entry, must not be changed
   */
  float[] logarithms() {
    return logarithms;
  }

  byte[] bytes() {
    return levels.clone();
  }

  /**
   * Reads what {@link #bytes} wrote.
   *
   * @throws IllegalArgumentException if it has another width
   */
  static TailPrior read(ByteBuffer bytes, int width) {
    if (bytes.remaining() != width) {
      throw new IllegalArgumentException(
          "a prior must have " + width + " entries but has " + bytes.remaining());
    }
    byte[] levels = new byte[width];
    bytes.get(levels);
    return new TailPrior(levels);
  }
}
