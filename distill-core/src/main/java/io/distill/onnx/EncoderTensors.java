package io.distill.onnx;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.types.Shape;
import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import io.distill.exception.DistillationException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Finds which constant of a graph is which parameter of a BERT encoder. */
final class EncoderTensors {

  /**
   * Where a parameter is stored.
   *
   * @param tensor the stored tensor
   * @param transpose whether PyTorch's layout is the transpose of what is stored
   */
  record Source(TensorProto tensor, boolean transpose) {

    /** Returns the shape in PyTorch's layout. */
    Shape shape() {
      List<Long> dimensions = new ArrayList<>(tensor.getDimsList());
      if (transpose) {
        Collections.reverse(dimensions);
      }
      return new Shape(dimensions);
    }
  }

  private static final List<String> LINEARS =
      List.of(
          "attention.self.query",
          "attention.self.key",
          "attention.self.value",
          "attention.output.dense",
          "intermediate.dense",
          "output.dense");
  private static final List<String> NORMS =
      List.of("attention.output.LayerNorm", "output.LayerNorm");
  private static final List<String> EMBEDDINGS =
      List.of(
          "embeddings.word_embeddings",
          "embeddings.position_embeddings",
          "embeddings.token_type_embeddings");
  private static final String EMBEDDING_NORM = "embeddings.LayerNorm";
  private static final String POOLER = "pooler.dense";

  private static final Pattern MODULE =
      Pattern.compile(
          "(?:.*\\.)?(embeddings\\.(?:word_embeddings|position_embeddings|token_type_embeddings"
              + "|LayerNorm)"
              + "|encoder\\.layer\\.(?:0|[1-9][0-9]{0,2})\\.(?:attention\\.self\\.(?:query|key|value)"
              + "|attention\\.output\\.(?:dense|LayerNorm)|intermediate\\.dense"
              + "|output\\.(?:dense|LayerNorm))"
              + "|pooler\\.dense)");
  private static final Pattern LAYER_PARAMETER =
      Pattern.compile("(?:.*\\.)?encoder\\.layer\\.[0-9]+\\..*\\.(?:weight|bias)");
  private static final int MOST_NAMED = 4;
  private static final int MOST_DIMENSIONS = 8;
  private static final String WEIGHT = ".weight";
  private static final String BIAS = ".bias";

  private final OnnxGraph graph;
  private final String model;
  private final Map<String, Source> sources = new HashMap<>();
  private final Map<String, NodeProto> users = new HashMap<>();
  private int layers;

  private EncoderTensors(OnnxGraph graph, String model) {
    this.graph = graph;
    this.model = model;
  }

  static EncoderTensors locate(OnnxGraph graph, String model) {
    EncoderTensors tensors = new EncoderTensors(graph, model);
    for (NodeProto node : graph.nodes()) {
      tensors.inspect(node);
    }
    tensors.takeNamed();
    tensors.requireShapes();
    tensors.requireComplete();
    tensors.requireOnlyBert();
    return tensors;
  }

  /** Returns where a parameter is stored. */
  Source source(String name) {
    return requireNonNull(sources.get(name), name);
  }

  /** Returns the node that applies a module: a product, the scaling of a norm, or a look-up. */
  @Nullable NodeProto user(String module) {
    return users.get(module);
  }

  int layers() {
    return layers;
  }

  boolean hasPooler() {
    return sources.containsKey(POOLER + WEIGHT) && sources.containsKey(POOLER + BIAS);
  }

  private void inspect(NodeProto node) {
    switch (node.getOpType()) {
      case "MatMul", "Gemm" -> inspectProduct(node);
      case "Gather" -> inspectLookup(node);
      case "LayerNormalization", "Mul" -> inspectNorm(node);
      default -> {}
    }
  }

