package io.distill.losses.feature;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.Projection;

/** Squared hinge where student and teacher neurons are on different sides of 0. */
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

  /** Checks the margin. */
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
