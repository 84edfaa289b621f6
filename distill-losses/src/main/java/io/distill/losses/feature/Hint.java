package io.distill.losses.feature;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.Projection;

/**
 * Half the squared distance of hidden states.
 *
 * @param projection what takes the student to the teacher's width
 */
public record Hint(Projection projection) implements PositionLoss {

  private static final Formula FORMULA =
      PositionLoss.comparing(
          "Hint",
          """
          def compare(self, s: Tensor, t: Tensor) -> Tensor:
            difference = s - t
            return torch.sum(difference * difference, [-1]) * 0.5
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "hint";
  }
}
