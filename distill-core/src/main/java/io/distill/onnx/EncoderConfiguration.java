package io.distill.onnx;

import ai.djl.ndarray.types.Shape;
import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import io.distill.exception.DistillationException;
import io.distill.model.Activation;
import io.distill.onnx.OnnxEncoderWeights.Configuration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Infers what the weights alone do not tell from the way the graph uses them. */
final class EncoderConfiguration {

  private static final int MAX_DIMENSION = 1 << 24;
  private static final float DEFAULT_EPSILON = 1e-5f; // of the operator LayerNormalization
  private static final Set<String> PRODUCTS = Set.of("MatMul", "Gemm");

  private final OnnxGraph graph;
  private final EncoderTensors tensors;
  private final String model;

  private EncoderConfiguration(OnnxGraph graph, EncoderTensors tensors, String model) {
    this.graph = graph;
    this.tensors = tensors;
    this.model = model;
  }

  static Configuration infer(OnnxGraph graph, EncoderTensors tensors, String model) {
    return new EncoderConfiguration(graph, tensors, model).infer();
  }

  private Configuration infer() {
    String words = "embeddings.word_embeddings.weight";
    int hidden = dimension(words, 1);
    List<String> norms = new ArrayList<>(List.of("embeddings.LayerNorm"));
    List<Integer> heads = new ArrayList<>();
    List<Activation> activations = new ArrayList<>();
    for (int layer = 0; layer < tensors.layers(); layer++) {
      String prefix = "encoder.layer." + layer + ".";
      norms.add(prefix + "attention.output.LayerNorm");
      norms.add(prefix + "output.LayerNorm");
      heads.add(heads(prefix + "attention.self.query", hidden));
      activations.add(activation(prefix + "intermediate.dense"));
    }
    return new Configuration(
        dimension(words, 0),
        dimension("embeddings.position_embeddings.weight", 0),
        dimension("embeddings.token_type_embeddings.weight", 0),
        hidden,
        tensors.layers(),
        dimension("encoder.layer.0.intermediate.dense.weight", 0),
        same("number of attention heads", heads),
        same("layer norm epsilon", norms.stream().map(this::epsilon).toList()),
        same("activation", activations));
  }

  private int dimension(String name, int axis) {
    Shape shape = tensors.source(name).shape();
    if (shape.dimension() != 2 || shape.get(axis) < 1 || shape.get(axis) > MAX_DIMENSION) {
      throw new DistillationException(
          TensorData.subject(name, tensors.source(name).tensor(), model)
              + " must have two dimensions from 1 to "
              + MAX_DIMENSION
              + " but has shape "
              + shape
              + "; export the model again, as a BERT encoder");
    }
    return (int) shape.get(axis);
  }

  private <T> T same(String what, List<T> values) {
    for (T value : values) {
      if (!value.equals(values.get(0))) {
        throw new DistillationException(
            what
                + " of "
                + model
                + " must be the same everywhere but was "
                + values.get(0)
                + " and "
                + value
                + "; export a BERT-family encoder");
      }
    }
    return values.get(0);
  }

  /** Queries are reshaped to [batch, length, heads, width of a head]. */
  private int heads(String module, int hidden) {
    NodeProto query = tensors.user(module);
    if (query != null) {
      // the first product after the query is the one with the keys
      List<NodeProto> after =
          graph.reachedFrom(
              query.getOutput(0),
              node -> PRODUCTS.contains(node.getOpType()) || node.getOpType().equals("Shape"));
      for (NodeProto node : after) {
        if (node.getOpType().equals("Reshape") && node.getInputCount() == 2) {
          OptionalInt heads =
              graph
                  .integers(node.getInput(1))
                  .map(shape -> headsOf(shape, hidden))
                  .orElse(OptionalInt.empty());
          if (heads.isPresent()) {
            return heads.getAsInt();
          }
        }
      }
      OptionalInt heads = headsOfScale(query, hidden);
      if (heads.isPresent()) {
        return heads.getAsInt();
      }
    }
    throw unknown(
        "number of attention heads",
        "a Reshape to heads or a constant scale after '" + module + "'");
  }

  private static OptionalInt headsOf(long[] shape, int hidden) {
    if (shape.length < 3) {
      return OptionalInt.empty();
    }
    long heads = shape[shape.length - 2];
    long width = shape[shape.length - 1];
    boolean four = shape.length == 4;
    if (heads > 0 && width > 0) {
      return heads <= hidden && width <= hidden && heads * width == hidden
          ? OptionalInt.of((int) heads)
          : OptionalInt.empty();
    }
    // a piece of unknown length may stand for batch and length together
    if (heads == -1 && width > 0 && (four || width < hidden) && hidden % width == 0) {
      return OptionalInt.of((int) (hidden / width));
    }
    if (four && width == -1 && heads > 0 && hidden % heads == 0) {
      return OptionalInt.of((int) heads);
    }
    return OptionalInt.empty();
  }

