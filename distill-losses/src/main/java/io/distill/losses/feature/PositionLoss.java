package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.Positions;
import io.distill.losses.internal.Projection;
import io.distill.mapping.LayerPair;

/** A loss that compares each position of projected student features with the teacher's. */
interface PositionLoss extends ProjectedLoss {

  /**
   * Returns a formula from {@code def compare(self, s, t)}: {@code [N, P, C]} to {@code [N, P]}.
   */
  static Formula comparing(String name, String compare) {
    return Formula.of(
        name,
        Features.with(
            Projection.METHOD,
            compare,
            """
            def over_positions(self, student: Tensor, teacher: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor, mask: Tensor, share: Tensor) -> Tensor:
              s = self.project(self.positions(self.fitted(student, teacher)), w, b, v, c)
              t = self.positions(self.fitted(teacher, student))
              return self.mean_over(student, self.compare(s, t), mask, share)
            """));
  }

  /** Returns the formula. */
  Formula formula();

  @Override
  default NDArray distance(LossContext context, LayerPair pair) {
    NDArray student = Features.student(context, pair);
    NDArray share = Positions.share(context, student);
    return call(context, pair, formula(), "over_positions", Features.mask(context, student), share)
        .get(0);
  }
}
