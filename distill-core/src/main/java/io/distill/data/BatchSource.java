package io.distill.data;

import ai.djl.ndarray.NDManager;
import java.util.Objects;

/** The rows of a dataset as one model reads them. Thread-safe. */
public interface BatchSource {

  /** The token labels of a row that has none. */
  @SuppressWarnings("MutablePublicArray") // an empty array cannot be changed
  int[] NO_TOKEN_LABELS = {};

  /**
   * Returns the number of rows.
   *
   * @return the number of rows, at least 1
   */
  int size();

  /**
   * Returns the length of a row, for batching rows of similar length.
   *
   * @param row the row, from 0 to {@code size() - 1}
   * @return the number of tokens after truncation, which is what means over tokens are taken over;
   *     1 for rows whose tokens nobody counted: then each batch counts its own, and the means of
   *     batches of unequal lengths that share a step are weighted by rows, not by tokens
   * @throws IndexOutOfBoundsException if there is no such row
   */
  int length(int row);

  /**
   * Returns the tokens that a language model learns to say in a row, where the data set has token
   * labels.
   *
   * <p>They stand where the tokens stand in the input: the label at a position is the token there,
   * which the model predicts from the tokens before it. The first is never predicted.
   *
   * @param row the row, from 0 to {@code size() - 1}
   * @return token ids by position, negative where a token does not count; at most as many as a
   *     batch has positions, and positions that are left out at the end do not count; empty if the
   *     row has none, as always where {@link DistillationDataset#hasTokenLabels()} is false; must
   *     not be changed
   * @throws IndexOutOfBoundsException if there is no such row
   */
  default int[] tokenLabels(int row) {
    Objects.checkIndex(row, size());
    return NO_TOKEN_LABELS;
  }

  /**
   * Creates the input arrays of some rows.
   *
   * @param manager the owner of the arrays; its device is theirs
   * @param rows the rows in the order wanted, at least one; a row may occur more than once
   * @return the batch; its arrays are closed with {@code manager}
   * @throws IllegalArgumentException if {@code rows} is empty
   * @throws IndexOutOfBoundsException if there is no such row
   */
  Batch batch(NDManager manager, int[] rows);
}
