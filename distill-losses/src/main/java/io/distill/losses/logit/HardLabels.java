package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;
import io.distill.signal.SignalKind;
import java.util.Set;

/** Cross-entropy with the labels of the rows that have one. */
public record HardLabels() implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "HardLabels",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_q = torch.log_softmax(student, -1)
            picked = torch.gather(log_q, -1, torch.unsqueeze(torch.clamp_min(labels, 0), -1))
            return torch.where(labels >= 0, -torch.squeeze(picked, -1), 0.)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public Set<SignalKind> requiresOfTeacher() {
    return Set.of();
  }

  @Override
  public boolean requiresLabels() {
    return true;
  }

  @Override
  public String name() {
    return "hardLabels";
  }
}
