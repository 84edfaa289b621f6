package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Kullback-Leibler divergence from the teacher to a mixture of both. */
public record SkewKl(double alpha) implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "SkewKl",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            log_q = self.log_probabilities(student, temperature)
            return self.scaled(self.mixture_divergence(log_p, log_q, self.alpha), temperature)
          """);

  public SkewKl {
    checkArgument(
        alpha > 0 && alpha < 1, "alpha must be greater than 0 and less than 1 but was %s", alpha);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("alpha", alpha);
  }

  @Override
  public String name() {
    return "skewKl";
  }
}
