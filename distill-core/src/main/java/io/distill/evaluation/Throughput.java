package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.Set;

/**
 * How many texts a model answers when it gets {@value #BATCH_SIZE} at once, on one thread.
 *
 * <p>Texts are sorted by length before they are batched, as a server or a batch job would do;
 * tokenising is part of the time.
 *
 * @param textsPerSecond texts answered in a second
 * @param batches the number of timed batches, at least 1
 */
public record Throughput(double textsPerSecond, int batches) {

  /** The number of texts of a batch. */
  public static final int BATCH_SIZE = 32;

  /** How long a measurement takes unless the caller says otherwise, warm-up included: 1 s. */
  public static final Duration DEFAULT_TIME = Duration.ofSeconds(1);

  private static final double NANOS_PER_SECOND = 1e9;
  private static final int WARM_UP_SHARE = 3;
  private static final long ORDER_SEED = 17;

  /**
   * Measures a model for about {@link #DEFAULT_TIME}.
   *
   * @param model the model; it must read text
   * @param texts what it is asked, at least one text
   * @return its throughput
   * @throws IllegalArgumentException if {@code texts} is empty
   * @throws DistillationException if the model has no tokenizer
   */
  public static Throughput measure(DeployableModel model, List<String> texts) {
    return measure(model, texts, DEFAULT_TIME);
  }

  /**
   * Measures a model.
   *
   * <p>The model answers with logits, or with its embedding if it gives no logits. Up to a third of
   * the time is spent on warming up. Native code runs on one thread meanwhile; other models should
   * not run in the same process.
   *
   * @param model the model; it must read text
   * @param texts what it is asked, at least one text; repeated if there are fewer than a batch
   * @param time how long to measure, warm-up included; greater than 0. A batch that has begun is
   *     finished, and at least one is timed
   * @return its throughput
   * @throws IllegalArgumentException if {@code texts} is empty, or {@code time} is out of range
   * @throws DistillationException if the model has no tokenizer
   */
  public static Throughput measure(DeployableModel model, List<String> texts, Duration time) {
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
    List<List<String>> batches = batches(texts);
    NativeEngine.prepareThread();
    int threads = JniUtils.getNumThreads();
    JniUtils.setNumThreads(1);
    try {
      long start = System.nanoTime();
      int next = 0;
      do {
        answer(model, tokenizer, batches.get(next++ % batches.size()));
      } while (System.nanoTime() - start < time.toNanos() / WARM_UP_SHARE);
      long begin = System.nanoTime();
      int timed = 0;
      do {
        answer(model, tokenizer, batches.get(next++ % batches.size()));
        timed++;
      } while (System.nanoTime() - start < time.toNanos());
      double seconds = (System.nanoTime() - begin) / NANOS_PER_SECOND;
      return new Throughput(timed * BATCH_SIZE / seconds, timed);
    } finally {
      JniUtils.setNumThreads(threads);
    }
  }

  private static List<List<String>> batches(List<String> texts) {
    List<String> sorted = new ArrayList<>(texts);
    while (sorted.size() % BATCH_SIZE != 0) {
      sorted.add(texts.get(sorted.size() % texts.size()));
    }
    sorted.sort(Comparator.comparingInt(String::length));
    List<List<String>> batches = new ArrayList<>();
    for (int i = 0; i < sorted.size(); i += BATCH_SIZE) {
      batches.add(List.copyOf(sorted.subList(i, i + BATCH_SIZE)));
    }
    // an early end must not leave out the long ones
    Collections.shuffle(batches, new Random(ORDER_SEED));
    return batches;
  }

  /** Answers one batch, as a server would do with texts that came in together. */
  static void answer(DeployableModel model, Tokenizer tokenizer, List<String> texts) {
    int[][] encoded = texts.stream().map(tokenizer::encode).toArray(int[][]::new);
    int length = 1;
    for (int[] row : encoded) {
      length = Math.max(length, row.length);
    }
    long[] ids = new long[encoded.length * length];
    long[] mask = new long[ids.length];
    for (int i = 0; i < encoded.length; i++) {
      for (int j = 0; j < length; j++) {
        boolean present = j < encoded[i].length;
        ids[i * length + j] = present ? encoded[i][j] : tokenizer.padId();
        mask[i * length + j] = present ? 1 : 0;
      }
    }
    boolean classifies = model.model().provides().contains(SignalKind.LOGITS);
    SignalKind kind = classifies ? SignalKind.LOGITS : SignalKind.EMBEDDING;
    try (NDManager manager = NativeEngine.newManager(model.model().device())) {
      Shape shape = new Shape(encoded.length, length);
      NDList inputs = new NDList(manager.create(ids, shape), manager.create(mask, shape));
      Signals signals = model.model().forward(inputs, Set.of(kind), false);
      NDArray answer = classifies ? signals.logits() : signals.embedding();
      if (answer.toFloatArray().length == 0) {
        throw new DistillationException(
            "model must answer with at least one number but gave none; check the model's outputs");
      }
    }
  }
}
