package io.distill.losses.contrastive;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Kullback-Leibler divergence of tempered distributions over candidates. */
public record ListwiseKl() implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "ListwiseKl",
          // 0 times a very small logarithm is 0, where 0 times -inf were NaN
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            exists = teacher > -1e30
            log_q = torch.log_softmax(torch.where(exists, student, -1e30) / temperature, -1)
            log_p = torch.log_softmax(torch.where(exists, teacher, -1e30) / temperature, -1)
            divergence = torch.sum(torch.exp(log_p) * (log_p - log_q), [-1])
            return divergence * torch.reshape(temperature * temperature, [-1])
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "listwiseKl";
  }
}
