package io.distill.onnx;

import static java.util.Objects.requireNonNull;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/**
 * A BERT export of one layer: vocabulary 5, positions 3, types 2, hidden 4, intermediate 6, heads
 * 2.
 *
 * <p>Element {@code i} of each tensor is {@code i / 8} plus a number of its own, in PyTorch's
 * layout; linear weights are stored transposed, as exporters do. Fields switch to other styles.
 */
public final class TinyEncoder {

  static final int HIDDEN = 4;
  static final int INTERMEDIATE = 6;
  static final String LAYER = "encoder.layer.0.";

  final Map<String, TensorProto> initializers = new LinkedHashMap<>();
  final List<NodeProto> nodes = new ArrayList<>();
  final Map<String, float[]> expected = new LinkedHashMap<>();

  String prefix = "";
  boolean nodePaths = true;
  boolean gemm;
  boolean wholeNorms;
  boolean pooler;
  float epsilon = 1e-12f;
  String activation = "erf";
  List<Long> headShape = List.of(0L, -1L, 2L, 2L);
  private int counter;

  /** Returns the model as a file has it. */
  public byte[] bytes() {
    return model().toByteArray();
  }

  /** Builds the graph, then lets a test change one stored tensor. */
  byte[] bytes(String initializer, UnaryOperator<TensorProto.Builder> change) {
    build();
    initializers.put(initializer, change.apply(initializer(initializer).toBuilder()).build());
    return assemble().toByteArray();
  }

  float[] values(String name) {
    return requireNonNull(expected.get(name), name);
  }

  TensorProto initializer(String name) {
    return requireNonNull(initializers.get(name), name);
  }

  ModelProto model() {
    build();
    return assemble();
  }

  ModelProto assemble() {
    return ModelProto.newBuilder()
        .setIrVersion(7)
        .setProducerName("test")
        .setGraph(
            GraphProto.newBuilder()
                .setName("graph")
                .addAllNode(nodes)
                .addAllInitializer(initializers.values()))
        .build();
  }

  void build() {
    initializers.clear();
    nodes.clear();
    counter = 0;
    table("embeddings.word_embeddings", 5, "input_ids");
    node("Slice", "/embeddings/Slice", "positions", "position_ids");
    table("embeddings.position_embeddings", 3, "positions");
    table("embeddings.token_type_embeddings", 2, "token_type_ids");
    norm("embeddings.LayerNorm", "sum", "embedded");
    String query = linear(LAYER + "attention.self.query", HIDDEN, HIDDEN, "embedded");
    linear(LAYER + "attention.self.key", HIDDEN, HIDDEN, "embedded");
    linear(LAYER + "attention.self.value", HIDDEN, HIDDEN, "embedded");
    initializers.put("head_shape", longs("head_shape", headShape));
    node("Reshape", "/encoder/Reshape", "heads", query, "head_shape");
    initializers.put("scale", scalar("scale", (float) Math.sqrt(2)));
    node("Div", "/encoder/Div", "scores", "heads", "scale");
    node("Softmax", "/encoder/Softmax", "probabilities", "scores");
    linear(LAYER + "attention.output.dense", HIDDEN, HIDDEN, "context");
    norm(LAYER + "attention.output.LayerNorm", "sum1", "attended");
    String inner = linear(LAYER + "intermediate.dense", INTERMEDIATE, HIDDEN, "attended");
    activation(inner);
    linear(LAYER + "output.dense", HIDDEN, INTERMEDIATE, "activated");
    norm(LAYER + "output.LayerNorm", "sum2", "last");
    if (pooler) {
      linear("pooler.dense", HIDDEN, HIDDEN, "last");
    }
  }

  private void activation(String inner) {
    switch (activation) {
      case "erf" -> {
        node("Erf", "/act/Erf", "act", inner);
        node("Mul", "/act/Mul", "activated", "act", inner);
      }
      case "tanh" -> {
        node("Tanh", "/act/Tanh", "act", inner);
        node("Mul", "/act/Mul", "activated", "act", inner);
      }
      case "gelu" -> node("Gelu", "/act/Gelu", "activated", inner);
      case "gelu-tanh" -> {
        node("Gelu", "/act/Gelu", "activated", inner);
        set(
            AttributeProto.newBuilder()
                .setName("approximate")
                .setType(AttributeProto.AttributeType.STRING)
                .setS(ByteString.copyFromUtf8("tanh")));
      }
      case "relu" -> node("Relu", "/act/Relu", "activated", inner);
      default -> {
        node("Sigmoid", "/act/Sigmoid", "act", inner);
        node("Mul", "/act/Mul", "activated", "act", inner);
      }
    }
  }

