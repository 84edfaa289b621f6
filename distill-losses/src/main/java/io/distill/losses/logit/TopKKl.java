package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Kullback-Leibler divergence over the teacher's top classes and all others as one. */
public record TopKKl(int k) implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "TopKKl",
          // the rest from its own logarithms: 1 minus the sum of the top loses all digits
          """
          def with_rest(self, log_probabilities: Tensor, classes: Tensor) -> Tensor:
            rest = torch.scatter(log_probabilities, -1, classes, float("-inf"))
            top = torch.gather(log_probabilities, -1, classes)
            return torch.cat([top, torch.logsumexp(rest, [-1], True)], -1)
          """,
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            log_p = self.log_probabilities(teacher, temperature)
            log_q = self.student_log_probabilities(student, teacher, temperature)
            if torch.size(student, -1) > self.k:
              top, classes = torch.topk(log_p, self.k, -1)
              log_p = self.with_rest(log_p, classes)
              log_q = self.with_rest(log_q, classes)
            return self.scaled(self.divergence(log_p, log_q), temperature)
          """);

  public TopKKl {
    checkArgument(k >= 1, "k must be at least 1 but was %s", k);
  }

  @Override
  public Formula formula() {
    return FORMULA.with("k", k);
  }

  @Override
  public String name() {
    return "topKKl";
  }
}
