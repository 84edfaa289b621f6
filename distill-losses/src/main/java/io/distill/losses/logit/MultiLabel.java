package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Kullback-Leibler divergence of each class on its own, as present or absent. */
public record MultiLabel() implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "MultiLabel",
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            z = torch.clamp_min(student, -1e30) / temperature
            t = torch.clamp_min(teacher, -1e30) / temperature
            present = torch.sigmoid(t) * (torch.log_sigmoid(t) - torch.log_sigmoid(z))
            absent = torch.sigmoid(-t) * (torch.log_sigmoid(-t) - torch.log_sigmoid(-z))
            return torch.sum(present + absent, [-1]) * torch.reshape(temperature * temperature, [-1])
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "multiLabel";
  }
}
