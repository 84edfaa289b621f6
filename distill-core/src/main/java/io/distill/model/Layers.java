package io.distill.model;

import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;

/** Takes named weights and makes the small modules that architectures are built of. */
final class Layers {

  private final Map<String, HostTensor> weights;
  private final String reduced;
  private final Set<String> unused;

  Layers(Map<String, HostTensor> weights, Computation computation) {
    this.weights = weights;
    this.reduced = computation.reduced();
    this.unused = new LinkedHashSet<>(weights.keySet());
  }

  HostTensor take(String name, long... shape) {
    HostTensor tensor = weights.get(name);
    Shape expected = new Shape(shape);
    if (tensor == null || !tensor.shape().equals(expected)) {
      throw new DistillationException(
          "weight "
              + name
              + " must have shape "
              + expected
              + " but "
              + (tensor == null ? "is missing" : "had " + tensor.shape())
              + "; check that configuration and weights belong together");
    }
    unused.remove(name);
    return tensor;
  }

  void requireAllUsed(String architecture) {
    if (!unused.isEmpty()) {
      throw new DistillationException(
          "weights must belong to " + architecture + " but it has no " + unused);
    }
  }

  /** A matrix product in the precision of the computation; bfloat16 comes out as such. */
  ScriptModule product(String name, long out, long in) {
    return product(name, out, in, true);
  }

  /** A matrix product with or without a bias, in the precision of the computation. */
  ScriptModule product(String name, long out, long in, boolean biased) {
    String type = (reduced.isEmpty() ? "Linear" : "MixedLinear") + (biased ? "" : "WithoutBias");
    ScriptModule.Builder builder =
        ScriptModule.builder(type).parameter("weight", take(name + ".weight", out, in));
    if (biased) {
      builder.parameter("bias", take(name + ".bias", out));
    }
    String bias = biased ? ", self.bias" : "";
    String exact = "torch.linear(input, self.weight" + bias + ")";
    if (reduced.isEmpty()) {
      return builder
          .method("def forward(self, input: Tensor) -> Tensor:\n  return " + exact + "\n")
          .build();
    }
    String mixedBias = biased ? ", torch.to(self.bias, 15)" : "";
    return builder
        .method(
            """
            def forward(self, input: Tensor) -> Tensor:
              if %s:
                output = torch.linear(torch.to(input, 15), torch.to(self.weight, 15)%s)
              else:
                output = %s
              return output
            """
                .formatted(reduced, mixedBias, exact))
        .build();
  }

  /** A product with a weight that belongs to another module; the result is float32. */
  String tied(String weight, String input) {
    String exact = "torch.linear(" + input + ", " + weight + ")";
    return reduced.isEmpty()
        ? exact
        : "torch.to(torch.linear(torch.to(%s, 15), torch.to(%s, 15)), 6) if %s else %s"
            .formatted(input, weight, reduced, exact);
  }

  /** Converts once what several products read. */
  String operand(String tensor) {
    return reduced.isEmpty()
        ? tensor
        : "(torch.to(%s, 15) if %s else %s)".formatted(tensor, reduced, tensor);
  }

  /** Converts what leaves the products for float32. */
  String float32(String tensor) {
    return reduced.isEmpty() ? tensor : "torch.to(" + tensor + ", 6)";
  }

  /** A matrix product in float32, whatever the computation. */
  ScriptModule linear(String name, long out, long in) {
    return ScriptModule.builder("Linear")
        .parameter("weight", take(name + ".weight", out, in))
        .parameter("bias", take(name + ".bias", out))
        .method(
            """
            def forward(self, input: Tensor) -> Tensor:
              return torch.linear(input, self.weight, self.bias)
            """)
        .build();
  }

  ScriptModule rootMeanSquareNorm(String name, long width, double epsilon) {
    return ScriptModule.builder("RootMeanSquareNorm")
        .parameter("weight", take(name + ".weight", width))
        .constant("eps", epsilon)
        .method(
            """
            def forward(self, input: Tensor) -> Tensor:
              return torch.rms_norm(input, [torch.size(input, -1)], self.weight, self.eps)
            """)
        .build();
  }

  ScriptModule layerNorm(String name, long width, double epsilon) {
    return ScriptModule.builder("LayerNorm")
        .parameter("weight", take(name + ".weight", width))
        .parameter("bias", take(name + ".bias", width))
        .constant("eps", epsilon)
        .method(
            """
            def forward(self, input: Tensor) -> Tensor:
              return torch.layer_norm(input, [torch.size(input, -1)], self.weight, self.bias, self.eps)
            """)
        .build();
  }

  ScriptModule embedding(String name, long count, long width) {
    return ScriptModule.builder("Embedding")
        .parameter("weight", take(name + ".weight", count, width))
        .method(
            """
            def forward(self, input: Tensor) -> Tensor:
              return torch.embedding(self.weight, input)
            """)
        .build();
  }
}
