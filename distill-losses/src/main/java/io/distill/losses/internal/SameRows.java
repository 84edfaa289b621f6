package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;

/** Checks that both models speak of the same rows, in spaces of whatever widths. */
public final class SameRows {

  private SameRows() {}

  /** Requires embeddings {@code [N, D]} and {@code [N, E]}. */
  public static void ofEmbeddings(NDArray student, NDArray teacher) {
    Shape of = student.getShape();
    Shape from = teacher.getShape();
    if (of.dimension() != 2 || from.dimension() != 2) {
      throw new DistillationException(
          "teacher and student embeddings must have shape (rows, width) but were "
              + from
              + " (teacher) and "
              + of
              + " (student); pool tokens first");
    }
    sameNumber(student, teacher);
  }

  /** Requires embeddings, or hidden states that become such, of as many rows. */
  public static void sameNumber(NDArray student, NDArray teacher) {
    Shape of = student.getShape();
    Shape from = teacher.getShape();
    if (of.get(0) != from.get(0)) {
      throw new DistillationException(
          "teacher and student embeddings must have the same number of rows but were "
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
}
