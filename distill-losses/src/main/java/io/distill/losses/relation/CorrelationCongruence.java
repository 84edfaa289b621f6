package io.distill.losses.relation;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;

/**
 * Mean squared error of Gaussian kernels of pairs of rows, as a Taylor series.
 *
 * @param gamma the kernel's sharpness
 * @param order the last power of the series
 */
public record CorrelationCongruence(double gamma, int order) implements RelationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "CorrelationCongruence",
          SCALED,
          UNIT,
          COSINES,
          // exp(2 gamma c) by Horner's scheme; |x - y|² is 2 - 2 c on the unit sphere
          """
          def kernel(self, x: Tensor) -> Tensor:
            cosine = self.cosines(x) * (2. * self.gamma)
            series = torch.ones_like(cosine)
            for i in range(self.order):
              series = series * cosine / (self.order - i) + 1.
            return series * self.factor
          """,
          """
          def relation(self, student: Tensor, teacher: Tensor) -> Tensor:
            difference = self.kernel(student) - self.kernel(teacher)
            return torch.mean(difference * difference)
          """);

  /**
   * Checks the ranges.
   *
   * @param gamma the kernel's sharpness; finite and greater than 0
   * @param order the last power of the series; at least 1
   */
  public CorrelationCongruence {
    checkArgument(
        Double.isFinite(gamma) && gamma > 0,
        "gamma must be finite and greater than 0 but was %s",
        gamma);
    checkArgument(order >= 1, "order must be at least 1 but was %s", order);
  }

  @Override
  public Formula formula() {
    return FORMULA
        .with("gamma", gamma)
        .with("order", (long) order)
        .with("factor", Math.exp(-2 * gamma));
  }

  @Override
  public String name() {
    return "correlationCongruence";
  }
}
