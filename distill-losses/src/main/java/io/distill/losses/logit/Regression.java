package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;
import java.util.OptionalDouble;

/**
 * Squared error of numbers that both models predict, or Huber's form of it.
 *
 * @param delta the error from which on Huber's form is linear; empty for the squared error
 */
public record Regression(OptionalDouble delta) implements RowLoss {

  private static final Formula SQUARED =
      Formula.of(
          "Regression",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            error = student - teacher
            return torch.sum(error * error, [-1])
          """);

  private static final Formula HUBER =
      Formula.of(
          "RegressionHuber",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            error = torch.abs(student - teacher)
            near = torch.clamp_max(error, self.delta)
            return torch.sum(near * (error - near * 0.5), [-1])
          """);

  /**
   * Checks the error.
   *
   * @param delta the error from which on Huber's form is linear; empty for the squared error
   * @throws IllegalArgumentException if {@code delta} is not finite or not greater than 0
   */
  public Regression {
    delta.ifPresent(
        given ->
            checkArgument(
                Double.isFinite(given) && given > 0,
                "delta must be finite and greater than 0 but was %s",
                given));
  }

  @Override
  public Formula formula() {
    return delta.isPresent() ? HUBER.with("delta", delta.getAsDouble()) : SQUARED;
  }

  @Override
  public String name() {
    return "regression";
  }
}