  private void inspectProduct(NodeProto node) {
    if (node.getInputCount() < 2 || node.getOutputCount() < 1) {
      return;
    }
    String stored = node.getInput(1);
    OnnxGraph.Constant weight = graph.constant(stored);
    if (weight == null || weight.tensor().getDimsCount() != 2) {
      return;
    }
    boolean gemm = node.getOpType().equals("Gemm");
    String bias = gemm ? input(node, 2) : addedConstant(node);
    String module = module(node, stored, bias);
    if (module == null || !isLinear(module)) {
      return;
    }
    boolean outputsFirst = gemm && integer(node, "transB") == 1;
    if (gemm && (real(node, "alpha") != 1 || real(node, "beta") != 1)) {
      throw new DistillationException(
          model
              + " must apply '"
              + module
              + "' with factors 1 but node '"
              + node.getName()
              + "' has alpha "
              + real(node, "alpha")
              + " and beta "
              + real(node, "beta")
              + "; export the model again, without graph optimization");
    }
    // PyTorch keeps [out, in]; a plain product needs [in, out]
    put(module + WEIGHT, new Source(weight.tensor(), outputsFirst == weight.transposed()));
    putVector(module + BIAS, bias);
    users.putIfAbsent(module, node);
  }

  private void inspectLookup(NodeProto node) {
    OnnxGraph.Constant table = graph.constant(input(node, 0));
    String module = table == null ? null : module(node, node.getInput(0), "");
    if (table != null && module != null && EMBEDDINGS.contains(module)) {
      put(module + WEIGHT, new Source(table.tensor(), table.transposed()));
      users.putIfAbsent(module, node);
    }
  }

  private void inspectNorm(NodeProto node) {
    boolean whole = node.getOpType().equals("LayerNormalization");
    String scale = whole || isVector(input(node, 1)) ? input(node, 1) : input(node, 0);
    if (!isVector(scale)) {
      return;
    }
    String bias = whole ? input(node, 2) : addedConstant(node);
    String module = module(node, scale, bias);
    if (module != null && module.endsWith("LayerNorm")) {
      putVector(module + WEIGHT, scale);
      putVector(module + BIAS, bias);
      users.putIfAbsent(module, node);
    }
  }

  /** Takes what no node told, by the names of the values alone. */
  private void takeNamed() {
    graph
        .constants()
        .forEach(
            (value, constant) -> {
              String name = parameter(value);
              if (name != null && !sources.containsKey(name)) {
                sources.put(name, new Source(constant.tensor(), constant.transposed()));
              }
            });
  }

  private void requireShapes() {
    sources.forEach(
        (name, source) -> {
          List<Long> dimensions = source.tensor().getDimsList();
          if (dimensions.size() > MOST_DIMENSIONS || dimensions.stream().anyMatch(d -> d < 0)) {
            throw new DistillationException(
                TensorData.subject(name, source.tensor(), model)
                    + " must have one or two dimensions of at least 0 but has "
                    + (dimensions.size() > MOST_DIMENSIONS ? dimensions.size() : dimensions)
                    + "; export the model again");
          }
        });
  }

  private void requireComplete() {
    for (String name : sources.keySet()) {
      if (name.startsWith("encoder.layer.")) {
        String index = name.substring("encoder.layer.".length());
        layers = Math.max(layers, Integer.parseInt(index.substring(0, index.indexOf('.'))) + 1);
      }
    }
    List<String> missing = new ArrayList<>();
    for (String name : names(Math.max(layers, 1))) {
      if (!sources.containsKey(name)) {
        missing.add(name);
      }
    }
    if (!missing.isEmpty()) {
      String more =
          missing.size() > MOST_NAMED ? " and " + (missing.size() - MOST_NAMED) + " more" : "";
      throw new DistillationException(
          model
              + " must be a BERT-family encoder but lacks "
              + String.join(", ", missing.subList(0, Math.min(MOST_NAMED, missing.size())))
              + more
              + "; "
              + adviceOnMissing());
    }
  }

  private String adviceOnMissing() {
    for (NodeProto node : graph.nodes()) {
      String operator = node.getOpType();
      if (operator.contains("Quantize") || operator.contains("Integer")) {
        return "it is quantized (operator " + operator + "): export it without quantization";
      }
      if (node.getDomain().startsWith("com.microsoft")) {
        return "its graph is optimized (operator " + operator + "): export it without optimization";
      }
    }
    return "export a BERT-family encoder, without quantization or graph optimization";
  }

