package io.distill.losses.relation;

import io.distill.losses.internal.Formula;

/** Kullback-Leibler divergence of the probabilities that a row picks another. */
public record ProbabilisticTransfer() implements RelationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "ProbabilisticTransfer",
          SCALED,
          UNIT,
          COSINES,
          """
          def log_conditional(self, x: Tensor) -> Tensor:
            similarity = torch.clamp_min((self.cosines(x) + 1.) * 0.5, 1e-7)
            return torch.log(similarity) - torch.log(torch.sum(similarity, [1], True))
          """,
          """
          def relation(self, student: Tensor, teacher: Tensor) -> Tensor:
            log_p = self.log_conditional(teacher)
            divergence = torch.sum(torch.exp(log_p) * (log_p - self.log_conditional(student)), [1])
            return torch.mean(divergence)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "probabilisticTransfer";
  }
}
