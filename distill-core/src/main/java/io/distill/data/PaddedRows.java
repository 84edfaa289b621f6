package io.distill.data;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;

/** Tokenised rows as the arrays that models read. */
final class PaddedRows {

  private PaddedRows() {}

  /** Returns token ids and attention mask, {@code [N, L]} each, padded to the longest row. */
  static NDList of(NDManager manager, int[][] rows, int padId) {
    int length = 1;
    for (int[] row : rows) {
      length = Math.max(length, row.length);
    }
    long[] tokenIds = new long[Math.multiplyExact(rows.length, length)];
    long[] mask = new long[tokenIds.length];
    if (padId != 0) {
      Arrays.fill(tokenIds, padId);
    }
    for (int i = 0; i < rows.length; i++) {
      int[] row = rows[i];
      int start = i * length;
      for (int j = 0; j < row.length; j++) {
        tokenIds[start + j] = row[j];
      }
      Arrays.fill(mask, start, start + row.length, 1);
    }
    Shape shape = new Shape(rows.length, length);
    NDArray idArray = manager.create(tokenIds, shape);
    return new NDList(idArray, manager.create(mask, shape));
  }
}
