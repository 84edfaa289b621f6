package io.distill.model;

import ai.djl.ndarray.NDArray;
import io.distill.exception.DistillationException;

/** Checks the weights of models that others made. */
final class Weights {

  private Weights() {}

  /** Infinite values may be meant, as in the buffer of a mask; NaN never is. */
  static void requireNoNaN(String model, String name, NDArray array) {
    if (!array.getDataType().isFloating()) {
      return;
    }
    try (NDArray each = array.isNaN();
        NDArray any = each.any()) {
      if (any.getBoolean()) {
        throw new DistillationException(
            "weight "
                + name
                + " of "
                + model
                + " must have no NaN but has some; use a model from before the training diverged");
      }
    }
  }
}
