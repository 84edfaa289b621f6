package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import io.distill.loss.LossContext;

/** A learned matrix between spaces of different widths. */
final class Projector {

  private Projector() {}

  /** Returns {@code input · Wᵀ} if the loss declared {@code W}, else the input. */
  static NDArray apply(LossContext context, String name, NDArray input) {
    return context.hasParameter(name) ? input.matMul(context.parameter(name).transpose()) : input;
  }
}
