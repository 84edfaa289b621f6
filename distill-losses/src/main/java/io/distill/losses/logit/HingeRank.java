package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;
import java.util.OptionalDouble;

/**
 * Hinge on the gap of each pair of classes that the teacher ranks.
 *
 * @param margin the gap that the student must reach; empty for the teacher's own gap
 */
public record HingeRank(OptionalDouble margin) implements RowLoss {

  private static final String GAPS =
      """
      def gaps(self, x: Tensor) -> Tensor:
        return torch.unsqueeze(x, -1) - torch.unsqueeze(x, -2)
      """;

  private static final Formula TEACHERS_GAP = formula("HingeRank", "(self).gaps(p - q)");
  private static final Formula GIVEN_GAP =
      formula("HingeRankWithMargin", "self.margin - (self).gaps(q)");

  private static Formula formula(String name, String shortfall) {
    return Formula.of(
        name,
        GAPS,
        RankedPairs.METHOD,
        """
        def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
          q = torch.softmax(torch.clamp_min(student, -1e30) / temperature, -1)
          p = torch.softmax(torch.clamp_min(teacher, -1e30) / temperature, -1)
          losses = torch.relu(SHORTFALL)
          return (self).mean_over_pairs(losses, teacher) * torch.reshape(temperature * temperature, [-1])
        """
            .replace("SHORTFALL", shortfall));
  }

  /**
   * Checks the margin.
   *
   * @param margin the gap that the student must reach; empty for the teacher's own gap
   * @throws IllegalArgumentException if the margin is not between 0 and 1
   */
  public HingeRank {
    margin.ifPresent(
        given ->
            checkArgument(
                given >= 0 && given <= 1, "margin must be between 0 and 1 but was %s", given));
  }

  @Override
  public Formula formula() {
    return margin.isPresent() ? GIVEN_GAP.with("margin", margin.getAsDouble()) : TEACHERS_GAP;
  }

  @Override
  public String name() {
    return "hingeRank";
  }
}
