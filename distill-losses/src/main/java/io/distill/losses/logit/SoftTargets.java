package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Kullback-Leibler divergence of tempered distributions. */
public record SoftTargets() implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "SoftTargets",
          // a class that the teacher rules out (-inf) counts 0, not 0 times infinity
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_q = torch.log_softmax(student / temperature, -1)
            log_p = torch.log_softmax(teacher / temperature, -1)
            p = torch.exp(log_p)
            divergence = torch.sum(torch.where(p > 0., p * (log_p - log_q), 0.), [-1])
            return divergence * torch.reshape(temperature * temperature, [-1])
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
