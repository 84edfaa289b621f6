package io.distill.losses.docs;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;

/** The loss that the README shows: squared distance of logits under a learned scale. */
final class CustomLossExample {

  private CustomLossExample() {}

  record ScaledLogits() implements DistillationLoss {
    @Override
    public void prepare(LossSetup setup) {
      setup.parameter("scale", new Shape(1), 1f); // learned with the student, never saved with it
    }

    @Override
    public NDArray compute(LossContext context) {
      NDArray scaled = context.student().logits().mul(context.parameter("scale"));
      NDArray difference = scaled.sub(context.teacher().logits());
      return context.meanOverRows(difference.square().mean(new int[] {1}));
    }
  }
}
