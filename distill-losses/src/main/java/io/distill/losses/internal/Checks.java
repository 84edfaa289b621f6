package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;

/** Shape checks whose messages name both sides. */
public final class Checks {

  private Checks() {}

  /** Requires logits of the same rows and classes. */
  public static void sameClasses(NDArray student, NDArray teacher) {
    Shape of = student.getShape();
    Shape from = teacher.getShape();
    if (!of.equals(from)) {
      throw new DistillationException(
          "teacher and student logits must have the same number of classes but were "
              + from.get(from.dimension() - 1)
              + " (teacher, shape "
              + from
              + ") and "
              + of.get(of.dimension() - 1)
              + " (student, shape "
              + of
              + "); select the shared classes or use a feature loss");
    }
  }
}
