package io.distill.loss;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.internal.HostMemoryScope;
import java.util.function.Supplier;

/** Backward passes in tests. */
final class Gradients {

  private Gradients() {}

  /** Computes a scalar and follows it back; gradients are then with the leaves. */
  @SuppressWarnings("try") // the memory scope only has to be open
  static NDArray backward(Supplier<NDArray> scalar) {
    boolean mode = JniUtils.isGradMode();
    JniUtils.setGradMode(true);
    try (HostMemoryScope memory = new HostMemoryScope()) {
      NDArray value = scalar.get();
      JniUtils.backward((PtNDArray) value, (PtNDArray) value.onesLike(), false, false);
      return value;
    } finally {
      JniUtils.setGradMode(mode);
    }
  }

  static NDArray leaf(NDArray array) {
    array.setRequiresGradient(true);
    return array;
  }
}
