package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Half the squared distance of logits. */
public record LogitMse() implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "LogitMse",
          // a class that the teacher rules out is infinitely far away: left out
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            difference = torch.masked_fill(student - teacher, teacher < -1e+30, 0.)
            return 0.5 * torch.sum(difference * difference, [-1])
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "logitMse";
  }
}
