package io.distill.losses.feature;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.Projection;

/**
 * Squared hinge where student and teacher neurons are on different sides of 0.
 *
 * @param projection what takes the student to the teacher's width
 * @param margin how far beyond 0 a neuron has to be
 */
public record ActivationBoundary(Projection projection, double margin) implements PositionLoss {

  private static final Formula FORMULA =
      PositionLoss.comparing(
          "ActivationBoundary",
          """
          def compare(self, s: Tensor, t: Tensor) -> Tensor:
            # the distance by which a neuron misses the margin on the side of the teacher's
            miss = torch.where(t > 0., torch.relu(self.margin - s), torch.relu(self.margin + s))
            return torch.sum(miss * miss, [-1])
          """);

  /**
   * Checks the margin.
   *
   * @param projection what takes the student to the teacher's width
   * @param margin how far beyond 0 a neuron has to be; finite and greater than 0
   * @throws IllegalArgumentException if {@code margin} is out of range
   */
  public ActivationBoundary {
    checkArgument(
        margin > 0 && Double.isFinite(margin),
        "margin must be finite and greater than 0 but was %s",
        margin);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("margin", margin);
  }

  @Override
  public String name() {
    return "activationBoundary";
  }
}
