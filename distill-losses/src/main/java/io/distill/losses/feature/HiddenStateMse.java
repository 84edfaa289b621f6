package io.distill.losses.feature;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.Projection;

/**
 * Mean squared error of hidden states.
 *
 * @param projection what takes the student to the teacher's width
 */
public record HiddenStateMse(Projection projection) implements PositionLoss {

  private static final Formula FORMULA =
      PositionLoss.comparing(
          "HiddenStateMse",
          """
          def compare(self, s: Tensor, t: Tensor) -> Tensor:
            difference = s - t
            return torch.mean(difference * difference, [-1])
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "hiddenStateMse";
  }
}
