package io.distill.training.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.data.BatchSource;
import io.distill.exception.DistillationException;
import java.util.Arrays;

/** The labels of tokens of a data set, as the student reads its rows. */
final class TokenLabels {

  private final BatchSource source;
  private final int[] targets;
  private int largest = -1;
  private int rowOfLargest;

  TokenLabels(BatchSource source) {
    this.source = source;
    this.targets = new int[source.size()];
    for (int row = 0; row < targets.length; row++) {
      int[] labels = source.tokenLabels(row);
      for (int i = 0; i < labels.length; i++) {
        // a language model predicts each token but the first
        targets[row] += i > 0 && labels[i] >= 0 ? 1 : 0;
        if (labels[i] > largest) {
          largest = labels[i];
          rowOfLargest = row;
        }
      }
    }
  }

  /** Returns how many tokens of a row are predicted and have a label. */
  int targets(int row) {
    return targets[row];
  }

  boolean any() {
    return Arrays.stream(targets).anyMatch(count -> count > 0);
  }

  /** Returns the largest label, -1 if there is none. */
  int largest() {
    return largest;
  }

  int rowOfLargest() {
    return rowOfLargest;
  }

  /** Returns the labels of some rows, int64 {@code [N, L]}, padded with -1. */
  NDArray array(NDManager manager, int[] rows, int length) {
    long[] all = new long[Math.multiplyExact(rows.length, length)];
    Arrays.fill(all, -1);
    for (int i = 0; i < rows.length; i++) {
      int[] labels = source.tokenLabels(rows[i]);
      for (int j = 0; j < labels.length; j++) {
        if (j < length) {
          all[i * length + j] = labels[j];
        } else if (labels[j] >= 0) {
          throw new DistillationException(
              "token labels must be at most as many as the tokens of a batch but row "
                  + rows[i]
                  + " has a label at position "
                  + j
                  + " and the batch has "
                  + length
                  + " tokens; cut labels and tokens at the same length");
        }
      }
    }
    return manager.create(all, new Shape(rows.length, length));
  }
}
