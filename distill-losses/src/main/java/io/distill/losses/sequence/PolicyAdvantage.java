package io.distill.losses.sequence;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Checks;
import io.distill.losses.internal.Formula;

/**
 * Policy gradient of the reverse divergence on the student's own samples.
 *
 * @param discount how much of the next token's advantage a token gets
 * @param lengthNormalized whether an advantage is divided by the tokens it sums over
 */
public record PolicyAdvantage(double discount, boolean lengthNormalized)
    implements DistillationLoss {

  /*
   * counted [N, L] says which labels are samples; rewards are spread out on it to be summed back
   * along the rows. The ratio is 1; its gradient is that of the student's log-probability.
   */
  private static final Formula FORMULA =
      Formula.of(
          "PolicyAdvantage",
          """
          def over_tokens(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor, all_labels: Tensor, share: Tensor) -> Tensor:
            index = torch.unsqueeze(labels, -1)
            log_q = torch.squeeze(torch.gather(torch.log_softmax(student / temperature, -1), -1, index), -1)
            log_p = torch.squeeze(torch.gather(torch.log_softmax(teacher / temperature, -1), -1, index), -1)
            advantage = log_p - torch.detach(log_q)
            counted = torch.ge(torch.slice(all_labels, 1, 1), 0)
            if self.discount > 0.:
              to_go = torch.masked_scatter(torch.zeros_like(counted, dtype=ops.prim.dtype(log_q)), counted, advantage)
              i = torch.size(counted, 1) - 2
              while i >= 0:
                torch.add_(torch.select(to_go, 1, i), torch.select(to_go, 1, i + 1), alpha=self.discount)
                i = i - 1
              if self.length_normalized:
                remaining = torch.flip(torch.cumsum(torch.flip(counted, [1]), 1), [1])
                to_go = to_go / torch.clamp_min(remaining, 1)
              advantage = torch.masked_select(to_go, counted)
            surrogate = -(torch.exp(log_q - torch.detach(log_q)) * advantage)
            return torch.sum(surrogate * torch.reshape(temperature * temperature, [-1])) * share
          """);

  /** Checks the arguments. */
  public PolicyAdvantage {
    checkArgument(
        discount >= 0 && discount <= 1, "discount must be between 0 and 1 but was %s", discount);
    checkArgument(
        discount > 0 || !lengthNormalized,
        "discount must be greater than 0 for lengthNormalized but was %s",
        discount);
  }

  @Override
  public NDArray compute(LossContext context) {
    LossContext tokens = context.tokens();
    NDArray student = tokens.student().logits();
    NDArray teacher = tokens.teacher().logits();
    Checks.sameLogits(student, teacher);
    return FORMULA
        .with("discount", discount)
        .with("length_normalized", lengthNormalized)
        .call(
            "over_tokens",
            student,
            teacher,
            tokens.temperatures(),
            tokens.labels(),
            context.labels(),
            tokens.rowShare());
  }

  @Override
  public boolean requiresLabels() {
    return true;
  }

  @Override
  public String name() {
    return "policyAdvantage";
  }
}
