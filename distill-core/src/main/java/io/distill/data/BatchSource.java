package io.distill.data;

import ai.djl.ndarray.NDManager;

/** The rows of a dataset as one model reads them. Thread-safe. */
public interface BatchSource {

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
   * @return the number of tokens after truncation; 1 for rows of fixed size
   * @throws IndexOutOfBoundsException if there is no such row
   */
  int length(int row);

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
