package io.distill.generation;

import java.util.Arrays;
import java.util.BitSet;
import java.util.SplittableRandom;

/** Chooses the next token of one row. */
final class TokenSampler {

  /** Tokens this far below the best one have less than a 1e-8th of its probability. */
  private static final double NEGLIGIBLE = 20;

  private final GenerationOptions options;
  private final int vocabulary;
  private final SplittableRandom random;
  private final BitSet present = new BitSet();

  /**
   * Starts a row.
   *
   * @param vocabulary how many ids the tokenizer knows; the model's others are never chosen
   * @param seed the seed of the row's draws
   */
  TokenSampler(GenerationOptions options, int vocabulary, long seed) {
    this.options = options;
    this.vocabulary = vocabulary;
    this.random = new SplittableRandom(seed);
  }

  void saw(int id) {
    if (options.repetitionPenalty() != 1) {
      present.set(id);
    }
  }

  /** Returns the logarithm of the probability of a token by the model's own distribution. */
  double logProbability(float[] logits, int id) {
    int count = Math.min(vocabulary, logits.length);
    double best = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < count; i++) {
      best = Math.max(best, logits[i]);
    }
    double sum = 0;
    for (int i = 0; i < count; i++) {
      sum += Math.exp(logits[i] - best);
    }
    return logits[id] - best - Math.log(sum);
  }

  /** Chooses a token; changes {@code logits}. */
  int choose(float[] logits) {
    int count = Math.min(vocabulary, logits.length);
    float penalty = (float) options.repetitionPenalty();
    for (int id = present.nextSetBit(0); id >= 0 && id < count; id = present.nextSetBit(id + 1)) {
      logits[id] = logits[id] > 0 ? logits[id] / penalty : logits[id] * penalty;
    }
    int best = 0;
    for (int i = 1; i < count; i++) {
      if (logits[i] > logits[best]) {
        best = i;
      }
    }
    if (options.temperature() == 0) {
      return best;
    }
    return draw(logits, count, best);
  }

  private int draw(float[] logits, int count, int best) {
    double temperature = options.temperature();
    double top = logits[best] / temperature;
    double lowest = Double.NEGATIVE_INFINITY;
    if (options.topK() > 0 && options.topK() < count) {
      lowest = nthLargest(logits, count, options.topK()) / temperature;
    }
    boolean cut = options.topP() < 1;
    double floor = cut ? Math.max(lowest, nucleus(logits, count, top, lowest)) : lowest;
    if (options.minP() > 0) {
      floor = Math.max(floor, top + Math.log(options.minP()));
    }
    double sum = 0;
    for (int i = 0; i < count; i++) {
      double score = logits[i] / temperature;
      sum += score >= floor ? Math.exp(score - top) : 0;
    }
    double drawn = random.nextDouble() * sum;
    int last = best;
    for (int i = 0; i < count; i++) {
      double score = logits[i] / temperature;
      if (score >= floor) {
        last = i;
        drawn -= Math.exp(score - top);
        if (drawn < 0) {
          return i;
        }
      }
    }
    return last;
  }

  /** Returns the score of the last token that belongs to the smallest set with enough mass. */
  private double nucleus(float[] logits, int count, double top, double lowest) {
    double temperature = options.temperature();
    double sum = 0;
    for (int i = 0; i < count; i++) {
      double score = logits[i] / temperature;
      sum += score >= lowest ? Math.exp(score - top) : 0;
    }
    double wanted = options.topP() * sum;
    // few tokens carry nearly all mass: only if they do not suffice all are sorted
    for (double reach : new double[] {NEGLIGIBLE / 4, NEGLIGIBLE, Double.POSITIVE_INFINITY}) {
      double bound = Math.max(lowest, top - reach);
      double[] scores = new double[count];
      int kept = 0;
      for (int i = 0; i < count; i++) {
        double score = logits[i] / temperature;
        if (score >= bound) {
          scores[kept++] = score;
        }
      }
      Arrays.sort(scores, 0, kept);
      double mass = 0;
      for (int i = kept - 1; i >= 0; i--) {
        mass += Math.exp(scores[i] - top);
        if (mass >= wanted) {
          return scores[i];
        }
      }
    }
    return lowest;
  }

  private static float nthLargest(float[] values, int count, int n) {
    // a heap of the n largest, the smallest of them first
    float[] heap = Arrays.copyOf(values, n);
    for (int i = n / 2 - 1; i >= 0; i--) {
      sink(heap, i);
    }
    for (int i = n; i < count; i++) {
      if (values[i] > heap[0]) {
        heap[0] = values[i];
        sink(heap, 0);
      }
    }
    return heap[0];
  }

  private static void sink(float[] heap, int start) {
    int at = start;
    while (true) {
      int child = 2 * at + 1;
      if (child >= heap.length) {
        return;
      }
      if (child + 1 < heap.length && heap[child + 1] < heap[child]) {
        child++;
      }
      if (heap[at] <= heap[child]) {
        return;
      }
      float swapped = heap[at];
      heap[at] = heap[child];
      heap[child] = swapped;
      at = child;
    }
  }
}
