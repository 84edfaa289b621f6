package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;
import io.distill.signal.SignalKind;
import java.util.Set;

/** Cross-entropy with the labels of the rows that have one. */
public record HardLabels(double labelSmoothing) implements RowLoss {

  private static final String LABEL_TERM =
      """
      def label_term(self, log_q: Tensor, labels: Tensor) -> Tensor:
        picked = torch.gather(log_q, -1, torch.unsqueeze(torch.clamp_min(labels, 0), -1))
        return -torch.squeeze(picked, -1)
      """;

  private static final Formula FORMULA =
      Formula.of(
          "HardLabels",
          LABEL_TERM,
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            term = self.label_term(torch.log_softmax(student, -1), labels)
            return torch.where(labels >= 0, term, 0.)
          """);

  private static final Formula SMOOTHED =
      Formula.of(
          "SmoothedHardLabels",
          LABEL_TERM,
          // a class that the student rules out, such as a padded one, is none to smooth over
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_q = torch.log_softmax(student, -1)
            possible = student > -1e+30
            others = torch.sum(torch.where(possible, log_q, 0.), [-1])
            mean = -others / torch.sum(possible, [-1])
            term = (1. - self.smoothing) * self.label_term(log_q, labels) + self.smoothing * mean
            return torch.where(labels >= 0, term, 0.)
          """);

  public HardLabels {
    checkArgument(
        labelSmoothing >= 0 && labelSmoothing < 1,
        "labelSmoothing must be at least 0 and less than 1 but was %s",
        labelSmoothing);
  }

  @Override
  public Formula formula() {
    return labelSmoothing == 0 ? FORMULA : SMOOTHED.with("smoothing", labelSmoothing);
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
