package io.distill.losses.relation;

import io.distill.losses.internal.Formula;

/** Squared distance of Gram matrices whose rows have length 1. */
public record SimilarityPreserving() implements RelationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "SimilarityPreserving",
          SCALED,
          UNIT,
          """
          def similarities(self, x: Tensor) -> Tensor:
            scaled = self.scaled(x)
            return self.unit(torch.matmul(scaled, torch.t(scaled)))
          """,
          """
          def relation(self, student: Tensor, teacher: Tensor) -> Tensor:
            difference = self.similarities(student) - self.similarities(teacher)
            return torch.mean(difference * difference)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "similarityPreserving";
  }
}
