package io.distill.losses.logit;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.losses.internal.Formula;
import io.distill.losses.internal.RowLoss;

/** Kullback-Leibler divergence over the teacher's top classes and all others as one. */
public record TopKKl(int k) implements RowLoss {

  private static final Formula FORMULA =
      Tempered.formula(
          "TopKKl",
          // the rest as a logit of its own: 1 minus the top loses all digits where that is nearly
          // 1,
          // and what log_softmax over all classes rounds off shows where the rest is nearly 1
          """
          def with_rest(self, logits: Tensor, classes: Tensor) -> Tensor:
            rest = torch.logsumexp(torch.scatter(logits, -1, classes, float("-inf")), [-1], True)
            return torch.cat([torch.gather(logits, -1, classes), rest], -1)
          """,
          """
          def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor:
            of_teacher = self.tempered(teacher, temperature)
            of_student = self.tempered_student(student, teacher, temperature)
            if torch.size(student, -1) > self.k:
              top, classes = torch.topk(of_teacher, self.k, -1)
              of_teacher = self.with_rest(of_teacher, classes)
              of_student = self.with_rest(of_student, classes)
            log_p = torch.log_softmax(of_teacher, -1)
            log_q = torch.log_softmax(of_student, -1)
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
