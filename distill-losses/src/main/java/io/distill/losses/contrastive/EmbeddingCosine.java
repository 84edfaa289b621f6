package io.distill.losses.contrastive;

import io.distill.losses.internal.Formula;

/** One minus the cosine of embeddings. */
public record EmbeddingCosine() implements EmbeddingLoss {

  private static final Formula FORMULA =
      Formula.of(
          "EmbeddingCosine",
          NORMALIZED,
          """
          def per_row(self, student: Tensor, teacher: Tensor) -> Tensor:
            return 1. - torch.sum((self).normalized(student) * (self).normalized(teacher), [-1])
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "embeddingCosine";
  }
}
