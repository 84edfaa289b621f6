package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;

/** Shape checks whose messages name both sides. */
public final class Checks {

  private Checks() {}

  /** Requires logits {@code [N, C]} of the same rows and classes. */
  public static void sameLogits(NDArray student, NDArray teacher) {
    Shape of = student.getShape();
    Shape from = teacher.getShape();
    if (of.dimension() != 2 || from.dimension() != 2) {
      throw new DistillationException(
          "teacher and student logits must have shape (rows, classes) but were "
              + from
              + " (teacher) and "
              + of
              + " (student); reshape tokens into rows first");
    }
    if (of.get(1) != from.get(1)) {
      throw new DistillationException(
          "teacher and student logits must have the same number of classes but were "
              + from.get(1)
              + " (teacher, shape "
              + from
              + ") and "
              + of.get(1)
              + " (student, shape "
              + of
              + "); select the shared classes or use a feature loss");
    }
    if (of.get(0) != from.get(0)) {
      throw new DistillationException(
          "teacher and student logits must have the same number of rows but were "
              + from.get(0)
              + " (teacher, shape "
              + from
              + ") and "
              + of.get(0)
              + " (student, shape "
              + of
              + "); give both models the same batch");
    }
  }

  /** Requires logits {@code [N, C]} and labels {@code [N]}. */
  public static void oneLabelPerRow(NDArray student, NDArray labels) {
    Shape logits = student.getShape();
    if (logits.dimension() != 2 || !labels.getShape().equals(new Shape(logits.get(0)))) {
      throw new DistillationException(
          "student logits and labels must have shapes (rows, classes) and (rows) but were "
              + logits
              + " (student) and "
              + labels.getShape()
              + " (labels); give one label a row, -1 where there is none");
    }
  }
}
