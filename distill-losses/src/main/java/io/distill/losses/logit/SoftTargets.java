package io.distill.losses.logit;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
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
    Checks.sameLogits(student, teacher);
    double temperature = context.temperature();
    NDArray logQ = student.div(temperature).logSoftmax(1);
    NDArray logP = teacher.div(temperature).logSoftmax(1);
    NDArray p = logP.exp();
    // a class that the teacher rules out (-inf) counts 0, not 0 times infinity
    NDArray perClass = NDArrays.where(p.gt(0), p.mul(logP.sub(logQ)), context.manager().create(0f));
    return context.meanOverRows(perClass.sum(CLASSES)).mul((float) (temperature * temperature));
  }

  @Override
  public String name() {
    return "softTargets";
  }
}
