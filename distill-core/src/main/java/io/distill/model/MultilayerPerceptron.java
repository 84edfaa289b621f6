package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Linear layers with an activation between them, for rows of numbers.
 *
 * <p>Inputs of more than two dimensions (images) are flattened to {@code [N, inputSize]}. Hidden
 * states are the outputs of the hidden layers, {@code [N, D]} each; the embedding is the last one.
 *
 * @param inputSize the number of values a row, at least 1
 * @param hiddenSizes the widths of the hidden layers, at least one layer
 * @param activation the activation of the hidden layers
 * @param dropout the dropout probability after each hidden layer, from 0 to below 1
 * @param classes the number of classes; 0 for none
 */
public record MultilayerPerceptron(
    int inputSize, List<Integer> hiddenSizes, Activation activation, double dropout, int classes)
    implements ModelConfiguration {

  /**
   * Checks the values and copies the list.
   *
   * @param inputSize the number of values a row, at least 1
   * @param hiddenSizes the widths of the hidden layers, at least one layer
   * @param activation the activation of the hidden layers
   * @param dropout the dropout probability after each hidden layer, from 0 to below 1
   * @param classes the number of classes; 0 for none
   * @throws IllegalArgumentException if a value is out of range
   */
  public MultilayerPerceptron {
    checkArgument(inputSize >= 1, "inputSize must be at least 1 but was %s", inputSize);
    hiddenSizes = List.copyOf(hiddenSizes);
    checkArgument(!hiddenSizes.isEmpty(), "hiddenSizes must have at least one layer but was []");
    for (int size : hiddenSizes) {
      checkArgument(size >= 1, "hiddenSizes must be at least 1 each but were %s", hiddenSizes);
    }
    requireNonNull(activation, "activation");
    BagOfEmbeddings.checkProbability("dropout", dropout);
    checkArgument(classes >= 0, "classes must be at least 0 but was %s", classes);
  }

  @Override
  public MultilayerPerceptron withClasses(int classes) {
    return new MultilayerPerceptron(inputSize, hiddenSizes, activation, dropout, classes);
  }

  @Override
  public List<String> layerNames() {
    return IntStream.range(0, hiddenSizes.size()).mapToObj(i -> "hidden." + i).toList();
  }

  @Override
  public Map<String, HostTensor> initialWeights(long seed) {
    WeightInitializer initializer = new WeightInitializer(seed);
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    int in = inputSize;
    for (int i = 0; i < hiddenSizes.size(); i++) {
      Initial.linear(weights, initializer, "hidden." + i, hiddenSizes.get(i), in);
      in = hiddenSizes.get(i);
    }
    if (classes > 0) {
      Initial.linear(weights, initializer, "classifier", classes, in);
    }
    return weights;
  }

  @Override
  public long parameterCount() {
    long count = 0;
    int in = inputSize;
    for (int size : hiddenSizes) {
      count += (long) size * (in + 1);
      in = size;
    }
    return count + (long) classes * (in + 1);
  }

  @Override
  public long activationBytes(int rows, int tokens, Computation computation) {
    // product, activation, dropout's mask and result
    long widths = hiddenSizes.stream().mapToLong(Integer::longValue).sum();
    return (long) Float.BYTES * rows * (inputSize + 4 * widths);
  }

  @Override
  public ScriptModule module(Map<String, HostTensor> weights, Computation computation) {
    Layers layers = new Layers(weights, computation);
    ScriptModule.Builder hidden = ScriptModule.builder("HiddenLayers");
    StringBuilder encode = new StringBuilder();
    encode.append("def encode(self, input: Tensor) -> List[Tensor]:\n");
    encode.append("  h0 = torch.flatten(input, 1)\n");
    StringBuilder names = new StringBuilder();
    int in = inputSize;
    for (int i = 0; i < hiddenSizes.size(); i++) {
      hidden.module(Integer.toString(i), layers.product("hidden." + i, hiddenSizes.get(i), in));
      in = hiddenSizes.get(i);
      String layer = "getattr(self.hidden, \"" + i + "\").forward(h" + i + ")";
      encode.append("  h").append(i + 1).append(" = torch.dropout(");
      encode.append(layers.float32(activation.of(layer)));
      encode.append(", self.dropout, self.training)\n");
      names.append(i == 0 ? "h" : ", h").append(i + 1);
    }
    encode.append("  return [").append(names).append("]\n");
    int last = hiddenSizes.size() - 1;
    ScriptModule.Builder builder =
        ScriptModule.builder("MultilayerPerceptron")
            .module("hidden", hidden.build())
            .constant("dropout", dropout)
            .method(encode.toString());
    String embedding = "self.encode(input)[" + last + "]";
    String logits = "";
    if (classes > 0) {
      builder.module("classifier", layers.linear("classifier", classes, in));
      logits = "\"logits\": self.classifier.forward(hidden[" + last + "]), ";
      builder.method(
          "def forward(self, input: Tensor) -> Tensor:\n  return self.classifier.forward("
              + embedding
              + ")\n");
    } else {
      builder.method("def forward(self, input: Tensor) -> Tensor:\n  return " + embedding + "\n");
    }
    StringBuilder states = new StringBuilder();
    for (int i = 0; i <= last; i++) {
      states.append(", \"hidden_states.").append(i).append("\": hidden[").append(i).append(']');
    }
    String outputs =
        """
        def outputs%s(self, input: Tensor) -> Dict[str, Tensor]:
          hidden = self.encode(input)
          return {%s"embedding": hidden[%d]%s}
        """;
    builder
        .method(outputs.formatted("", logits, last, ""))
        .method(outputs.formatted("_with_hidden_states", logits, last, states));
    layers.requireAllUsed("MultilayerPerceptron");
    return builder.build();
  }
}
