package io.distill.losses.feature;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.Projection;

/**
 * One minus the cosine of hidden states.
 *
 * @param projection what takes the student to the teacher's width
 */
public record HiddenStateCosine(Projection projection) implements PositionLoss {

  private static final Formula FORMULA =
      PositionLoss.comparing(
          "HiddenStateCosine",
          """
          def compare(self, s: Tensor, t: Tensor) -> Tensor:
            # the teacher's direction first: what a teacher gives cannot be kept for a backward pass
            direction = t / torch.sqrt(torch.clamp_min(torch.sum(t * t, [-1], True), 1e-12))
            length = torch.sqrt(torch.clamp_min(torch.sum(s * s, [-1]), 1e-12))
            return 1. - torch.sum(s * direction, [-1]) / length
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "hiddenStateCosine";
  }
}
