package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Half the sum of absolute differences of probabilities. */
public record TotalVariation() implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "TotalVariation",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            log_q = self.log_probabilities(student, temperature)
            distance = 0.5 * torch.sum(torch.abs(torch.exp(log_p) - torch.exp(log_q)), [-1])
            return self.scaled(distance, temperature)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "totalVariation";
  }
}
