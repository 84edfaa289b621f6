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

  /** Normal with a small deviation and a bias of 0, as BERT. */
  static void normalLinear(
      Map<String, HostTensor> weights,
      WeightInitializer initializer,
      String name,
      long out,
      long in) {
    weights.put(name + ".weight", initializer.normal(name + ".weight", 0.02, out, in));
    weights.put(name + ".bias", initializer.constant(0, out));
  }

  /** Weight 1 and bias 0. */
  static void layerNorm(
      Map<String, HostTensor> weights, WeightInitializer initializer, String name, long width) {
    weights.put(name + ".weight", initializer.constant(1, width));
    weights.put(name + ".bias", initializer.constant(0, width));
  }
}
