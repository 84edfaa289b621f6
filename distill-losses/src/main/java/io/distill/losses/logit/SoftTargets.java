package io.distill.losses.logit;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Checks;

/** Kullback-Leibler divergence of tempered distributions. */
public record SoftTargets() implements DistillationLoss {
  private static final int[] CLASSES = {1};

  @Override
  public NDArray compute(LossContext context) {
    NDArray student = context.student().logits();
    NDArray teacher = context.teacher().logits();
    Checks.sameClasses(student, teacher);
    double temperature = context.temperature();
    NDArray logQ = student.div(temperature).logSoftmax(1);
    NDArray logP = teacher.div(temperature).logSoftmax(1);
    NDArray divergence = logP.exp().mul(logP.sub(logQ)).sum(CLASSES);
    return context.meanOverRows(divergence).mul((float) (temperature * temperature));
  }

  @Override
  public String name() {
    return "softTargets";
  }
}
