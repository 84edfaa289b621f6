package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.jni.JniUtils;
import com.google.errorprone.annotations.CheckReturnValue;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.torchscript.LoadedModule;
import java.util.Arrays;

/**
 * Some texts on their way through a language model, token by token. Keys and values of all tokens
 * so far are kept, so that a new token costs one pass over itself alone.
 *
 * <p>Rows of unequal length are padded on the left: all rows then grow at the same place. Not
 * thread-safe; several sessions of one model may run on several threads. Close it before the model.
 */
@CheckReturnValue
public final class DecodingSession implements AutoCloseable {

  private final TransformerDecoder shape;
  private final LoadedModule module;
  private final NDManager manager;
  private final int capacity;
  private NDArray cache;
  private NDArray visible;
  private NDArray starts;
  private int[] firsts;
  private boolean padded;
  private int length;

  DecodingSession(
      TransformerDecoder shape, LoadedModule module, Device device, int rows, int capacity) {
    checkArgument(rows >= 1, "rows must be at least 1 but was %s", rows);
    checkArgument(capacity >= 1, "capacity must be at least 1 but was %s", capacity);
    if (shape.rotary() == null && capacity > shape.maxPositions()) {
      throw new DistillationException(
          "capacity must be at most the model's "
              + shape.maxPositions()
              + " positions but was "
              + capacity
              + "; write shorter texts");
    }
    NativeEngine.prepareThread();
    this.shape = shape;
    this.module = module;
    this.capacity = capacity;
    this.manager = NativeEngine.newManager(device);
    this.firsts = new int[rows];
    // zeros, not just any memory: padding is hidden by a product with 0, and 0 times NaN is NaN
    this.cache =
        manager.zeros(
            new Shape(shape.layers(), 2, rows, shape.keyValueHeads(), capacity, shape.headSize()),
            DataType.FLOAT32);
    this.visible = manager.create(new Shape(0));
    this.starts = manager.create(new Shape(0));
  }

  /**
   * Returns the number of texts.
   *
   * @return the number of rows
   */
  public int rows() {
    return firsts.length;
  }

  /**
   * Returns how many positions are filled.
   *
   * @return tokens of the longest row
   */
  public int length() {
    return length;
  }

  /**
   * Returns how many positions there are.
   *
   * @return the capacity that the session was opened with
   */
  public int capacity() {
    return capacity;
  }

  /**
   * Reads the beginnings of all texts.
   *
   * @param prompts the token ids of each row, at least one each; not padded
   * @return the logits of the next token, {@code [rows][V]}
   * @throws IllegalStateException if the session has begun
   * @throws DistillationException if a prompt is empty, longer than the capacity, or has an id
   *     outside the vocabulary
   */
  public float[][] begin(int[][] prompts) {
    checkState(length == 0, "begin must be called once, first, but %s tokens are there", length);
    checkArgument(
        prompts.length == rows(), "prompts must be %s but were %s", rows(), prompts.length);
    int longest = 0;
    for (int[] prompt : prompts) {
      if (prompt.length == 0 || prompt.length > capacity) {
        throw new DistillationException(
            "prompt must have 1 to "
                + capacity
                + " tokens but had "
                + prompt.length
                + "; begin with a token such as the beginning of text, or cut the prompt");
      }
      longest = Math.max(longest, prompt.length);
    }
    long[] ids = new long[rows() * longest];
    boolean[] shown = new boolean[rows() * capacity];
    for (int i = 0; i < prompts.length; i++) {
      firsts[i] = longest - prompts[i].length;
      padded |= firsts[i] > 0;
      for (int j = 0; j < prompts[i].length; j++) {
        ids[i * longest + firsts[i] + j] = checked(prompts[i][j]);
      }
      Arrays.fill(shown, i * capacity + firsts[i], (i + 1) * capacity, true);
    }
    visible.close();
    starts.close();
    visible = manager.create(shown, new Shape(rows(), capacity));
    starts = manager.create(Arrays.stream(firsts).asLongStream().toArray());
    return feed(ids, longest);
  }

  /**
   * Adds one token to each text.
   *
   * @param ids a token id for each row
   * @return the logits of the token after it, {@code [rows][V]}
   * @throws IllegalStateException if the session has not begun, or is full
   * @throws DistillationException if an id is outside the vocabulary
   */
  public float[][] next(int[] ids) {
    checkState(length > 0, "begin must be called before next");
    checkState(length < capacity, "capacity of %s tokens must not be exceeded", capacity);
    checkArgument(ids.length == rows(), "ids must be %s but were %s", rows(), ids.length);
    long[] checked = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      checked[i] = checked(ids[i]);
    }
    return feed(checked, 1);
  }

  private int checked(int id) {
    if (id < 0 || id >= shape.vocabularySize()) {
      throw new DistillationException(
          "token ids must be between 0 and "
              + (shape.vocabularySize() - 1)
              + " but one was "
              + id
              + "; encode the text with the model's own tokenizer");
    }
    return id;
  }

  private float[][] feed(long[] ids, int tokens) {
    float[] flat;
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try (NDManager scratch = manager.newSubManager()) {
      NDArray input = scratch.create(ids, new Shape(rows(), tokens));
      NDArray place = scratch.create(new long[] {length, padded ? 1 : 0});
      NDArray logits =
          module
              .call("feed", new NDList(input, cache, visible, starts, place), false)
              .singletonOrThrow();
      flat = logits.toFloatArray();
    } finally {
      JniUtils.setGradMode(gradients);
    }
    length += tokens;
    int width = shape.vocabularySize();
    float[][] rows = new float[rows()][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = Arrays.copyOfRange(flat, i * width, (i + 1) * width);
    }
    return rows;
  }

  /**
   * Goes on with some of the texts; a row may be taken more than once, to go on in several ways.
   *
   * @param rows the present rows to keep, in the new order; at least one
   */
  public void select(int[] rows) {
    checkArgument(rows.length >= 1, "rows must name at least one row");
    int[] chosen = Arrays.stream(rows).map(row -> firsts[row]).toArray();
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try (NDManager scratch = manager.newSubManager()) {
      NDArray index = scratch.create(Arrays.stream(rows).asLongStream().toArray());
      NDList old = new NDList(cache, visible, starts);
      NDList taken = module.call("select", new NDList(cache, visible, starts, index), false);
      cache = taken.get(0);
      visible = taken.get(1);
      starts = taken.get(2);
      old.close();
    } finally {
      JniUtils.setGradMode(gradients);
    }
    firsts = chosen;
    padded = Arrays.stream(firsts).anyMatch(first -> first > 0);
  }

  @Override
  public void close() {
    manager.close();
  }
}
