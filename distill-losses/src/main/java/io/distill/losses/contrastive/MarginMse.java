package io.distill.losses.contrastive;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Squared error of the margins between the positive candidate and the negative ones. */
public record MarginMse() implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "MarginMse",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            exists = teacher > -1e30
            gap = torch.where(exists, student, 0.) - torch.where(exists, teacher, 0.)
            negatives = torch.narrow(gap, -1, 1, (torch.size(gap, -1)) - 1)
            error = torch.narrow(gap, -1, 0, 1) - negatives
            counted = torch.logical_and(torch.narrow(exists, -1, 0, 1), torch.narrow(exists, -1, 1, (torch.size(gap, -1)) - 1))
            count = torch.sum(torch.to(counted, gap), [-1])
            return torch.sum(torch.where(counted, error * error, 0.), [-1]) / torch.clamp_min(count, 1.)
          """);

  @Override
  public NDArray compute(LossContext context) {
    Shape scores = context.student().logits().getShape();
    if (scores.dimension() == 2 && scores.get(1) < 2) {
      throw new DistillationException(
          "scores must have shape (rows, candidates) with at least 2 candidates but were "
              + scores
              + "; give the positive first and then its negatives");
    }
    return RowLoss.super.compute(context);
  }

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "marginMse";
  }
}
