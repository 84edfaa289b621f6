package io.distill.teacher.internal;

import java.util.Arrays;
import java.util.Comparator;
import java.util.Random;
import java.util.stream.IntStream;

/** Distributions over a vocabulary as teachers give them, and what codes make of them. */
final class Distributions {

  private final int width;
  private final double noise;
  private final boolean favourites;
  private final Random random;
  private final double[] base;

  /**
   * Draws Zipf-shaped distributions.
   *
   * @param favourites whether the likely entries are often the same, as in text
   */
  Distributions(int width, boolean favourites, double noise, long seed) {
    this.width = width;
    this.favourites = favourites;
    this.noise = noise;
    this.random = new Random(seed);
    this.base = new double[width];
    shuffle();
  }

  private void shuffle() {
    int[] order = IntStream.range(0, width).toArray();
    for (int i = width - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
    for (int rank = 0; rank < width; rank++) {
      base[order[rank]] = -1.3 * Math.log(rank + 2.7);
    }
  }

  /** Returns logits of a token. */
  float[] logits() {
    if (!favourites) {
      shuffle();
    }
    double sharpness = 0.7 + 1.3 * random.nextDouble();
    float[] logits = new float[width];
    for (int i = 0; i < width; i++) {
      logits[i] = (float) (sharpness * (base[i] + noise * random.nextGaussian()));
    }
    return logits;
  }

  static double[] softmax(float[] logits) {
    double largest = Double.NEGATIVE_INFINITY;
    for (float each : logits) {
      largest = Math.max(largest, each);
    }
    double[] p = new double[logits.length];
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      p[i] = Math.exp(logits[i] - largest);
      sum += p[i];
    }
    for (int i = 0; i < p.length; i++) {
      p[i] /= sum;
    }
    return p;
  }

  /** Returns the ids of the k likeliest, likeliest first. */
  static int[] top(double[] p, int k) {
    double[] sorted = p.clone();
    Arrays.sort(sorted);
    double least = sorted[p.length - k];
    return IntStream.range(0, p.length)
        .filter(i -> p[i] >= least)
        .boxed()
        .sorted(Comparator.comparingDouble(i -> -p[i]))
        .limit(k)
        .mapToInt(Integer::intValue)
        .toArray();
  }

  /** Rounds a token as the code does. */
  static TokenCode.Token round(double[] p, int k) {
    int[] top = top(p, k);
    float[] logarithms = new float[k];
    for (int i = 0; i < k; i++) {
      logarithms[i] = (float) Math.log(p[top[i]]);
    }
    return TokenCode.round(top, logarithms, Math.log(tail(p, top)));
  }

  static double tail(double[] p, int[] top) {
    boolean[] kept = new boolean[p.length];
    for (int i : top) {
      kept[i] = true;
    }
    double tail = 0;
    for (int i = 0; i < p.length; i++) {
      tail += kept[i] ? 0 : p[i];
    }
    return tail;
  }

  /** Counts a token for tables. */
  static void count(TopKTables.Counter counter, double[] p, int k) {
    int[] top = top(p, k);
    float[] mass = new float[p.length];
    float[] logarithms = new float[p.length];
    for (int i = 0; i < p.length; i++) {
      mass[i] = (float) p[i];
      logarithms[i] = (float) Math.log(p[i]);
    }
    for (int i : top) {
      mass[i] = 0;
      logarithms[i] = Float.NEGATIVE_INFINITY;
    }
    counter.token(round(p, k));
    counter.tails(mass, new float[p.length], logarithms);
  }

  /** The divergence in nats of one distribution from another. */
  static double divergence(double[] p, double[] q) {
    double sum = 0;
    for (int i = 0; i < p.length; i++) {
      sum += p[i] == 0 ? 0 : p[i] * Math.log(p[i] / q[i]);
    }
    return sum;
  }

  /** What remains of a distribution if the top is kept in bfloat16 and the rest spread evenly. */
  static double[] bfloat16(double[] p, int k) {
    int[] top = top(p, k);
    double[] q = new double[p.length];
    Arrays.fill(q, rounded(tail(p, top)) / (p.length - k));
    for (int i : top) {
      q[i] = rounded(p[i]);
    }
    double sum = Arrays.stream(q).sum();
    return Arrays.stream(q).map(x -> x / sum).toArray();
  }

  private static double rounded(double probability) {
    int bits = Float.floatToIntBits((float) Math.log(probability));
    bits += 0x7FFF + ((bits >>> 16) & 1);
    return Math.exp(Float.intBitsToFloat(bits & 0xFFFF0000));
  }
}
