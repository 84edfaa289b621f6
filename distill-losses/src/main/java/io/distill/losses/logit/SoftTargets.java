package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Kullback-Leibler divergence of tempered distributions. */
public record SoftTargets() implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "SoftTargets",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            if ops.prim.requires_grad(temperature):
              log_q = self.student_log_probabilities(student, teacher, temperature)
            else:
              # no gradient meets a class that both rule out: the difference is cut off below
              log_q = torch.log_softmax(student / temperature, -1)
            p = torch.exp(log_p)
            difference = torch.where(p > 0., log_p - log_q, 0.)
            return self.scaled(torch.sum(p * difference, [-1]), temperature)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "softTargets";
  }
}
