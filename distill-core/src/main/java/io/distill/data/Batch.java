package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.distill.exception.DistillationException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The inputs of some rows. The arrays belong to the manager that the batch was created with, which
 * closes them.
 */
public final class Batch {

  private final @Nullable NDManager manager;
  private final NDList inputs;
  private final int[] rows;
  private final List<String> ids;
  private final List<String> texts;

  /**
   * Creates a batch.
   *
   * @param inputs the input arrays, first dimension {@code rows.length}; may be empty
   * @param rows the rows of the dataset
   * @param ids the sample ids of the rows
   * @param texts the texts of the rows; empty if the data are not text
   * @throws IllegalArgumentException if {@code ids}, or {@code texts} that are not empty, differ in
   *     number from {@code rows}
   */
  public Batch(NDList inputs, int[] rows, List<String> ids, List<String> texts) {
    this(inputs.isEmpty() ? null : inputs.head().getManager(), inputs, rows, ids, texts);
  }

  /**
   * Creates a batch whose inputs may be none.
   *
   * @param manager the owner of what is made for the batch; null if there is none
   * @param inputs the input arrays, first dimension {@code rows.length}; may be empty
   * @param rows the rows of the dataset
   * @param ids the sample ids of the rows
   * @param texts the texts of the rows; empty if the data are not text
   * @throws IllegalArgumentException if {@code ids}, or {@code texts} that are not empty, differ in
   *     number from {@code rows}
   */
  public Batch(
      @Nullable NDManager manager,
      NDList inputs,
      int[] rows,
      List<String> ids,
      List<String> texts) {
    this.manager = manager;
    this.inputs = requireNonNull(inputs, "inputs");
    this.rows = rows.clone();
    this.ids = List.copyOf(ids);
    this.texts = List.copyOf(texts);
    checkArgument(
        ids.size() == rows.length,
        "ids must be as many as rows but were %s for %s rows",
        ids.size(),
        rows.length);
    checkArgument(
        texts.isEmpty() || texts.size() == rows.length,
        "texts must be as many as rows or none but were %s for %s rows",
        texts.size(),
        rows.length);
  }

  /**
   * Returns the input arrays.
   *
   * @return for text read through a tokenizer two int64 arrays of shape {@code [N, L]}: token ids,
   *     padded with {@link Tokenizer#padId()} to the longest row, and the attention mask, 1 for a
   *     token and 0 for padding; for text without a tokenizer none; otherwise the arrays of the
   *     dataset, stacked
   */
  public NDList inputs() {
    return inputs;
  }

  /**
   * Returns the owner of the input arrays, and of what a model says about them.
   *
   * @return the manager
   * @throws DistillationException if the batch has no inputs and was made without a manager
   */
  public NDManager manager() {
    if (manager == null) {
      throw new DistillationException(
          "batch must have a manager for answers to belong to but has neither inputs nor a manager;"
              + " make it with new Batch(manager, inputs, rows, ids, texts)");
    }
    return manager;
  }

  /**
   * Returns the same rows as another tokenizer encodes them.
   *
   * @param tokenizer how the texts become token ids
   * @return a batch whose arrays belong to the manager of these {@link #inputs()}
   * @throws io.distill.exception.DistillationException if the rows have no texts, or no inputs yet
   */
  public Batch encodedBy(Tokenizer tokenizer) {
    requireNonNull(tokenizer, "tokenizer");
    if (texts.isEmpty() || inputs.isEmpty()) {
      throw new DistillationException(
          "rows must be texts, encoded by some tokenizer, to be encoded by another one but "
              + (texts.isEmpty() ? "have no texts" : "are not encoded")
              + "; use a data set of texts");
    }
    int[][] tokens = texts.stream().map(tokenizer::encode).toArray(int[][]::new);
    NDManager owner = manager();
    return new Batch(owner, PaddedRows.of(owner, tokens, tokenizer.padId()), rows, ids, texts);
  }

  /**
   * Returns the number of rows.
   *
   * @return the number of rows, N
   */
  public int size() {
    return rows.length;
  }

  /**
   * Returns the rows.
   *
   * @return the indices of the rows in the dataset, a copy
   */
  public int[] rows() {
    return rows.clone();
  }

  /**
   * Returns the sample ids.
   *
   * @return one id per row
   */
  public List<String> ids() {
    return ids;
  }

  /**
   * Returns the texts.
   *
   * @return one text per row; empty if the data are not text
   */
  public List<String> texts() {
    return texts;
  }
}
