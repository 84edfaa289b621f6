package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Weighted sum of both Kullback-Leibler divergences. */
public record SymmetricKl(double lambda) implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "SymmetricKl",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            log_q = self.student_log_probabilities(student, teacher, temperature)
            forward = self.divergence(log_p, log_q)
            reverse = self.reverse_divergence(log_p, log_q)
            return self.scaled((1. - self.lam) * forward + self.lam * reverse, temperature)
          """);

  public SymmetricKl {
    checkArgument(lambda >= 0 && lambda <= 1, "lambda must be between 0 and 1 but was %s", lambda);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("lam", lambda);
  }

  @Override
  public String name() {
    return "symmetricKl";
  }
}
