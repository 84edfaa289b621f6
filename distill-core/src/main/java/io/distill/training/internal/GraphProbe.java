package io.distill.training.internal;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.IValue;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;

/**
 * Tells whether a value is attached to the graph of gradients. DJL cannot: it reports only leaves,
 * and asking for the gradient function of an array that has none ends the process.
 */
final class GraphProbe implements AutoCloseable {

  private static final String SOURCE =
      """
      def attached(self, value: Tensor) -> bool:
        return value.requires_grad
      """;

  private final LoadedModule module =
      LoadedModule.load(
          ScriptModule.builder("GraphProbe").method(SOURCE).build(), Device.cpu(), false);

  boolean attached(NDArray value) {
    try (IValue argument = IValue.from((PtNDArray) value);
        IValue result = module.run("attached", argument)) {
      return result.toBoolean();
    }
  }

  @Override
  public void close() {
    module.close();
  }
}
