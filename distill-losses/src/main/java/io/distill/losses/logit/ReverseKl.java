package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Kullback-Leibler divergence from the student to the teacher. */
public record ReverseKl() implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "ReverseKl",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            log_q = self.log_probabilities(student, temperature)
            return self.scaled(self.reverse_divergence(log_p, log_q), temperature)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "reverseKl";
  }
}
