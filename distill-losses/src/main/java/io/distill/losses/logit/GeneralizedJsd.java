package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Jensen-Shannon divergence with a weighted mixture. */
public record GeneralizedJsd(double beta) implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "GeneralizedJsd",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            log_q = self.log_probabilities(student, temperature)
            of_teacher = self.mixture_divergence(log_p, log_q, self.beta)
            of_student = self.mixture_divergence(log_q, log_p, 1. - self.beta)
            return self.scaled(self.beta * of_teacher + (1. - self.beta) * of_student, temperature)
          """);

  public GeneralizedJsd {
    checkArgument(
        beta > 0 && beta < 1, "beta must be greater than 0 and less than 1 but was %s", beta);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("beta", beta);
  }

  @Override
  public String name() {
    return "generalizedJsd";
  }
}
