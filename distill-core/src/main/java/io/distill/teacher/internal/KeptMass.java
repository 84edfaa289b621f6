package io.distill.teacher.internal;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.stream.DoubleStream;

/**
 * How much of the teacher's probability the kept logits have, over all rows or tokens, at several
 * temperatures. It is counted while the full distribution is at hand: at a temperature above 1 it
 * cannot be told from what was kept.
 *
 * <p>Immutable. Quantiles come from a histogram of the lost mass with four bins an octave.
 */
public final class KeptMass {

  /** The temperatures at which the mass is counted. */
  public static final List<Double> TEMPERATURES = List.of(1.0, 1.5, 2.0, 3.0, 4.0, 8.0);

  /** Nothing counted. */
  public static final KeptMass NONE = new KeptMass(0, new double[0], new double[0], new int[0][]);

  private static final int BINS = 64;
  private static final double BINS_PER_OCTAVE = 4;
  private static final int ONE_BYTES = 2 * Double.BYTES + BINS * Integer.BYTES;

  private final long count;
  private final double[] sums;
  private final double[] least;
  private final int[][] histograms;

  private KeptMass(long count, double[] sums, double[] least, int[][] histograms) {
    this.count = count;
    this.sums = sums;
    this.least = least;
    this.histograms = histograms;
  }

  /**
   * Counts rows or tokens.
   *
   * @param lost the mass that is not kept, by temperature and token
   */
  static KeptMass of(float[][] lost) {
    int temperatures = TEMPERATURES.size();
    double[] sums = new double[temperatures];
    double[] least = new double[temperatures];
    int[][] histograms = new int[temperatures][BINS];
    for (int i = 0; i < temperatures; i++) {
      least[i] = 1;
      for (float each : lost[i]) {
        double kept = 1 - Math.min(1, Math.max(0, each));
        sums[i] += kept;
        least[i] = Math.min(least[i], kept);
        histograms[i][bin(each)]++;
      }
    }
    return lost[0].length == 0 ? NONE : new KeptMass(lost[0].length, sums, least, histograms);
  }

  private static int bin(double lost) {
    double octaves = -Math.log(Math.max(lost, Double.MIN_NORMAL)) / Math.log(2);
    return (int) Math.max(0, Math.min(BINS - 1, Math.floor(octaves * BINS_PER_OCTAVE)));
  }

  /** Returns the counts of both. */
  KeptMass plus(KeptMass other) {
    if (count == 0 || other.count == 0) {
      return count == 0 ? other : this;
    }
    int temperatures = TEMPERATURES.size();
    double[] bothSums = new double[temperatures];
    double[] bothLeast = new double[temperatures];
    int[][] both = new int[temperatures][BINS];
    for (int i = 0; i < temperatures; i++) {
      bothSums[i] = sums[i] + other.sums[i];
      bothLeast[i] = Math.min(least[i], other.least[i]);
      for (int bin = 0; bin < BINS; bin++) {
        // a saturated count is better than a negative one
        both[i][bin] =
            (int) Math.min(Integer.MAX_VALUE, (long) histograms[i][bin] + other.histograms[i][bin]);
      }
    }
    return new KeptMass(count + other.count, bothSums, bothLeast, both);
  }

  /** Returns the number of rows or tokens counted. */
  public long count() {
    return count;
  }

  /** Returns the mean kept mass at one of {@link #TEMPERATURES}. */
  public double mean(int temperature) {
    return count == 0 ? 1 : sums[temperature] / count;
  }

  /** Returns the least kept mass at one of {@link #TEMPERATURES}. */
  public double least(int temperature) {
    return count == 0 ? 1 : least[temperature];
  }

  /**
   * Returns the kept mass that a share of all rows or tokens does not reach; rounded down to a bin.
   */
  public double quantile(int temperature, double share) {
    if (count == 0) {
      return 1;
    }
    double wanted = share * count;
    long seen = 0;
    for (int bin = 0; bin < BINS; bin++) {
      seen += histograms[temperature][bin];
      if (seen > 0 && seen >= wanted) {
        return Math.max(least[temperature], 1 - Math.pow(2, -bin / BINS_PER_OCTAVE));
      }
    }
    return 1;
  }

  /**
   * Estimates the mean kept mass at any temperature: between those counted by a straight line in
   * the logarithm of the temperature; below the first and above the last, where it can only be
   * larger and smaller, that of the first and NaN.
   */
  public double mean(double temperature) {
    if (count == 0 || temperature <= TEMPERATURES.get(0)) {
      return mean(0);
    }
    for (int i = 1; i < TEMPERATURES.size(); i++) {
      double right = TEMPERATURES.get(i);
      if (temperature <= right) {
        double left = TEMPERATURES.get(i - 1);
        double share = Math.log(temperature / left) / Math.log(right / left);
        return mean(i - 1) + share * (mean(i) - mean(i - 1));
      }
    }
    return Double.NaN;
  }

  byte[] bytes() {
    if (count == 0) {
      return new byte[0];
    }
    byte[] result = new byte[Long.BYTES + TEMPERATURES.size() * ONE_BYTES];
    ByteBuffer bytes = BlockFile.little(result).putLong(count);
    for (int i = 0; i < TEMPERATURES.size(); i++) {
      bytes.putDouble(sums[i]).putDouble(least[i]);
      for (int each : histograms[i]) {
        bytes.putInt(each);
      }
    }
    return result;
  }

  /**
   * Reads what {@link #bytes} wrote.
   *
   * @throws IllegalArgumentException if it is anything else
   */
  static KeptMass read(ByteBuffer bytes) {
    if (!bytes.hasRemaining()) {
      return NONE;
    }
    if (bytes.remaining() != Long.BYTES + TEMPERATURES.size() * ONE_BYTES) {
      throw new IllegalArgumentException("the kept mass of a block must be whole");
    }
    long count = bytes.getLong();
    double[] sums = new double[TEMPERATURES.size()];
    double[] least = new double[TEMPERATURES.size()];
    int[][] histograms = new int[TEMPERATURES.size()][BINS];
    for (int i = 0; i < TEMPERATURES.size(); i++) {
      sums[i] = bytes.getDouble();
      least[i] = bytes.getDouble();
      for (int bin = 0; bin < BINS; bin++) {
        histograms[i][bin] = bytes.getInt();
      }
    }
    boolean sane =
        count > 0
            && DoubleStream.of(sums).allMatch(each -> each >= 0 && each <= count)
            && DoubleStream.of(least).allMatch(each -> each >= 0 && each <= 1);
    if (!sane) {
      throw new IllegalArgumentException("the kept mass of a block must be between 0 and 1");
    }
    return new KeptMass(count, sums, least, histograms);
  }
}
