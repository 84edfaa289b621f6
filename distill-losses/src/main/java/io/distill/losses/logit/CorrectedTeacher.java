package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/**
 * Kullback-Leibler divergence to a teacher whose mistakes are corrected.
 *
 * @param tau by how much a corrected label leads the class that the teacher took for it
 */
public record CorrectedTeacher(double tau) implements RowLoss {

  private static final Formula FORMULA =
      Formula.of(
          "CorrectedTeacher",
          // a probability of 0 counts as 1 where its logarithm is taken, and then counts nothing
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_q = torch.log_softmax(torch.clamp_min(student, -1e30) / temperature, -1)
            p = torch.softmax(torch.clamp_min(teacher, -1e30) / temperature, -1)
            index = torch.unsqueeze(torch.clamp_min(labels, 0), -1)
            lead = torch.amax(p, [-1], True) - torch.gather(p, -1, index)
            share = torch.where(lead > 0., (lead + self.tau) / (lead + 1.), 0.)
            corrected = torch.scatter_add(p * (1. - share), -1, index, share)
            safe = torch.where(corrected > 0., corrected, 1.)
            divergence = torch.sum(corrected * (torch.log(safe) - log_q), [-1])
            return torch.where(labels >= 0, divergence * torch.reshape(temperature * temperature, [-1]), 0.)
          """);

  /**
   * Checks the lead.
   *
   * @param tau by how much a corrected label leads the class that the teacher took for it
   * @throws IllegalArgumentException if {@code tau} is not between 0 and 1
   */
  public CorrectedTeacher {
    checkArgument(tau >= 0 && tau <= 1, "tau must be between 0 and 1 but was %s", tau);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("tau", tau);
  }

  @Override
  public boolean requiresLabels() {
    return true;
  }

  @Override
  public String name() {
    return "correctedTeacher";
  }
}