  /** What BERT does not have would be silently ignored, and the outputs would differ. */
  private void requireOnlyBert() {
    for (String value : graph.constants().keySet()) {
      String dotted = dotted(value);
      if (LAYER_PARAMETER.matcher(dotted).matches() && parameter(value) == null) {
        throw new DistillationException(
            model
                + " must have only the parameters of a BERT encoder in its layers but also has '"
                + value
                + "'; export a BERT-family encoder");
      }
    }
    NodeProto positions = users.get("embeddings.position_embeddings");
    if (positions != null
        && graph.leadingTo(input(positions, 1), node -> false).stream()
            .anyMatch(node -> node.getOpType().equals("CumSum"))) {
      throw new DistillationException(
          model
              + " must count positions from 0 as BERT does but counts them from the padding, as"
              + " RoBERTa does (operator CumSum); export a BERT encoder");
    }
  }

  private static List<String> names(int layers) {
    List<String> names = new ArrayList<>();
    EMBEDDINGS.forEach(module -> names.add(module + WEIGHT));
    List<String> affine = new ArrayList<>(List.of(EMBEDDING_NORM));
    for (int layer = 0; layer < layers; layer++) {
      String prefix = "encoder.layer." + layer + ".";
      LINEARS.forEach(module -> affine.add(prefix + module));
      NORMS.forEach(module -> affine.add(prefix + module));
    }
    for (String module : affine) {
      names.add(module + WEIGHT);
      names.add(module + BIAS);
    }
    return names;
  }

  /** Names a module by the path of its node, else by its weight, else by its bias. */
  private static @Nullable String module(NodeProto node, String weight, String bias) {
    int end = node.getName().lastIndexOf('/');
    String module = end < 0 ? null : moduleAt(node.getName().substring(0, end));
    for (String value : List.of(weight, bias)) {
      String name = module == null ? parameter(value) : null;
      if (name != null) {
        module = name.substring(0, name.lastIndexOf('.'));
      }
    }
    return module;
  }

  private static @Nullable String moduleAt(String path) {
    Matcher matcher = MODULE.matcher(dotted(path));
    return matcher.matches() ? matcher.group(1) : null;
  }

  private static @Nullable String parameter(String value) {
    String name = dotted(value);
    int end = name.lastIndexOf('.');
    String module = end < 0 ? null : moduleAt(name.substring(0, end));
    if (module == null) {
      return null;
    }
    return switch (name.substring(end + 1)) {
      case "weight", "gamma" -> module + WEIGHT;
      case "bias", "beta" -> EMBEDDINGS.contains(module) ? null : module + BIAS;
      default -> null;
    };
  }

  private static String dotted(String path) {
    return path.replace('/', '.');
  }

  private static boolean isLinear(String module) {
    return module.equals(POOLER) || LINEARS.stream().anyMatch(linear -> module.endsWith(linear));
  }

  private boolean isVector(String value) {
    OnnxGraph.Constant constant = graph.constant(value);
    return constant != null && constant.tensor().getDimsCount() == 1;
  }

  /** Returns the vector that is added to the result of a node, or an empty name. */
  private String addedConstant(NodeProto node) {
    String value = node.getOutputCount() == 0 ? "" : node.getOutput(0);
    List<NodeProto> next =
        graph.reachedFrom(
            value, after -> !Set.of("Cast", "Identity", "Reshape").contains(after.getOpType()));
    for (NodeProto after : next) {
      if (after.getOpType().equals("Add")) {
        for (String input : after.getInputList()) {
          if (isVector(input)) {
            return input;
          }
        }
      }
    }
    return "";
  }

  private void putVector(String name, String value) {
    OnnxGraph.Constant constant = graph.constant(value);
    if (constant != null) {
      put(name, new Source(constant.tensor(), false));
    }
  }

  private void put(String name, Source source) {
    Source earlier = sources.putIfAbsent(name, source);
    if (earlier != null && !earlier.equals(source)) {
      throw new DistillationException(
          model
              + " must have one encoder but has two tensors for '"
              + name
              + "': '"
              + earlier.tensor().getName()
              + "' and '"
              + source.tensor().getName()
              + "'; export each encoder to a file of its own");
    }
  }

  private static String input(NodeProto node, int index) {
    return index < node.getInputCount() ? node.getInput(index) : "";
  }

  private static long integer(NodeProto node, String name) {
    for (AttributeProto attribute : node.getAttributeList()) {
      if (attribute.getName().equals(name)) {
        return attribute.getI();
      }
    }
    return 0;
  }

  private static float real(NodeProto node, String name) {
    for (AttributeProto attribute : node.getAttributeList()) {
      if (attribute.getName().equals(name)) {
        return attribute.getF();
      }
    }
    return 1;
  }
}
