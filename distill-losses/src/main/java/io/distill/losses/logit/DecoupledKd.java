package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/**
 * Divergence on the label and divergence among the other classes, weighted apart.
 *
 * @param alpha the weight of the label's part
 * @param beta the weight of the part among the other classes
 */
public record DecoupledKd(double alpha, double beta) implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "DecoupledKd",
          OtherClasses.METHOD,
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            z = torch.clamp_min(student, -1e30) / temperature
            t = torch.clamp_min(teacher, -1e30) / temperature
            index = torch.unsqueeze(torch.clamp_min(labels, 0), -1)
            z_other = (self).other_classes(z, index)
            t_other = (self).other_classes(t, index)
            q_total = torch.logsumexp(z, [-1])
            p_total = torch.logsumexp(t, [-1])
            log_q_label = torch.squeeze(torch.gather(z, -1, index), -1) - q_total
            log_p_label = torch.squeeze(torch.gather(t, -1, index), -1) - p_total
            log_q_other = torch.logsumexp(z_other, [-1]) - q_total
            log_p_other = torch.logsumexp(t_other, [-1]) - p_total
            target = torch.exp(log_p_label) * (log_p_label - log_q_label) + torch.exp(log_p_other) * (log_p_other - log_q_other)
            log_q = torch.log_softmax(z_other, -1)
            log_p = torch.log_softmax(t_other, -1)
            non_target = torch.sum(torch.exp(log_p) * (log_p - log_q), [-1])
            non_target = torch.where(torch.amax(t_other, [-1]) > -1e28, non_target, 0.)
            value = target * self.alpha + non_target * self.beta
            return torch.where(labels >= 0, value * torch.reshape(temperature * temperature, [-1]), 0.)
          """);

  /**
   * Checks the weights.
   *
   * @param alpha the weight of the label's part
   * @param beta the weight of the part among the other classes
   * @throws IllegalArgumentException if a weight is negative or not finite
   */
  public DecoupledKd {
    checkArgument(
        Double.isFinite(alpha) && alpha >= 0,
        "alpha must be finite and at least 0 but was %s",
        alpha);
    checkArgument(
        Double.isFinite(beta) && beta >= 0, "beta must be finite and at least 0 but was %s", beta);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("alpha", alpha).with("beta", beta);
  }

  @Override
  public boolean requiresLabels() {
    return true;
  }

  @Override
  public String name() {
    return "decoupledKd";
  }
}
