package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/**
 * Cross-entropy on the label, weighted by the teacher's trust in it, and among the other classes.
 *
 * @param gamma the weight of the part among the other classes
 */
public record NormalizedKd(double gamma) implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "NormalizedKd",
          OtherClasses.METHOD,
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            z = torch.clamp_min(student, -1e30)
            t = torch.clamp_min(teacher, -1e30)
            index = torch.unsqueeze(torch.clamp_min(labels, 0), -1)
            log_q_label = torch.squeeze(torch.gather(torch.log_softmax(z, -1), -1, index), -1)
            log_p_label = torch.squeeze(torch.gather(torch.log_softmax(t, -1), -1, index), -1)
            target = -(torch.exp(log_p_label) * log_q_label)
            t_other = (self).other_classes(t / temperature, index)
            log_q = torch.log_softmax((self).other_classes(z / temperature, index), -1)
            p = torch.softmax(t_other, -1)
            non_target = -torch.sum(p * log_q, [-1])
            non_target = torch.where(torch.amax(t_other, [-1]) > -1e28, non_target, 0.)
            value = target + non_target * torch.reshape(temperature * temperature, [-1]) * self.gamma
            return torch.where(labels >= 0, value, 0.)
          """);

  /**
   * Checks the weight.
   *
   * @param gamma the weight of the part among the other classes
   * @throws IllegalArgumentException if {@code gamma} is negative or not finite
   */
  public NormalizedKd {
    checkArgument(
        Double.isFinite(gamma) && gamma >= 0,
        "gamma must be finite and at least 0 but was %s",
        gamma);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("gamma", gamma);
  }

  @Override
  public boolean requiresLabels() {
    return true;
  }

  @Override
  public String name() {
    return "normalizedKd";
  }
}
