package io.distill.losses.relation;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.SameRows;
import io.distill.signal.SignalKind;
import java.util.Set;

/**
 * A loss that compares the relations among the student's rows with those among the teacher's: the
 * widths of the two need not agree.
 */
interface RelationLoss extends DistillationLoss {

  /**
   * Divides all by the largest number, which changes no relation that does not depend on scale:
   * squares then neither overflow nor vanish. The factor is a constant to the gradient.
   */
  String SCALED =
      """
      def scaled(self, x: Tensor) -> Tensor:
        largest = torch.max(torch.abs(torch.detach(x)))
        return x / torch.where(largest > 0., largest, 1.)
      """;

  /** Gives rows the length 1; a row of zeros stays, and gets no gradient. */
  String UNIT =
      """
      def unit(self, x: Tensor) -> Tensor:
        square = torch.sum(x * x, [-1], True)
        apart = square > 1e-24
        return x * torch.where(apart, torch.rsqrt(torch.where(apart, square, 1.)), 0.)
      """;

  /** Cosines of all pairs of rows. */
  String COSINES =
      """
      def cosines(self, x: Tensor) -> Tensor:
        unit = self.unit(self.scaled(x))
        return torch.matmul(unit, torch.t(unit))
      """;

  /**
   * Returns the formula, with a method {@code def relation(self, student: Tensor, teacher: Tensor)
   * -> Tensor} from rows {@code [N, D]} and {@code [N, E]} to a scalar.
   */
  Formula formula();

  @Override
  default NDArray compute(LossContext context) {
    NDArray student = context.student().embedding();
    NDArray teacher = context.teacher().embedding();
    SameRows.ofEmbeddings(student, teacher);
    return formula().call("relation", student, teacher);
  }

  @Override
  default Set<SignalKind> requires() {
    return Set.of(SignalKind.EMBEDDING);
  }
}
