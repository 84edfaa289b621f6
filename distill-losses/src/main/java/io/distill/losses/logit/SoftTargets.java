package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Kullback-Leibler divergence of tempered distributions. */
public record SoftTargets() implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "SoftTargets",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            log_q = self.student_log_probabilities(student, teacher, temperature)
            return self.scaled(self.divergence(log_p, log_q), temperature)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "softTargets";
  }
}
