package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.pytorch.jni.JniUtils;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.signal.SignalKind;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * How fast a model answers one text at a time, on one thread.
 *
 * <p>The middle of many calls, so that a pause of the machine does not count; compare figures of
 * one machine and one load only. All times are in milliseconds.
 *
 * @param p50Millis the median time from a text to the answer, tokenising included
 * @param p95Millis the time that 95 % of those calls stay below
 * @param modelP50Millis the median time from token ids to the answer
 * @param modelP95Millis the time that 95 % of those calls stay below
 * @param tokenizerP50Millis the median time from a text to token ids
 * @param sentencesPerSecond texts answered in a second, tokenising included, from the total time
 * @param calls the number of timed calls of each kind, at least 1
 */
public record Latency(
    double p50Millis,
    double p95Millis,
    double modelP50Millis,
    double modelP95Millis,
    double tokenizerP50Millis,
    double sentencesPerSecond,
    int calls) {

  /** How long a measurement takes unless the caller says otherwise, warm-up included: 2 s. */
  public static final Duration DEFAULT_TIME = Duration.ofSeconds(2);

  private static final double NANOS_PER_MILLI = 1e6;
  private static final double NANOS_PER_SECOND = 1e9;

  /** Warm-up ends when two blocks of this many calls in a row are alike. */
  private static final int BLOCK = 50;

  private static final double ALIKE = 0.05;
  private static final int WARM_UP_SHARE = 3;
  private static final int MAX_CALLS = 100_000;
  private static final long ORDER_SEED = 17;

  /**
   * Measures a model for about {@link #DEFAULT_TIME}.
   *
   * @param model the model; it must read text
   * @param texts what it is asked, at least one text
   * @return its speed
   * @throws IllegalArgumentException if {@code texts} is empty
   * @throws DistillationException if the model has no tokenizer
   */
  public static Latency measure(DeployableModel model, List<String> texts) {
    return measure(model, texts, DEFAULT_TIME);
  }

  /**
   * Measures a model.
   *
   * <p>The model answers with logits, or with its embedding if it gives no logits. Texts are taken
   * in one fixed random order, again and again: in turns one with tokenising and one whose token
   * ids were made beforehand. Up to a third of the time is spent on warming up. Native code runs on
   * one thread meanwhile; other models should not run in the same process.
   *
   * @param model the model; it must read text
   * @param texts what it is asked, at least one text
   * @param time how long to measure, warm-up included; greater than 0. A call that has begun is
   *     finished, and each kind of call is timed at least once
   * @return its speed
   * @throws IllegalArgumentException if {@code texts} is empty, or {@code time} is out of range
   * @throws DistillationException if the model has no tokenizer
   */
  public static Latency measure(DeployableModel model, List<String> texts, Duration time) {
    requireNonNull(model, "model");
    requireNonNull(texts, "texts");
    requireNonNull(time, "time");
    checkArgument(!texts.isEmpty(), "texts must have at least one text but was empty");
    checkArgument(
        !time.isZero() && !time.isNegative(), "time must be greater than 0 but was %s", time);
    Tokenizer tokenizer =
        model
            .tokenizer()
            .orElseThrow(
                () ->
                    new DistillationException(
                        "model must have a tokenizer to be timed on texts but has none; give it one"
                            + " when it is built"));
    List<String> order = new ArrayList<>(texts);
    Collections.shuffle(order, new Random(ORDER_SEED));
    NativeEngine.prepareThread();
    int threads = JniUtils.getNumThreads();
    JniUtils.setNumThreads(1);
    try {
      Stopwatch stopwatch = new Stopwatch(model, tokenizer, order);
      long start = System.nanoTime();
      stopwatch.warmUp(start, time.toNanos() / WARM_UP_SHARE);
      return stopwatch.run(start, time.toNanos());
    } finally {
      JniUtils.setNumThreads(threads);
    }
  }

  /** Asks one model in turns with and without tokenising. */
  private static final class Stopwatch {
    private final DeployableModel model;
    private final Tokenizer tokenizer;
    private final boolean classifies;
    private final List<String> texts;
    private final int[][] encoded;
    private final long[] tokenizerNanos = new long[MAX_CALLS];
    private final long[] textNanos = new long[MAX_CALLS];
    private final long[] modelNanos = new long[MAX_CALLS];

    Stopwatch(DeployableModel model, Tokenizer tokenizer, List<String> texts) {
      this.model = model;
      this.tokenizer = tokenizer;
      this.classifies = model.model().provides().contains(SignalKind.LOGITS);
      this.texts = texts;
      this.encoded = texts.stream().map(tokenizer::encode).toArray(int[][]::new);
    }

    void warmUp(long start, long nanos) {
      double before = Double.POSITIVE_INFINITY;
      int call = 0;
      while (call < MAX_CALLS && System.nanoTime() - start < nanos) {
        time(call++);
        if (call % BLOCK == 0) {
          double now = quantile(Arrays.copyOfRange(textNanos, call - BLOCK, call), BLOCK, 0.5);
          if (Math.abs(now - before) < ALIKE * before) {
            return;
          }
          before = now;
        }
      }
    }

    Latency run(long start, long nanos) {
      int calls = 0;
      do {
        time(calls++);
      } while (calls < MAX_CALLS && System.nanoTime() - start < nanos);
      double total = 0;
      for (int i = 0; i < calls; i++) {
        total += textNanos[i];
      }
      return new Latency(
          quantile(textNanos, calls, 0.5) / NANOS_PER_MILLI,
          quantile(textNanos, calls, 0.95) / NANOS_PER_MILLI,
          quantile(modelNanos, calls, 0.5) / NANOS_PER_MILLI,
          quantile(modelNanos, calls, 0.95) / NANOS_PER_MILLI,
          quantile(tokenizerNanos, calls, 0.5) / NANOS_PER_MILLI,
          calls * NANOS_PER_SECOND / total,
          calls);
    }

    private void time(int call) {
      long start = System.nanoTime();
      int[] ids = tokenizer.encode(texts.get(call % texts.size()));
      long tokenized = System.nanoTime();
      ask(ids);
      long answered = System.nanoTime();
      tokenizerNanos[call] = tokenized - start;
      textNanos[call] = answered - start;
      // another text, so that its rows are not in the processor's cache already
      int[] prepared = encoded[(call + texts.size() / 2) % texts.size()];
      long again = System.nanoTime();
      ask(prepared);
      modelNanos[call] = System.nanoTime() - again;
    }

    private void ask(int[] ids) {
      float[] answer = classifies ? model.logits(ids) : model.embedding(ids);
      if (answer.length == 0) {
        throw new DistillationException(
            "model must answer with at least one number but gave none; check the model's outputs");
      }
    }
  }

  /** Returns the smallest value that at least the given share of the first values do not exceed. */
  static double quantile(long[] values, int count, double share) {
    long[] sorted = Arrays.copyOf(values, count);
    Arrays.sort(sorted);
    return sorted[Math.max(0, (int) Math.ceil(share * count) - 1)];
  }
}
