package io.distill.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.fail;

import ai.djl.ndarray.types.Shape;
import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.ByteString;
import io.distill.exception.DistillationException;
import io.distill.model.Activation;
import io.distill.onnx.OnnxEncoderWeights.Configuration;
import io.distill.torchscript.HostTensor;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OnnxEncoderWeightsTest {

  private static final String KEY_BIAS = "encoder.layer.0.attention.self.key.bias";
  private static final Configuration TINY =
      new Configuration(5, 3, 2, 4, 1, 6, 2, 1e-12, Activation.GELU);

  @TempDir Path directory;

  private final TinyEncoder encoder = new TinyEncoder();

  private static OnnxEncoderWeights read(byte[] bytes) {
    return OnnxEncoderWeights.read(new ByteArrayInputStream(bytes), "m");
  }

  private void assertReadsWell() {
    OnnxEncoderWeights weights = read(encoder.bytes());
    assertThat(weights.configuration()).isEqualTo(TINY);
    assertValues(weights);
  }

  private void assertValues(OnnxEncoderWeights weights) {
    assertThat(weights.tensors()).containsOnlyKeys(encoder.expected.keySet());
    encoder.expected.forEach(
        (name, values) ->
            assertThat(weights.tensors().get(name))
                .as(name)
                .extracting(HostTensor::toFloatArray)
                .isEqualTo(values));
  }

  private static void assertRefused(byte[] bytes, String message) {
    assertThatThrownBy(() -> read(bytes))
        .isInstanceOf(DistillationException.class)
        .hasMessage(message);
  }

  @Test
  void read_null_isRefused() {
    ByteArrayInputStream empty = new ByteArrayInputStream(new byte[0]);
    assertThatThrownBy(() -> OnnxEncoderWeights.read(nothing()))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("file");
    assertThatThrownBy(() -> OnnxEncoderWeights.read(nothing(), "m"))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("input");
    assertThatThrownBy(() -> OnnxEncoderWeights.read(empty, nothing()))
        .isInstanceOf(NullPointerException.class)
        .hasMessage("name");
  }

  @SuppressWarnings({"NullAway", "TypeParameterUnusedInFormals"})
  private static <T> T nothing() {
    return null;
  }

  @Test
  void read_plainExport_givesPyTorchLayout() {
    assertReadsWell();
    assertThat(
            read(encoder.assemble().toByteArray())
                .tensors()
                .get("encoder.layer.0.intermediate.dense.weight"))
        .extracting(HostTensor::shape)
        .isEqualTo(new Shape(6, 4));
  }

  @Test
  void tensors_changed_isRefused() {
    Map<String, HostTensor> tensors = read(encoder.bytes()).tensors();
    assertThatThrownBy(tensors::clear).isInstanceOf(UnsupportedOperationException.class);
  }

  @Test
  void parameterCount_withPooler_countsIt() {
    int without = 5 * 4 + 3 * 4 + 2 * 4 + 8 + 4 * 20 + (24 + 6) + (24 + 4) + 16;
    assertThat(read(encoder.bytes()).parameterCount()).isEqualTo(without);
    TinyEncoder pooled = new TinyEncoder();
    pooled.pooler = true;
    assertThat(read(pooled.bytes()).parameterCount()).isEqualTo(without + 20);
  }

  @Test
  void read_withPooler_readsIt() {
    encoder.pooler = true;
    assertReadsWell();
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert.", "model.", "0.auto_model.", "electra.", "a.b.c."})
  void read_prefixedNames_areStripped(String prefix) {
    encoder.prefix = prefix;
    assertReadsWell();
  }

  @Test
  void read_nodesWithoutPaths_areFoundByTheirBias() {
    encoder.nodePaths = false;
    assertReadsWell();
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void read_gemm_isNotTransposed(boolean nodePaths) {
    encoder.gemm = true;
    encoder.nodePaths = nodePaths;
    assertReadsWell();
  }

  @Test
  void read_gemmWithoutTransB_isTransposed() {
    encoder.build();
    replaceByGemm(1, 1);
    assertValues(read(encoder.assemble().toByteArray()));
  }

  @Test
  void read_gemmWithFactors_isRefused() {
    encoder.build();
    replaceByGemm(2, 1);
    assertRefused(
        encoder.assemble().toByteArray(),
        "model 'm' must apply 'encoder.layer.0.attention.self.query' with factors 1 but node"
            + " '/encoder/layer.0/attention/self/query/MatMul' has alpha 2.0 and beta 1.0; export"
            + " the model again, without graph optimization");
  }

  private void replaceByGemm(float alpha, float beta) {
    int index = indexOf("/encoder/layer.0/attention/self/query/MatMul");
    NodeProto product = encoder.nodes.get(index);
    NodeProto add = encoder.nodes.remove(index + 1);
    encoder.nodes.set(
        index,
        product.toBuilder()
            .setOpType("Gemm")
            .addInput("encoder.layer.0.attention.self.query.bias")
            .setOutput(0, add.getOutput(0))
            .addAttribute(real("alpha", alpha))
            .addAttribute(real("beta", beta))
            .build());
  }

  private static AttributeProto real(String name, float value) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeProto.AttributeType.FLOAT)
        .setF(value)
        .build();
  }

  private int indexOf(String node) {
    for (int i = 0; i < encoder.nodes.size(); i++) {
      if (encoder.nodes.get(i).getName().equals(node)) {
        return i;
      }
    }
    return fail("no node " + node);
  }

  @Test
  void read_weightInConstantNode_isRead() {
    encoder.build();
    int index = indexOf("/encoder/layer.0/attention/self/query/MatMul");
    String stored = encoder.nodes.get(index).getInput(1);
    TensorProto tensor = encoder.initializers.remove(stored);
    encoder.nodes.add(
        index,
        NodeProto.newBuilder()
            .setOpType("Constant")
            .addOutput(stored)
            .addAttribute(
                AttributeProto.newBuilder()
                    .setName("value")
                    .setType(AttributeProto.AttributeType.TENSOR)
                    .setT(tensor))
            .build());
    assertValues(read(encoder.assemble().toByteArray()));
  }

  @Test
  void read_namedWeightThroughTranspose_keepsItsLayout() {
    encoder.nodePaths = false;
    encoder.build();
    String name = "encoder.layer.0.output.dense.weight";
    NodeProto product =
        encoder.nodes.stream()
            .filter(node -> node.getOutput(0).equals("encoder.layer.0.output.dense_product"))
            .findFirst()
            .orElseThrow();
    encoder.initializers.remove(product.getInput(1));
    encoder.initializers.put(
        name,
        TensorProto.newBuilder()
            .setName(name)
            .setDataType(TensorProto.DataType.FLOAT_VALUE)
            .addDims(4)
            .addDims(6)
            .setRawData(TinyEncoder.raw(encoder.values(name)))
            .build());
    int index = encoder.nodes.indexOf(product);
    encoder.nodes.set(index, product.toBuilder().setInput(1, "turned").build());
    encoder.nodes.add(
        index,
        NodeProto.newBuilder()
            .setOpType("Transpose")
            .addInput(name)
            .addOutput("turned")
            .addAttribute(
                AttributeProto.newBuilder()
                    .setName("perm")
                    .setType(AttributeProto.AttributeType.INTS)
                    .addInts(1)
                    .addInts(0))
            .build());
    assertValues(read(encoder.assemble().toByteArray()));
  }

  @Test
  void read_sharedTensorBehindIdentity_servesBothNames() {
    encoder.build();
    TensorProto shared = encoder.initializer("embeddings.LayerNorm.bias");
    String alias = "encoder.layer.0.output.LayerNorm.bias";
    encoder.initializers.remove(alias);
    encoder.nodes.add(
        0,
        NodeProto.newBuilder()
            .setOpType("Identity")
            .addInput(shared.getName())
            .addOutput(alias)
            .build());
    encoder.expected.put(alias, encoder.values("embeddings.LayerNorm.bias"));
    assertValues(read(encoder.assemble().toByteArray()));
  }

  @Test
  void read_legacyNormNames_areTranslated() {
    encoder.nodePaths = false;
    ModelProto.Builder model = encoder.model().toBuilder();
    for (TensorProto.Builder tensor : model.getGraphBuilder().getInitializerBuilderList()) {
      tensor.setName(legacy(tensor.getName()));
    }
    for (NodeProto.Builder node : model.getGraphBuilder().getNodeBuilderList()) {
      for (int i = 0; i < node.getInputCount(); i++) {
        node.setInput(i, legacy(node.getInput(i)));
      }
    }
    assertValues(read(model.build().toByteArray()));
  }

  private static String legacy(String name) {
    return name.replace("LayerNorm.weight", "LayerNorm.gamma")
        .replace("LayerNorm.bias", "LayerNorm.beta");
  }

  @Test
  void layerNormEpsilon_ofWholeNorms_isTheirAttribute() {
    encoder.wholeNorms = true;
    encoder.epsilon = 1e-7f;
    assertThat(read(encoder.bytes()).configuration().layerNormEpsilon()).isEqualTo(1e-7);
    assertValues(read(encoder.assemble().toByteArray()));
  }

  @Test
  void layerNormEpsilon_outOfRange_isRefused() {
    encoder.epsilon = Float.NaN;
    assertRefused(
        encoder.bytes(),
        "layer norm epsilon of model 'm' must be at least 0 and less than 1 but was NaN in"
            + " 'embeddings.LayerNorm'; export the model again");
  }

  @Test
  void layerNormEpsilon_notTheSame_isRefused() {
    encoder.wholeNorms = true;
    encoder.build();
    int index = indexOf("/encoder/layer.0/output/LayerNorm/LayerNormalization");
    encoder.nodes.set(
        index, encoder.nodes.get(index).toBuilder().setAttribute(0, real("epsilon", 0.5f)).build());
    assertRefused(
        encoder.assemble().toByteArray(),
        "layer norm epsilon of model 'm' must be the same everywhere but was 1.0E-12 and 0.5;"
            + " export a BERT-family encoder");
  }

  @Test
  void layerNormEpsilon_notInTheGraph_isRefused() {
    encoder.build();
    encoder.nodes.remove(indexOf("/embeddings/LayerNorm/Sqrt"));
    assertRefused(
        encoder.assemble().toByteArray(),
        "layer norm epsilon of model 'm' must follow from its graph but a constant added to the"
            + " variance in 'embeddings.LayerNorm' was not found; export the model again, without"
            + " graph optimization");
  }

  @ParameterizedTest
  @CsvSource({"erf, GELU", "tanh, GELU_TANH", "gelu, GELU", "gelu-tanh, GELU_TANH", "relu, RELU"})
  void activation_ofOperators_isRecognised(String style, Activation activation) {
    encoder.activation = style;
    Activation found = read(encoder.bytes()).configuration().activation();
    assertThat(found).isEqualTo(activation);
  }

  @Test
  void activation_unknown_isRefused() {
    encoder.activation = "silu";
    assertRefused(
        encoder.bytes(),
        "activation of model 'm' must be GELU, GELU with tanh, or ReLU but the operators after"
            + " 'encoder.layer.0.intermediate.dense' are Add, MatMul, Mul, Sigmoid; export a"
            + " BERT-family encoder");
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0, 2, 2, 2",
    "0, -1, 4, 1, 4",
    "0, 0, 1, 4, 1",
    "0, 0, -1, 2, 2",
    "0, 0, 4, -1, 4"
  })
  void heads_ofReshape_areRead(long batch, long length, long heads, long width, int expected) {
    encoder.headShape = List.of(batch, length, heads, width);
    assertThat(read(encoder.bytes()).configuration().heads()).isEqualTo(expected);
  }

  @Test
  void heads_withoutConstantReshape_followFromTheScale() {
    encoder.headShape = List.of(0L, 0L, 4L); // no heads in it; the scale is the square root of 2
    assertThat(read(encoder.bytes()).configuration().heads()).isEqualTo(2);
  }

  @Test
  void heads_ofJoinedShape_areRead() {
    encoder.build();
    encoder.initializers.remove("head_shape");
    encoder.initializers.remove("scale");
    encoder.initializers.put("two", TinyEncoder.longs("two", List.of(2L)));
    encoder.nodes.add(
        0,
        NodeProto.newBuilder()
            .setOpType("Concat")
            .addAllInput(List.of("batch", "length", "two", "two"))
            .addOutput("head_shape")
            .build());
    assertThat(read(encoder.assemble().toByteArray()).configuration().heads()).isEqualTo(2);
  }

  @Test
  void heads_notInTheGraph_areRefused() {
    encoder.build();
    encoder.initializers.remove("head_shape");
    encoder.initializers.remove("scale");
    assertRefused(
        encoder.assemble().toByteArray(),
        "number of attention heads of model 'm' must follow from its graph but a Reshape to heads"
            + " or a constant scale after 'encoder.layer.0.attention.self.query' was not found;"
            + " export the model again, without graph optimization");
  }

  @Test
  void read_floatData_isRead() {
    assertValues(
        read(
            encoder.bytes(
                KEY_BIAS,
                tensor -> {
                  for (float value : encoder.values(KEY_BIAS)) {
                    tensor.addFloatData(value);
                  }
                  return tensor.clearRawData();
                })));
  }

  @Test
  void read_doubles_becomeFloats() {
    assertValues(
        read(
            encoder.bytes(
                KEY_BIAS,
                tensor -> {
                  for (float value : encoder.values(KEY_BIAS)) {
                    tensor.addDoubleData(value);
                  }
                  return tensor.clearRawData().setDataType(TensorProto.DataType.DOUBLE_VALUE);
                })));
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void read_float16_becomesFloat(boolean raw) {
    float[] values = {1f, -65504f, 0x1p-24f, 0x1.554p-2f};
    short[] halves = {0x3c00, (short) 0xfbff, 1, 0x3555};
    OnnxEncoderWeights weights =
        read(
            encoder.bytes(
                KEY_BIAS,
                tensor -> {
                  ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
                  tensor.clearRawData().setDataType(TensorProto.DataType.FLOAT16_VALUE);
                  for (short half : halves) {
                    bytes.putShort(half);
                    if (!raw) {
                      tensor.addInt32Data(Short.toUnsignedInt(half));
                    }
                  }
                  return raw ? tensor.setRawData(ByteString.copyFrom(bytes.flip())) : tensor;
                }));
    assertThat(weights.tensors().get(KEY_BIAS))
        .extracting(HostTensor::toFloatArray)
        .isEqualTo(values);
  }

  @Test
  void read_bfloat16_becomesFloat() {
    OnnxEncoderWeights weights =
        read(
            encoder.bytes(
                KEY_BIAS,
                tensor ->
                    tensor
                        .clearRawData()
                        .setDataType(TensorProto.DataType.BFLOAT16_VALUE)
                        .addAllInt32Data(List.of(0x3f80, 0xc000, 0, 0x3e80))));
    assertThat(weights.tensors().get(KEY_BIAS))
        .extracting(HostTensor::toFloatArray)
        .isEqualTo(new float[] {1, -2, 0, 0.25f});
  }

  @Test
  void read_unsupportedType_isRefused() {
    assertRefused(
        encoder.bytes(KEY_BIAS, tensor -> tensor.setDataType(TensorProto.DataType.INT8_VALUE)),
        "tensor '"
            + KEY_BIAS
            + "' of model 'm' must have element type FLOAT, FLOAT16, BFLOAT16 or DOUBLE but has"
            + " INT8; export the model without quantization");
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void read_notFinite_isRefused(float value) {
    assertRefused(
        encoder.bytes(
            "onnx::MatMul_105",
            tensor -> {
              float[] values = new float[16];
              values[3] = value;
              return tensor.setRawData(TinyEncoder.raw(values));
            }),
        "tensor 'encoder.layer.0.attention.self.query.weight' (stored as 'onnx::MatMul_105') of"
            + " model 'm' must be finite but element 3 is "
            + value
            + "; use a model that was trained without overflow");
  }

  @Test
  void read_wrongShape_isRefusedWithBothShapes() {
    assertRefused(
        encoder.bytes(KEY_BIAS, tensor -> tensor.setDims(0, 7)),
        "tensor '"
            + KEY_BIAS
            + "' of model 'm' must have shape (4) but has (7); export the model again, as a BERT"
            + " encoder");
  }

  @Test
  void read_tableOfOneDimension_isRefused() {
    assertRefused(
        encoder.bytes(
            "embeddings.word_embeddings.weight", tensor -> tensor.clearDims().addDims(20)),
        "tensor 'embeddings.word_embeddings.weight' of model 'm' must have two dimensions from 1"
            + " to 16777216 but has shape (20); export the model again, as a BERT encoder");
  }

  @Test
  void read_negativeDimension_isRefused() {
    assertRefused(
        encoder.bytes(KEY_BIAS, tensor -> tensor.setDims(0, -7)),
        "tensor '"
            + KEY_BIAS
            + "' of model 'm' must have one or two dimensions of at least 0 but has [-7]; export"
            + " the model again");
  }

  @Test
  void read_hugeDeclaredTable_isRefusedBeforeAllocation() {
    assertRefused(
        encoder.bytes("embeddings.word_embeddings.weight", tensor -> tensor.setDims(0, 16777216)),
        "tensor 'embeddings.word_embeddings.weight' of model 'm' must hold 268435456 bytes but"
            + " holds 80; copy or export the model again");
  }

  @Test
  void read_tooFewElements_isRefused() {
    assertRefused(
        encoder.bytes(KEY_BIAS, tensor -> tensor.clearRawData().addFloatData(1)),
        "tensor '"
            + KEY_BIAS
            + "' of model 'm' must hold 4 elements but holds 1; copy or export the model again");
  }

  @Test
  void read_twoEncoders_isRefused() {
    encoder.build();
    TensorProto first = encoder.initializer("onnx::MatMul_105");
    encoder.initializers.put(
        "other",
        first.toBuilder().setName("other").setRawData(TinyEncoder.raw(new float[16])).build());
    encoder.node("MatMul", "/b/encoder/layer.0/attention/self/query/MatMul", "x", "y", "other");
    assertRefused(
        encoder.assemble().toByteArray(),
        "model 'm' must have one encoder but has two tensors for"
            + " 'encoder.layer.0.attention.self.query.weight': 'onnx::MatMul_105' and 'other';"
            + " export each encoder to a file of its own");
  }

  @Test
  void read_initializerTwice_isRefused() {
    ModelProto model = encoder.model();
    TensorProto first = model.getGraph().getInitializer(0);
    assertRefused(
        model.toBuilder()
            .setGraph(model.getGraph().toBuilder().addInitializer(first))
            .build()
            .toByteArray(),
        "model 'm' must name each initializer once but has 'embeddings.word_embeddings.weight'"
            + " twice; export it again");
  }

  @Test
  void read_convolutionalNet_namesWhatIsMissing() {
    ModelProto net =
        ModelProto.newBuilder()
            .setIrVersion(7)
            .setGraph(
                GraphProto.newBuilder()
                    .addInitializer(TinyEncoder.longs("conv1.weight", List.of(1L)))
                    .addNode(NodeProto.newBuilder().setOpType("Conv").addInput("conv1.weight")))
            .build();
    assertRefused(
        net.toByteArray(),
        "model 'm' must be a BERT-family encoder but lacks embeddings.word_embeddings.weight,"
            + " embeddings.position_embeddings.weight, embeddings.token_type_embeddings.weight,"
            + " embeddings.LayerNorm.weight and 17 more; export a BERT-family encoder, without"
            + " quantization or graph optimization");
  }

  @Test
  void read_missingBias_isNamed() {
    encoder.build();
    encoder.initializers.remove(KEY_BIAS);
    assertRefused(
        encoder.assemble().toByteArray(),
        "model 'm' must be a BERT-family encoder but lacks "
            + KEY_BIAS
            + "; export a BERT-family encoder, without quantization or graph optimization");
  }

  @Test
  void read_quantized_saysSo() {
    encoder.build();
    encoder.initializers.remove(KEY_BIAS);
    encoder.node("DynamicQuantizeLinear", "q", "q", "last");
    assertRefused(
        encoder.assemble().toByteArray(),
        "model 'm' must be a BERT-family encoder but lacks "
            + KEY_BIAS
            + "; it is quantized (operator DynamicQuantizeLinear): export it without quantization");
  }

  @Test
  void read_optimized_saysSo() {
    encoder.build();
    encoder.initializers.remove(KEY_BIAS);
    encoder.nodes.add(
        NodeProto.newBuilder().setOpType("Attention").setDomain("com.microsoft").build());
    assertRefused(
        encoder.assemble().toByteArray(),
        "model 'm' must be a BERT-family encoder but lacks "
            + KEY_BIAS
            + "; its graph is optimized (operator Attention): export it without optimization");
  }

  @Test
  void read_parameterBertDoesNotHave_isRefused() {
    String foreign = "encoder.layer.0.attention.self.distance_embedding.weight";
    encoder.build();
    encoder.initializers.put(foreign, TinyEncoder.scalar(foreign, 1));
    assertRefused(
        encoder.assemble().toByteArray(),
        "model 'm' must have only the parameters of a BERT encoder in its layers but also has '"
            + foreign
            + "'; export a BERT-family encoder");
  }

  @Test
  void read_positionsCountedFromPadding_areRefused() {
    encoder.build();
    encoder.node("CumSum", "/embeddings/CumSum", "position_ids", "mask");
    assertRefused(
        encoder.assemble().toByteArray(),
        "model 'm' must count positions from 0 as BERT does but counts them from the padding, as"
            + " RoBERTa does (operator CumSum); export a BERT encoder");
  }

  @Test
  void read_tooManyNodes_isRefused() throws IOException {
    ByteArrayOutputStream graph = new ByteArrayOutputStream();
    for (int i = 0; i < 300_000; i++) {
      graph.write(new byte[] {0x0a, 0}); // an empty node
    }
    byte[] bytes =
        ModelProto.newBuilder()
            .setIrVersion(7)
            .setGraph(GraphProto.parseFrom(graph.toByteArray()))
            .build()
            .toByteArray();
    assertRefused(
        bytes,
        "model 'm' must have at most 262144 nodes and initializers but has more; check that it is"
            + " the export of one encoder");
  }

  @Test
  void read_missingFile_isRefused() {
    Path file = directory.resolve("none.onnx");
    assertThatThrownBy(() -> OnnxEncoderWeights.read(file))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "model file must exist but was '" + file + "'; check the path to the .onnx file");
  }

  @Test
  void read_failingStream_isRefused() {
    InputStream failing =
        new InputStream() {
          @Override
          public int read() throws IOException {
            throw new IOException("gone");
          }

          @Override
          public int read(byte[] target, int offset, int length) throws IOException {
            return read();
          }
        };
    assertThatThrownBy(() -> OnnxEncoderWeights.read(failing, "m"))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "model 'm' must be readable but reading failed: gone; check the file and its"
                + " permissions")
        .hasCauseInstanceOf(IOException.class);
  }

  @Test
  void read_emptyFile_isRefused() {
    assertRefused(
        new byte[0], "model 'm' must be an ONNX file but is empty; copy or export it again");
  }

  @Test
  void read_text_isRefused() {
    assertRefused(
        "<html>not found</html>".getBytes(StandardCharsets.UTF_8),
        "model 'm' must be an ONNX file but is in another format; name a file that ends in .onnx");
  }

  @Test
  void read_modelWithoutGraph_isRefused() {
    assertRefused(
        ModelProto.newBuilder().setIrVersion(7).build().toByteArray(),
        "model 'm' must be a whole ONNX file but is cut off or damaged at byte 2; copy or export"
            + " it again");
  }

  @Test
  void read_truncatedAnywhere_isRefused() {
    byte[] whole = encoder.bytes();
    for (int length = 0; length < whole.length; length++) {
      byte[] part = Arrays.copyOf(whole, length);
      assertThatThrownBy(() -> read(part))
          .as("length %s", length)
          .isInstanceOf(DistillationException.class)
          .hasMessageStartingWith("model 'm' must be a");
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(ints = {1, 2, 3, 4})
  void read_randomBytes_areRefused(int seed) {
    Random random = new Random(seed);
    for (int i = 0; i < 500; i++) {
      byte[] bytes = new byte[1 + random.nextInt(200)];
      random.nextBytes(bytes);
      assertThatThrownBy(() -> read(bytes)).isInstanceOf(DistillationException.class);
    }
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(ints = {1, 2, 3, 4})
  void read_damagedBytes_areReadOrRefusedButNeverCrash(int seed) {
    Random random = new Random(seed);
    encoder.wholeNorms = seed % 2 == 0;
    byte[] whole = encoder.bytes();
    int refused = 0;
    for (int i = 0; i < 500; i++) {
      byte[] bytes = whole.clone();
      for (int change = random.nextInt(4); change >= 0; change--) {
        bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
      }
      try {
        assertThat(read(bytes).tensors()).isNotEmpty();
      } catch (DistillationException e) {
        refused++;
      }
    }
    assertThat(refused).isPositive();
  }

  private byte[] external(String location, String offset, String length) {
    return encoder.bytes(
        KEY_BIAS,
        tensor ->
            tensor
                .clearRawData()
                .setDataLocation(TensorProto.DataLocation.EXTERNAL)
                .addExternalData(TinyEncoder.entry("location", location))
                .addExternalData(TinyEncoder.entry("offset", offset))
                .addExternalData(TinyEncoder.entry("length", length)));
  }

  private Path model(byte[] bytes) throws IOException {
    Path inner = Files.createDirectories(directory.resolve("inner"));
    return Files.write(inner.resolve("m.onnx"), bytes);
  }

  private void assertExternalRefused(String location, String offset, String length, String message)
      throws IOException {
    Path file = model(external(location, offset, length));
    assertThatThrownBy(() -> OnnxEncoderWeights.read(file))
        .isInstanceOf(DistillationException.class)
        .hasMessage("tensor '" + KEY_BIAS + "' of model '" + file + "' " + message);
  }

  @Test
  void read_externalData_isReadFromTheFileBeside() throws IOException {
    Path file = model(external("m.data", "4", "16"));
    Files.write(file.resolveSibling("m.data"), TinyEncoder.raw(9, 1, 2, 3, 4).toByteArray());
    assertThat(OnnxEncoderWeights.read(file).tensors().get(KEY_BIAS))
        .extracting(HostTensor::toFloatArray)
        .isEqualTo(new float[] {1, 2, 3, 4});
  }

  @Test
  void read_externalDataInInterruptedThread_isReadAsInAnyOther() throws IOException {
    Path file = model(external("m.data", "4", "16"));
    Files.write(file.resolveSibling("m.data"), TinyEncoder.raw(9, 1, 2, 3, 4).toByteArray());
    Thread.currentThread().interrupt();
    try {
      assertThat(OnnxEncoderWeights.read(file).tensors()).containsKey(KEY_BIAS);
      assertThat(Thread.currentThread().isInterrupted()).isTrue();
    } finally {
      Thread.interrupted();
    }
  }

  @Test
  void read_externalDataFromStream_isRefused() {
    assertRefused(
        external("m.data", "0", "16"),
        "tensor '"
            + KEY_BIAS
            + "' of model 'm' must be inside the model but is kept in the file 'm.data'; read the"
            + " model by its path, with that file beside it");
  }

  @Test
  void read_externalDataMissing_isRefused() throws IOException {
    assertExternalRefused(
        "m.data",
        "0",
        "16",
        "is kept in the file 'm.data', which must stand beside the model but was not found; copy"
            + " it there");
  }

  @Test
  void read_externalDataTooShort_isRefused() throws IOException {
    Files.write(model(new byte[0]).resolveSibling("m.data"), new byte[12]);
    assertExternalRefused(
        "m.data",
        "0",
        "16",
        "must have 16 bytes at offset 0 of 'm.data' but the file has 12 bytes; copy or export the"
            + " model again");
    assertExternalRefused(
        "m.data",
        Long.toString(Long.MAX_VALUE),
        "16",
        "must have 16 bytes at offset 9223372036854775807 of 'm.data' but the file has 12 bytes;"
            + " copy or export the model again");
    assertExternalRefused(
        "m.data",
        "0",
        "12",
        "must have 16 bytes of external data but declares 12; export the model again");
    assertExternalRefused(
        "m.data",
        "-1",
        "16",
        "must give a whole number of at least 0 as external offset but gives '-1'; export the"
            + " model again");
    assertExternalRefused(
        "m.data",
        "0",
        "many",
        "must give a whole number of at least 0 as external length but gives 'many'; export the"
            + " model again");
  }

  @Test
  void read_externalDataOutsideTheDirectory_isRefused() throws IOException {
    Path outside = Files.write(directory.resolve("secret"), new byte[16]);
    Path link = model(new byte[0]).resolveSibling("link");
    Files.createSymbolicLink(link, outside);
    for (String location : List.of("../secret", outside.toString(), "a/../../secret", "link", "")) {
      assertExternalRefused(
          location,
          "0",
          "16",
          "must be kept in the directory of the model but its location is '"
              + location
              + "'; put the file beside the model and export again");
    }
    assertExternalRefused(
        "a\0b",
        "0",
        "16",
        "must name a file as its location but names 'a\0b'; export the model again");
  }

  @Test
  void toString_ofWeights_tellsTheConfiguration() {
    assertThat(read(encoder.bytes()))
        .hasToString("OnnxEncoderWeights[" + TINY + ", 202 parameters]");
  }
}
