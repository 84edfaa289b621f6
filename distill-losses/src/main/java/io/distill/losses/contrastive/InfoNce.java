package io.distill.losses.contrastive;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;

/**
 * Cross-entropy of finding a row's teacher embedding among those of the batch.
 *
 * @param temperature what cosines are divided by
 */
public record InfoNce(double temperature) implements EmbeddingLoss {

  private static final Formula FORMULA =
      Formula.of(
          "InfoNce",
          NORMALIZED,
          """
          def per_row(self, student: Tensor, teacher: Tensor) -> Tensor:
            cosines = torch.matmul((self).normalized(student), torch.t((self).normalized(teacher)))
            return -torch.diagonal(torch.log_softmax(cosines / self.temperature, -1))
          """);

  /**
   * Checks the temperature.
   *
   * @param temperature what cosines are divided by
   * @throws IllegalArgumentException if {@code temperature} is not finite or not greater than 0
   */
  public InfoNce {
    checkArgument(
        Double.isFinite(temperature) && temperature > 0,
        "temperature must be finite and greater than 0 but was %s",
        temperature);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("temperature", temperature);
  }

  @Override
  public String name() {
    return "infoNce";
  }
}
