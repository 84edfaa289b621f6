package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Checks;
import io.distill.losses.internal.Formula;

/**
 * One minus the correlation of tempered probabilities, along rows and along classes.
 *
 * @param beta the weight of the rows: how a row's classes relate
 * @param gamma the weight of the classes: how a class's rows relate
 */
public record Dist(double beta, double gamma) implements DistillationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "Dist",
          // Numbers that are equal but for rounding have no direction: what varies by less than
          // 1e-6 of the numbers' own size is scaled down to a correlation near 0.
          """
          def direction(self, x: Tensor, counted: Tensor, dim: int) -> Tensor:
            kept = x * counted
            mean = torch.sum(kept, [dim], True) / torch.clamp_min(torch.sum(counted, [dim], True), 1.)
            centred = (kept - mean) * counted
            size = torch.sqrt(torch.clamp_min(torch.sum(kept * kept, [dim], True), 1e-30))
            norm = torch.sqrt(torch.clamp_min(torch.sum(centred * centred, [dim], True), 1e-30))
            return centred / torch.maximum(norm, size * 1e-6)
          """,
          """
          def distance(self, x: Tensor, y: Tensor, counted: Tensor, dim: int) -> Tensor:
            x_direction = (self).direction(x, counted, dim)
            y_direction = (self).direction(y, counted, dim)
            return 1. - torch.sum(x_direction * y_direction, [dim])
          """,
          // not a loss of each row on its own: every row gets the same share of the classes' term
          """
          def over_rows(self, student: Tensor, teacher: Tensor, temperature: Tensor, share: Tensor) -> Tensor:
            q = torch.softmax(torch.clamp_min(student, -1e30) / temperature, -1)
            p = torch.softmax(torch.clamp_min(teacher, -1e30) / temperature, -1)
            counted = torch.to(teacher > -1e30, q)
            rows = (self).distance(q, p, counted, 1)
            exists = torch.amax(counted, [0])
            classes = torch.sum((self).distance(q, p, counted, 0) * exists) / torch.clamp_min(torch.sum(exists), 1.)
            values = (rows * self.beta + classes * self.gamma) * torch.reshape(temperature * temperature, [-1])
            return torch.sum(values) * share
          """);

  /**
   * Checks the weights.
   *
   * @param beta the weight of the rows: how a row's classes relate
   * @param gamma the weight of the classes: how a class's rows relate
   * @throws IllegalArgumentException if a weight is negative or not finite
   */
  public Dist {
    checkArgument(
        Double.isFinite(beta) && beta >= 0, "beta must be finite and at least 0 but was %s", beta);
    checkArgument(
        Double.isFinite(gamma) && gamma >= 0,
        "gamma must be finite and at least 0 but was %s",
        gamma);
  }

  @Override
  public NDArray compute(LossContext context) {
    NDArray student = context.student().logits();
    NDArray teacher = context.teacher().logits();
    Checks.sameLogits(student, teacher);
    return FORMULA
        .with("beta", beta)
        .with("gamma", gamma)
        .call("over_rows", student, teacher, context.temperatures(), context.rowShare());
  }

  @Override
  public String name() {
    return "dist";
  }
}
