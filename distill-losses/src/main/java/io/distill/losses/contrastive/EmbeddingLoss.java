package io.distill.losses.contrastive;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.Formula;
import io.distill.signal.SignalKind;
import java.util.Set;

/** A loss on one embedding a row, with a learned matrix where the widths differ. */
interface EmbeddingLoss extends DistillationLoss {

  /** The name of the learned matrix {@code [teacher's width, student's width]}. */
  String PROJECTOR = "projector";

  /**
   * TorchScript that gives rows {@code [N, D]} the length 1. Squared norms are at least 1e-12, so
   * that an embedding of zeros has a gradient.
   */
  String NORMALIZED =
      """
      def normalized(self, rows: Tensor) -> Tensor:
        return rows / torch.sqrt(torch.clamp_min(torch.sum(rows * rows, [-1], True), 1e-12))
      """;

  /** Adds up the rows. */
  String OVER_ROWS =
      """
      def over_rows(self, student: Tensor, teacher: Tensor, share: Tensor) -> Tensor:
        return torch.sum(self.per_row(student, teacher)) * share
      """;

  /**
   * Returns the formula, with a method
   *
   * <pre>{@code
   * def per_row(self, student: Tensor, teacher: Tensor) -> Tensor
   * }</pre>
   *
   * <p>from embeddings {@code [N, D]} of one width to the values {@code [N]}.
   */
  Formula formula();

  @Override
  default NDArray compute(LossContext context) {
    NDArray student = context.student().embedding();
    if (context.hasParameter(PROJECTOR)) {
      student = student.matMul(context.parameter(PROJECTOR).transpose());
    }
    NDArray teacher = context.teacher().embedding();
    if (!student.getShape().equals(teacher.getShape())) {
      throw new DistillationException(
          "student and teacher embeddings must have the same shape but were "
              + student.getShape()
              + " (student) and "
              + teacher.getShape()
              + " (teacher); declare the projector in prepare(...)");
    }
    return formula().extended(OVER_ROWS).call("over_rows", student, teacher, context.rowShare());
  }

  @Override
  default Set<SignalKind> requires() {
    return Set.of(SignalKind.EMBEDDING);
  }

  @Override
  default void prepare(LossSetup setup) {
    int student = setup.student().embedding().orElseThrow();
    int teacher = setup.teacher().embedding().orElseThrow();
    if (student != teacher) {
      setup.parameter(PROJECTOR, new Shape(teacher, student));
    }
  }
}