  private void table(String module, int rows, String index) {
    String name = module + ".weight";
    put(prefix + name, name, false, rows, HIDDEN);
    node("Gather", path(module, "Gather"), module + "_out", prefix + name, index);
  }

  private void norm(String module, String input, String output) {
    put(prefix + module + ".weight", module + ".weight", false, HIDDEN);
    put(prefix + module + ".bias", module + ".bias", false, HIDDEN);
    String weight = prefix + module + ".weight";
    String bias = prefix + module + ".bias";
    if (wholeNorms) {
      node("LayerNormalization", path(module, "LayerNormalization"), output, input, weight, bias);
      set(
          AttributeProto.newBuilder()
              .setName("epsilon")
              .setType(AttributeProto.AttributeType.FLOAT)
              .setF(epsilon));
      return;
    }
    node("Constant", path(module, "Constant"), module + "_eps");
    set(
        AttributeProto.newBuilder()
            .setName("value")
            .setType(AttributeProto.AttributeType.TENSOR)
            .setT(scalar("", epsilon)));
    node("Add", path(module, "Add"), module + "_var", module + "_mean", module + "_eps");
    node("Sqrt", path(module, "Sqrt"), module + "_std", module + "_var");
    node("Div", path(module, "Div"), module + "_div", module + "_sub", module + "_std");
    node("Mul", path(module, "Mul"), module + "_mul", module + "_div", weight);
    node("Add", path(module, "Add_1"), output, module + "_mul", bias);
  }

  private String linear(String module, int outputs, int inputs, String input) {
    String stored = "onnx::MatMul_" + (100 + counter);
    String bias = prefix + module + ".bias";
    put(stored, module + ".weight", !gemm, outputs, inputs);
    put(bias, module + ".bias", false, outputs);
    if (gemm) {
      node("Gemm", path(module, "Gemm"), module + "_out", input, stored, bias);
      set(
          AttributeProto.newBuilder()
              .setName("transB")
              .setType(AttributeProto.AttributeType.INT)
              .setI(1));
    } else {
      node("MatMul", path(module, "MatMul"), module + "_product", input, stored);
      node("Add", path(module, "Add"), module + "_out", bias, module + "_product");
    }
    return module + "_out";
  }

  private String path(String module, String operator) {
    return nodePaths
        ? "/" + (prefix + module).replace('.', '/').replace("layer/0", "layer.0") + "/" + operator
        : operator + "_" + counter++;
  }

  void node(String operator, String name, String output, String... inputs) {
    nodes.add(
        NodeProto.newBuilder()
            .setOpType(operator)
            .setName(name)
            .addAllInput(List.of(inputs))
            .addOutput(output)
            .build());
  }

  void set(AttributeProto.Builder attribute) {
    int last = nodes.size() - 1;
    nodes.set(last, nodes.get(last).toBuilder().addAttribute(attribute).build());
  }

  private void put(String stored, String name, boolean transpose, long... shape) {
    int size = 1;
    for (long dimension : shape) {
      size *= (int) dimension;
    }
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = counter + i / 8f;
    }
    counter++;
    expected.put(name, values);
    float[] kept = transpose ? transposed(values, (int) shape[0], (int) shape[1]) : values;
    TensorProto.Builder tensor =
        TensorProto.newBuilder()
            .setName(stored)
            .setDataType(TensorProto.DataType.FLOAT_VALUE)
            .setRawData(raw(kept));
    for (int i = 0; i < shape.length; i++) {
      tensor.addDims(transpose ? shape[shape.length - 1 - i] : shape[i]);
    }
    initializers.put(stored, tensor.build());
  }

  static float[] transposed(float[] values, int rows, int columns) {
    float[] result = new float[values.length];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < columns; column++) {
        result[column * rows + row] = values[row * columns + column];
      }
    }
    return result;
  }

  static ByteString raw(float... values) {
    ByteBuffer buffer =
        ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    buffer.asFloatBuffer().put(values);
    return ByteString.copyFrom(buffer);
  }

  static TensorProto scalar(String name, float value) {
    return TensorProto.newBuilder()
        .setName(name)
        .setDataType(TensorProto.DataType.FLOAT_VALUE)
        .addFloatData(value)
        .build();
  }

  static TensorProto longs(String name, List<Long> values) {
    return TensorProto.newBuilder()
        .setName(name)
        .setDataType(TensorProto.DataType.INT64_VALUE)
        .addDims(values.size())
        .addAllInt64Data(values)
        .build();
  }

  static StringStringEntryProto entry(String key, String value) {
    return StringStringEntryProto.newBuilder().setKey(key).setValue(value).build();
  }
}
