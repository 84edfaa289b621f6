package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;

/**
 * A loss that compares the logits of each row on its own: one formula gives its plain form, its
 * form on tokens, and its form in chunks of a large vocabulary.
 */
public interface RowLoss extends DistillationLoss {

  /** Adds up the rows. */
  String OVER_ROWS =
      """
      def over_rows(self, student: Tensor, teacher: Tensor, temperature: Tensor, weight: Tensor) -> Tensor:
        return torch.sum(self.per_row(student, teacher, temperature, temperature)) * weight
      """;

  /** Adds up the rows that have a label. */
  String OVER_LABELLED_ROWS =
      """
      def over_labelled_rows(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
        values = self.per_row(student, teacher, temperature, labels)
        return torch.sum(torch.where(labels >= 0, values, 0.)) * weight
      """;

  /**
   * Returns the formula, with a method
   *
   * <pre>{@code
   * def per_row(self, student: Tensor, teacher: Tensor, temperature: Tensor, labels: Tensor) -> Tensor
   * }</pre>
   *
   * <p>from logits {@code [N, C]}, temperatures {@code []} or {@code [N, 1]} and labels {@code [N]}
   * to the values {@code [N]}. A loss that does not read labels gets any array for them; a loss
   * that does, must give a finite value for rows whose label is negative. The teacher's logits may
   * be {@code -inf}.
   */
  Formula formula();

  @Override
  default NDArray compute(LossContext context) {
    NDArray student = context.student().logits();
    NDArray teacher = student;
    if (requiresLabels()) {
      Checks.oneLabelPerRow(student, context.labels());
    }
    if (!requiresOfTeacher().isEmpty()) {
      teacher = context.teacher().logits();
      Checks.sameLogits(student, teacher);
    }
    NDArray temperature = context.temperatures();
    // the mean is a part of the call: each operator of its own costs several more
    return requiresLabels()
        ? formula()
            .extended(OVER_LABELLED_ROWS)
            .call(
                "over_labelled_rows",
                student,
                teacher,
                temperature,
                context.labels(),
                context.labelledRowShare())
        : formula()
            .extended(OVER_ROWS)
            .call("over_rows", student, teacher, temperature, context.rowShare());
  }
}
