package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Both Kullback-Leibler divergences, weighted by where the student is off. */
public record AdaptiveKl(double headShare) implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "AdaptiveKl",
          // where both agree the gaps are 0, and so are the divergences: any weight will do
          """
          def head_weight(self, p: Tensor, q: Tensor) -> Tensor:
            gap = torch.detach(torch.abs(p - q))
            largest, order = torch.sort(torch.detach(p), stable=True, dim=-1, descending=True)
            in_head = torch.cumsum(largest, -1) - largest < self.head_share
            head = torch.sum(torch.gather(gap, -1, order) * in_head, [-1])
            return head / torch.clamp_min(torch.sum(gap, [-1]), 1e-30)
          """,
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            log_q = self.student_log_probabilities(student, teacher, temperature)
            forward = self.divergence(log_p, log_q)
            reverse = self.reverse_divergence(log_p, log_q)
            weight = self.head_weight(torch.exp(log_p), torch.exp(log_q))
            return self.scaled(weight * forward + (1. - weight) * reverse, temperature)
          """);

  public AdaptiveKl {
    checkArgument(
        headShare > 0 && headShare < 1,
        "headShare must be greater than 0 and less than 1 but was %s",
        headShare);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("head_share", headShare);
  }

  @Override
  public String name() {
    return "adaptiveKl";
  }
}