  /** Scores are divided by the square root of the width of a head. */
  private OptionalInt headsOfScale(NodeProto query, int hidden) {
    for (NodeProto node :
        graph.reachedFrom(query.getOutput(0), after -> after.getOpType().equals("Softmax"))) {
      boolean divides = node.getOpType().equals("Div");
      if (!divides && !node.getOpType().equals("Mul")) {
        continue;
      }
      for (String input : node.getInputList()) {
        OptionalDouble scale = graph.scalar(input);
        if (scale.isPresent()) {
          double square = scale.getAsDouble() * scale.getAsDouble();
          long width = Math.round(divides ? square : 1 / square);
          if (width >= 1 && width <= hidden && hidden % width == 0) {
            return OptionalInt.of((int) (hidden / width));
          }
        }
      }
    }
    return OptionalInt.empty();
  }

  private double epsilon(String module) {
    NodeProto norm = tensors.user(module);
    OptionalDouble epsilon = norm == null ? OptionalDouble.empty() : epsilon(norm);
    if (epsilon.isEmpty()) {
      throw unknown("layer norm epsilon", "a constant added to the variance in '" + module + "'");
    }
    if (!(epsilon.getAsDouble() >= 0 && epsilon.getAsDouble() < 1)) {
      throw new DistillationException(
          "layer norm epsilon of "
              + model
              + " must be at least 0 and less than 1 but was "
              + epsilon.getAsDouble()
              + " in '"
              + module
              + "'; export the model again");
    }
    return epsilon.getAsDouble();
  }

  private OptionalDouble epsilon(NodeProto norm) {
    if (norm.getOpType().equals("LayerNormalization")) {
      float epsilon = DEFAULT_EPSILON;
      for (AttributeProto attribute : norm.getAttributeList()) {
        if (attribute.getName().equals("epsilon")) {
          epsilon = attribute.getF();
        }
      }
      return OptionalDouble.of(TensorData.decimal(epsilon));
    }
    Set<String> between = Set.of("Div", "Mul", "Sqrt", "Reciprocal", "Pow", "Cast", "Identity");
    for (String input : norm.getInputList()) {
      for (NodeProto node :
          graph.leadingTo(input, before -> !between.contains(before.getOpType()))) {
        if (node.getOpType().equals("Add")) {
          for (String operand : node.getInputList()) {
            OptionalDouble scalar = graph.scalar(operand);
            if (scalar.isPresent()) {
              return scalar;
            }
          }
        }
      }
    }
    return OptionalDouble.empty();
  }

  private Activation activation(String module) {
    NodeProto dense = tensors.user(module);
    if (dense == null) {
      throw unknown("activation", "the product with '" + module + ".weight'");
    }
    List<NodeProto> after =
        graph.reachedFrom(dense.getOutput(0), node -> PRODUCTS.contains(node.getOpType()));
    Set<String> operators =
        after.stream().map(NodeProto::getOpType).collect(Collectors.toCollection(TreeSet::new));
    for (NodeProto node : after) {
      Activation activation = activation(node, operators);
      if (activation != null) {
        return activation;
      }
    }
    throw new DistillationException(
        "activation of "
            + model
            + " must be GELU, GELU with tanh, or ReLU but the operators after '"
            + module
            + "' are "
            + String.join(", ", operators)
            + "; export a BERT-family encoder");
  }

  private static @Nullable Activation activation(NodeProto node, Set<String> operators) {
    boolean scaled = operators.contains("Mul");
    return switch (node.getOpType()) {
      case "Erf" -> scaled ? Activation.GELU : null;
      case "Tanh" -> scaled ? Activation.GELU_TANH : null;
      case "Relu" -> scaled || operators.contains("Pow") ? null : Activation.RELU;
      case "Gelu" -> approximate(node) ? Activation.GELU_TANH : Activation.GELU;
      default -> null;
    };
  }

  private static boolean approximate(NodeProto gelu) {
    return gelu.getAttributeList().stream()
        .anyMatch(
            attribute ->
                attribute.getName().equals("approximate")
                    && attribute.getS().toStringUtf8().equals("tanh"));
  }

  private DistillationException unknown(String what, String where) {
    return new DistillationException(
        what
            + " of "
            + model
            + " must follow from its graph but "
            + where
            + " was not found; export the model again, without graph optimization");
  }
}
