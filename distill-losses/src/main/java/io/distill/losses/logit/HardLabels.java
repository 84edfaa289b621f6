package io.distill.losses.logit;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Checks;
import io.distill.signal.SignalKind;
import java.util.Set;

/** Cross-entropy with the labels of the rows that have one. */
public record HardLabels() implements DistillationLoss {
  @Override
  public NDArray compute(LossContext context) {
    NDArray student = context.student().logits();
    Checks.oneLabelPerRow(student, context.labels());
    NDArray logQ = student.logSoftmax(1);
    // an unlabelled row picks class 0; the mean over labelled rows leaves it out
    NDArray index = context.labels().maximum(0).expandDims(1);
    NDArray perRow = logQ.gather(index, 1).squeeze(1).neg();
    return context.meanOverLabelledRows(perRow);
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.of(SignalKind.LOGITS);
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
