package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Logistic loss of each pair of classes that the teacher ranks. */
public record LogisticRank() implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "LogisticRank",
          RankedPairs.METHOD,
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            z = torch.clamp_min(student, -1e30)
            losses = -torch.log_sigmoid(torch.unsqueeze(z, -1) - torch.unsqueeze(z, -2))
            return (self).mean_over_pairs(losses, teacher)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "logisticRank";
  }
}
