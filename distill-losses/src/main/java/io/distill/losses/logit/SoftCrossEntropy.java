package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Cross-entropy with the teacher's tempered distribution. */
public record SoftCrossEntropy() implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "SoftCrossEntropy",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            log_q = self.student_log_probabilities(student, teacher, temperature)
            return self.scaled(-torch.sum(torch.exp(log_p) * log_q, [-1]), temperature)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "softCrossEntropy";
  }
}
