package io.distill.model;

import io.distill.torchscript.HostTensor;
import java.util.Map;

/** The usual starting points of layers. */
final class Initial {

  private Initial() {}

  /** Uniform in {@code ±1/√in}, weight and bias, as PyTorch's {@code nn.Linear}. */
  static void linear(
      Map<String, HostTensor> weights,
      WeightInitializer initializer,
      String name,
      long out,
      long in) {
    double bound = 1 / Math.sqrt((double) in);
    weights.put(name + ".weight", initializer.uniform(name + ".weight", bound, out, in));
    weights.put(name + ".bias", initializer.uniform(name + ".bias", bound, out));
  }
}
