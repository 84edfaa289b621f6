package io.distill.losses.contrastive;

import io.distill.losses.internal.Formula;

/** Squared distance of embeddings. */
public record EmbeddingL2() implements EmbeddingLoss {

  private static final Formula FORMULA =
      Formula.of(
          "EmbeddingL2",
          """
          def per_row(self, student: Tensor, teacher: Tensor) -> Tensor:
            difference = student - teacher
            return torch.sum(difference * difference, [-1])
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "embeddingL2";
  }
}
