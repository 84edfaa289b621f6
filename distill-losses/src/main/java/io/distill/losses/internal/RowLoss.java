package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;

/**
 * A loss that compares the logits of each row on its own: one formula gives its plain form, its
 * form on tokens, and its form in chunks of a large vocabulary.
 */
public interface RowLoss extends DistillationLoss {

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
    return requiresLabels()
        ? context.meanOverLabelledRows(
            formula().call("per_row", student, teacher, temperature, context.labels()))
        : context.meanOverRows(
            formula().call("per_row", student, teacher, temperature, temperature));
  }
}
