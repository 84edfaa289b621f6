package io.distill.faults;

import static java.nio.charset.StandardCharsets.UTF_8;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.ByteString;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.exception.DistillationException;
import io.distill.huggingface.CheckpointTensors;
import io.distill.huggingface.SafeTensors;
import io.distill.internal.AtomicFiles;
import io.distill.internal.NativeEngine;
import io.distill.model.BagOfEmbeddings;
import io.distill.model.BlockModel;
import io.distill.model.BlockTaps;
import io.distill.model.DeployableModel;
import io.distill.model.ScriptedModel;
import io.distill.model.SignalReader;
import io.distill.onnx.OnnxEncoderWeights;
import io.distill.onnx.TinyEncoder;
import io.distill.provenance.Provenance;
import io.distill.teacher.CachedTeacher;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.TorchScriptArchive;
import io.distill.training.FloatRows;
import io.distill.training.ResumableRun;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Saved students, DJL blocks, ONNX encoders, safetensors and checkpoints. */
final class ModelFaults {

  private static final long[] HOSTILE = {
    -1, Integer.MAX_VALUE, 1L << 31, 1L << 32, (1L << 32) + 2, Long.MAX_VALUE, Long.MIN_VALUE
  };

  private ModelFaults() {}

  private interface Writing {
    void write(Path directory) throws IOException;
  }

  /** Writes a directory once, and keeps it until the process ends. */
  private static Path saved(Writing writing) {
    try {
      Path directory = Files.createTempDirectory("distill-faults");
      Runtime.getRuntime().addShutdownHook(new Thread(() -> AtomicFiles.deleteQuietly(directory)));
      Path whole = directory.resolve("whole");
      Files.createDirectories(whole);
      writing.write(whole);
      return whole;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] bytes(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String text(Path file) {
    return new String(bytes(file), UTF_8);
  }

  /** Copies a directory and puts other content into one of its files. */
  private static Fault.Making spoiled(Path whole, String file, byte[] content) {
    return changed(whole, directory -> write(directory.resolve(file), content));
  }

  private static Fault.Making spoiled(Path whole, String file, String content) {
    return spoiled(whole, file, content.getBytes(UTF_8));
  }

  private static Fault.Making changed(Path whole, Consumer<Path> change) {
    return directory -> {
      Path copy = Faults.copy(whole, directory.resolve("saved"));
      change.accept(copy);
      return copy;
    };
  }

  private static void write(Path file, byte[] content) {
    try {
      AtomicFiles.deleteQuietly(file);
      Files.write(file, content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void link(Path link, String target) {
    try {
      AtomicFiles.deleteQuietly(link);
      Files.createSymbolicLink(link, Path.of(target));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  // ---- saved students -----------------------------------------------------------------------

  private static final BagOfEmbeddings BAG =
      new BagOfEmbeddings(
          TinyRuns.tokenizer().vocabularySize(), 3, 4, io.distill.model.Activation.RELU, 0, 0, 2);

  static List<Fault> directories() {
    Faults faults = new Faults("saved student", "saved", ModelFaults::readDirectory);
    Path whole =
        saved(
            directory -> {
              try (DeployableModel model =
                  new DeployableModel(
                      ScriptedModel.open(BAG, BAG.initialWeights(1), Device.cpu(), false),
                      TinyRuns.tokenizer(),
                      List.of("plus", "minus"))) {
                model.save(directory);
              }
            });
    faults.either("nothing wrong at all", changed(whole, copy -> {}));
    for (String file : List.of("model.pt", "config.json", "tokenizer.json")) {
      byte[] content = bytes(whole.resolve(file));
      faults.refused(
          "without " + file, changed(whole, copy -> AtomicFiles.deleteQuietly(copy.resolve(file))));
      faults.refused(file + " is empty", spoiled(whole, file, new byte[0]));
      faults.refused(
          file + " is half there",
          spoiled(whole, file, Arrays.copyOf(content, content.length / 2)));
      faults.refused(
          file + " is a directory",
          changed(
              whole,
              copy -> {
                AtomicFiles.deleteQuietly(copy.resolve(file));
                copy.resolve(file).toFile().mkdirs();
              }));
      faults.refused(
          file + " is a link to a device",
          changed(whole, copy -> link(copy.resolve(file), "/dev/zero")));
      faults.refused(
          file + " is a link out of the directory",
          changed(whole, copy -> link(copy.resolve(file), "/etc/passwd")));
      faults.refused(
          file + " is a link to itself", changed(whole, copy -> link(copy.resolve(file), file)));
      for (int i = 1; i <= 5; i++) {
        byte[] flipped = content.clone();
        flipped[content.length * i / 6] ^= 4;
        faults.either(file + " has a bit flipped at " + i + "/6", spoiled(whole, file, flipped));
      }
    }
    faults.either(
        "without serving.properties",
        changed(whole, copy -> AtomicFiles.deleteQuietly(copy.resolve("serving.properties"))));
    faults.either("a file more", spoiled(whole, "more.bin", new byte[10]));
    String config = text(whole.resolve("config.json"));
    for (String json : DataFaults.jsonFaults("\"id2label\"")) {
      faults.refused(
          "config.json is "
              + json.substring(0, Math.min(30, json.length()))
              + " of "
              + json.length(),
          spoiled(whole, "config.json", json));
    }
    for (String labels :
        List.of(
            "[]",
            "7",
            "null",
            "\"x\"",
            "{\"1\":\"a\"}",
            "{\"0\":\"a\"}",
            "{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}",
            "{\"0\":1,\"1\":[]}",
            "{\"0\":null,\"1\":\"b\"}",
            "{\"-1\":\"a\",\"0\":\"b\"}")) {
      faults.either(
          "id2label is " + labels,
          spoiled(
              whole,
              "config.json",
              config.replaceAll("(?s)\"id2label\": \\{[^}]*}", "\"id2label\": " + labels)));
    }
    configurations(faults, whole);
    weights(faults, whole);
    return faults.all();
  }

  /** The configuration that counts is inside of the archive. */
  private static void configurations(Faults faults, Path whole) {
    String json = BAG.toJson().toString();
    for (String key : List.of("vocabularySize", "embeddingSize", "hiddenSize", "classes")) {
      for (long value : HOSTILE) {
        faults.refused(
            key + " is " + value,
            student(
                whole,
                json.replaceAll("\"" + key + "\":\\d+", "\"" + key + "\":" + value),
                BAG.initialWeights(1)));
      }
    }
    for (String value :
        List.of("NaN", "\"NaN\"", "1e999", "1e999999999", "-1", "1", "null", "[]", "\"x\"")) {
      faults.either(
          "dropout is " + value,
          student(
              whole,
              json.replace("\"dropout\":0.0", "\"dropout\":" + value),
              BAG.initialWeights(1)));
    }
    for (String value : List.of("\"EVIL\"", "null", "7")) {
      faults.refused(
          "activation is " + value,
          student(
              whole,
              json.replaceAll("\"activation\":\"\\w+\"", "\"activation\":" + value),
              BAG.initialWeights(1)));
    }
    for (String value :
        List.of("java.lang.Runtime", "TransformerEncoder", "MultilayerPerceptron", "")) {
      faults.refused(
          "architecture is '" + value + "'",
          student(
              whole,
              json.replace(
                  "\"architecture\":\"BagOfEmbeddings\"", "\"architecture\":\"" + value + "\""),
              BAG.initialWeights(1)));
    }
    for (String text : DataFaults.jsonFaults("\"architecture\"")) {
      faults.refused(
          "distill.json is "
              + text.substring(0, Math.min(30, text.length()))
              + " of "
              + text.length(),
          student(whole, text, BAG.initialWeights(1)));
    }
    faults.refused("no distill.json", student(whole, null, BAG.initialWeights(1)));
  }

  private static void weights(Faults faults, Path whole) {
    String json = BAG.toJson().toString();
    for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
      faults.refused(
          "a weight is " + value,
          student(
              whole,
              json,
              changedWeights(
                  map -> {
                    float[] bias = {1, value, 3, 4};
                    map.put("hidden.bias", HostTensor.of(bias, 4));
                  })));
    }
    faults.refused(
        "a weight of another shape",
        student(
            whole,
            json,
            changedWeights(map -> map.put("hidden.bias", HostTensor.of(new float[2], 2)))));
    faults.refused(
        "a weight of whole numbers",
        student(
            whole,
            json,
            changedWeights(map -> map.put("hidden.bias", HostTensor.of(new long[4], 4)))));
    faults.refused(
        "a weight of float64",
        student(
            whole,
            json,
            changedWeights(
                map ->
                    map.put(
                        "hidden.bias",
                        HostTensor.of(DataType.FLOAT64, new Shape(4), ByteBuffer.allocate(32))))));
  }

  private static Map<String, HostTensor> changedWeights(Consumer<Map<String, HostTensor>> change) {
    Map<String, HostTensor> weights = new LinkedHashMap<>(BAG.initialWeights(1));
    change.accept(weights);
    return weights;
  }

  /** A student whose archive says one thing and whose weights may say another. */
  private static Fault.Making student(
      Path whole, @Nullable String json, Map<String, HostTensor> weights) {
    return changed(
        whole,
        copy -> {
          io.distill.torchscript.ScriptModule.Builder root =
              io.distill.torchscript.ScriptModule.builder("BagOfEmbeddings");
          for (String module : List.of("embeddings", "hidden", "classifier")) {
            io.distill.torchscript.ScriptModule.Builder part =
                io.distill.torchscript.ScriptModule.builder(
                    module.equals("embeddings")
                        ? "Embedding"
                        : module.equals("hidden") ? "Linear" : "Last");
            weights.forEach(
                (name, tensor) -> {
                  if (name.startsWith(module + ".")) {
                    part.parameter(name.substring(module.length() + 1), tensor);
                  }
                });
            root.module(module, part.build());
          }
          new TorchScriptArchive(
                  root.build(), json == null ? Map.of() : Map.of("distill.json", json))
              .write(copy.resolve("model.pt"));
        });
  }

  private static String readDirectory(Path path) {
    try (DeployableModel model = DeployableModel.load(path, Device.cpu())) {
      float[] logits = model.logits("the good film");
      for (float logit : logits) {
        if (!Float.isFinite(logit)) {
          throw new AssertionError("model says " + Arrays.toString(logits));
        }
      }
      return model.parameterCount() + " parameters, says " + model.classify("good").label();
    }
  }

  // ---- DJL blocks ---------------------------------------------------------------------------

  static List<Fault> blocks() {
    Faults faults = new Faults("DJL parameters", "blocks-0000.params", ModelFaults::readBlocks);
    byte[] whole =
        bytes(
            saved(
                    directory -> {
                      try (Model model = blockModel()) {
                        model.setProperty("Note", "nothing");
                        model.setProperty("Epoch", "0");
                        model.save(directory, "blocks");
                      }
                    })
                .resolve("blocks-0000.params"));
    faults.either("nothing wrong at all", whole);
    faults.common(whole, 40, false, true);
    // every number of four bytes, wherever a length may stand
    for (int at = 0; at + 4 <= whole.length && at < 600; at += 24) {
      for (int value : new int[] {Integer.MAX_VALUE, -1}) {
        byte[] hostile = whole.clone();
        ByteBuffer.wrap(hostile).putInt(at, value);
        faults.either("the number " + value + " at byte " + at, hostile);
      }
    }
    for (String part : List.of("DJL@", "NDAR", "FLOAT32", "weight")) {
      int at = new String(whole, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf(part);
      byte[] hostile = whole.clone();
      hostile[at] ^= 1;
      faults.add("no " + part, part.equals("FLOAT32"), Fault.file("blocks-0000.params", hostile));
      if (at >= 2) {
        byte[] longer = whole.clone();
        ByteBuffer.wrap(longer).putShort(at - 2, (short) 0xffff);
        faults.either(part + " of 65535 letters", longer);
      }
    }
    byte[] nan = whole.clone();
    int data =
        new String(whole, java.nio.charset.StandardCharsets.ISO_8859_1).lastIndexOf("FLOAT32");
    ByteBuffer.wrap(nan).order(ByteOrder.nativeOrder()).putFloat(nan.length - 4, Float.NaN);
    if (data > 0) {
      faults.refused("a weight is NaN", nan);
    }
    return faults.all();
  }

  private static Model blockModel() {
    Model model = NativeEngine.engine().newModel("blocks", Device.cpu());
    SequentialBlock block =
        new SequentialBlock()
            .add(Linear.builder().setUnits(4).build())
            .add(BatchNorm.builder().build())
            .add(Activation.reluBlock())
            .add(Linear.builder().setUnits(2).build());
    block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 3));
    model.setBlock(block);
    model.setDataType(DataType.FLOAT32);
    return model;
  }

  private static String readBlocks(Path path) throws IOException {
    try (Model model = blockModel();
        BlockModel blocks =
            BlockModel.open(model, BlockTaps.none(), SignalReader.standard(), false)) {
      blocks.readFrom(path.getParent());
      try (NDArray input = model.getNDManager().ones(new Shape(2, 3))) {
        NDArray logits =
            blocks
                .forward(new NDList(input), Set.of(io.distill.signal.SignalKind.LOGITS), false)
                .logits();
        if (!logits.getShape().equals(new Shape(2, 2))) {
          throw new AssertionError("blocks answer " + logits.getShape());
        }
      }
      return blocks.parameterCount() + " parameters";
    }
  }

  // ---- ONNX ---------------------------------------------------------------------------------

  static List<Fault> onnx() {
    Faults faults = new Faults("ONNX", "model.onnx", ModelFaults::readOnnx);
    byte[] whole = new TinyEncoder().bytes();
    faults.either("nothing wrong at all", whole);
    faults.common(whole, 32, false, true);
    String word = "embeddings.word_embeddings.weight";
    for (long value : HOSTILE) {
      faults.refused(
          "a first dimension of " + value, tensor(whole, word, t -> t.setDims(0, value)));
      faults.refused(
          "a second dimension of " + value, tensor(whole, word, t -> t.setDims(1, value)));
    }
    faults.refused(
        "dimensions whose product overflows",
        tensor(whole, word, t -> t.clearDims().addDims(1L << 32).addDims(1L << 32)));
    faults.refused("no dimensions", tensor(whole, word, t -> t.clearDims()));
    faults.refused(
        "a million dimensions",
        tensor(
            whole,
            word,
            t -> {
              for (int i = 0; i < 1_000_000; i++) {
                t.addDims(1);
              }
              return t;
            }));
    for (int type : new int[] {0, 3, 7, 8, 9, 12, 14, 99, -1}) {
      faults.refused("element type " + type, tensor(whole, word, t -> t.setDataType(type)));
    }
    faults.refused(
        "a byte too few", tensor(whole, word, t -> t.setRawData(t.getRawData().substring(1))));
    faults.refused(
        "a byte too many",
        tensor(
            whole,
            word,
            t -> t.setRawData(t.getRawData().concat(ByteString.copyFrom(new byte[1])))));
    faults.refused("no data", tensor(whole, word, t -> t.clearRawData()));
    faults.refused(
        "a weight of NaN",
        tensor(
            whole,
            word,
            t -> t.setRawData(ByteString.copyFrom(nan(t.getRawData().toByteArray())))));
    for (String location :
        List.of(
            "",
            "../secret.bin",
            "/etc/passwd",
            "..",
            ".",
            "missing.bin",
            "a/../../secret.bin",
            "link.bin",
            "linked/secret.bin",
            "loop.bin",
            "device.bin",
            "x\0y",
            "model.onnx/x",
            "folder")) {
      faults.refused(
          "data in '" + location.replace('\0', '?') + "'",
          external(whole, word, location, "0", "80"));
    }
    for (String offset :
        List.of(
            "-1", "1", "4096", "9223372036854775807", "9223372036854775808", "0x10", "1e3", "")) {
      faults.refused("data at offset " + offset, external(whole, word, "data.bin", offset, "80"));
    }
    for (String length : List.of("-1", "79", "81", "0", "9223372036854775807", "many")) {
      faults.refused("data of length " + length, external(whole, word, "data.bin", "0", length));
    }
    faults.either("data beside the model", external(whole, word, "data.bin", "0", "80"));
    faults.refused("deeply nested graphs", nestedGraphs(50_000));
    faults.refused(
        "a million nodes", node(whole, 1_000_000, NodeProto.newBuilder().setOpType("X").build()));
    faults.either(
        "a node of a million inputs",
        node(
            whole,
            1,
            NodeProto.newBuilder()
                .setOpType("X")
                .addAllInput(java.util.Collections.nCopies(1_000_000, ""))
                .build()));
    faults.either("a node of 100,000 empty attributes", node(whole, 1, manyAttributes(100_000)));
    faults.refused("a chain of copies that every product looks along", chains(whole, 20_000));
    faults.refused("500 layers that share their weights", sharedLayers(500));
    faults.refused(
        "field numbers beyond the format",
        new byte[] {(byte) 0xfa, (byte) 0xff, (byte) 0xff, (byte) 0xff, 0x0f, 1, 1});
    for (byte[] start :
        new byte[][] {
          {0x3a, -1, -1, -1, -1, 7},
          {0x3a, -1, -1, -1, -1, 15},
          {8, 7, 0x3a, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1}
        }) {
      faults.refused(
          "a graph of " + Arrays.toString(start), Arrays.copyOf(start, start.length + 20));
    }
    faults.refused("a tensor twice", twice(whole));
    return faults.all();
  }

  private static ModelProto parsed(byte[] whole) {
    try {
      return ModelProto.parseFrom(whole);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] tensor(
      byte[] whole, String name, UnaryOperator<TensorProto.Builder> change) {
    ModelProto.Builder model = parsed(whole).toBuilder();
    for (int i = 0; i < model.getGraph().getInitializerCount(); i++) {
      TensorProto tensor = model.getGraph().getInitializer(i);
      if (tensor.getName().equals(name)) {
        model.getGraphBuilder().setInitializer(i, change.apply(tensor.toBuilder()));
      }
    }
    return model.build().toByteArray();
  }

  private static byte[] nan(byte[] data) {
    ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).putFloat(4, Float.NaN);
    return data;
  }

  private static Fault.Making external(
      byte[] whole, String name, String location, String offset, String length) {
    byte[] model =
        tensor(
            whole,
            name,
            t ->
                t.clearRawData()
                    .setDataLocation(TensorProto.DataLocation.EXTERNAL)
                    .addExternalData(pair("location", location))
                    .addExternalData(pair("offset", offset))
                    .addExternalData(pair("length", length)));
    return directory -> {
      Files.write(directory.resolve("secret.bin"), new byte[80]);
      Path inside = Files.createDirectories(directory.resolve("models"));
      Files.write(inside.resolve("data.bin"), new byte[80]);
      Files.createDirectories(inside.resolve("folder"));
      link(inside.resolve("link.bin"), "../secret.bin");
      link(inside.resolve("linked"), "..");
      link(inside.resolve("loop.bin"), "loop.bin");
      link(inside.resolve("device.bin"), "/dev/zero");
      return Files.write(inside.resolve("model.onnx"), model);
    };
  }

  private static StringStringEntryProto pair(String key, String value) {
    return StringStringEntryProto.newBuilder().setKey(key).setValue(value).build();
  }

  private static byte[] node(byte[] whole, int count, NodeProto node) {
    ModelProto.Builder model = parsed(whole).toBuilder();
    for (int i = 0; i < count; i++) {
      model.getGraphBuilder().addNode(node);
    }
    return model.build().toByteArray();
  }

  private static NodeProto manyAttributes(int count) {
    NodeProto.Builder node = NodeProto.newBuilder().setOpType("X");
    for (int i = 0; i < count; i++) {
      node.addAttribute(ai.onnx.proto.OnnxMl.AttributeProto.getDefaultInstance());
    }
    return node.build();
  }

  private static byte[] nestedGraphs(int depth) {
    // lengths are written from the inside out: node { attribute { g { node { ...
    java.io.ByteArrayOutputStream reversed = new java.io.ByteArrayOutputStream();
    long length = 0;
    int[] tags = {(1 << 3) | 2, (5 << 3) | 2, (6 << 3) | 2};
    for (int i = 0; i < 3 * depth; i++) {
      byte[] varint = varint(length);
      for (int j = varint.length - 1; j >= 0; j--) {
        reversed.write(varint[j]);
      }
      reversed.write(tags[i % 3]);
      length += varint.length + 1;
    }
    byte[] graph = reversed.toByteArray();
    java.io.ByteArrayOutputStream model = new java.io.ByteArrayOutputStream();
    model.writeBytes(new byte[] {8, 7, 0x3a});
    model.writeBytes(varint(length));
    for (int i = graph.length - 1; i >= 0; i--) {
      model.write(graph[i]);
    }
    return model.toByteArray();
  }

  private static byte[] varint(long value) {
    java.io.ByteArrayOutputStream out = new java.io.ByteArrayOutputStream();
    long rest = value;
    while (rest > 127) {
      out.write((int) ((rest & 127) | 128));
      rest >>>= 7;
    }
    out.write((int) rest);
    return out.toByteArray();
  }

  private static byte[] chains(byte[] whole, int length) {
    ModelProto.Builder model = parsed(whole).toBuilder();
    String weight =
        model.getGraph().getInitializerList().stream()
            .map(TensorProto::getName)
            .filter(name -> name.startsWith("onnx::MatMul"))
            .findFirst()
            .orElseThrow();
    for (int i = 0; i < length; i++) {
      model
          .getGraphBuilder()
          .addNode(
              NodeProto.newBuilder()
                  .setOpType("MatMul")
                  .addInput("a")
                  .addInput(weight)
                  .addOutput("c0"));
      model
          .getGraphBuilder()
          .addNode(
              NodeProto.newBuilder()
                  .setOpType("Identity")
                  .addInput("c" + i)
                  .addOutput("c" + (i + 1)));
    }
    return model.build().toByteArray();
  }

  /** One layer's tensors under the names of many. */
  private static byte[] sharedLayers(int layers) {
    ModelProto.Builder model = ModelProto.newBuilder().setIrVersion(7);
    ByteString big = ByteString.copyFrom(new byte[512 * 512 * 4]);
    add(model, "embeddings.word_embeddings.weight", big.substring(0, 512 * 4), 1, 512);
    add(model, "embeddings.position_embeddings.weight", big.substring(0, 512 * 4), 1, 512);
    add(model, "embeddings.token_type_embeddings.weight", big.substring(0, 512 * 4), 1, 512);
    add(model, "embeddings.LayerNorm.weight", big.substring(0, 512 * 4), 512);
    add(model, "embeddings.LayerNorm.bias", big.substring(0, 512 * 4), 512);
    add(model, "shared", big, 512, 512);
    add(model, "vector", big.substring(0, 512 * 4), 512);
    add(
        model,
        "head_shape",
        ByteString.copyFrom(
            ByteBuffer.allocate(32)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(0)
                .putLong(-1)
                .putLong(8)
                .putLong(64)
                .array()),
        4);
    int last = model.getGraphBuilder().getInitializerCount() - 1;
    model.getGraphBuilder().getInitializerBuilder(last).setDataType(7);
    for (int layer = 0; layer < layers; layer++) {
      String prefix = "/encoder/layer." + layer + "/";
      for (String module :
          List.of(
              "attention/self/query",
              "attention/self/key",
              "attention/self/value",
              "attention/output/dense",
              "intermediate/dense",
              "output/dense")) {
        String out = layer + module;
        model
            .getGraphBuilder()
            .addNode(
                NodeProto.newBuilder()
                    .setOpType("Gemm")
                    .setName(prefix + module + "/Gemm")
                    .addInput("x")
                    .addInput("shared")
                    .addInput("vector")
                    .addOutput(out));
        if (module.endsWith("query")) {
          model
              .getGraphBuilder()
              .addNode(
                  NodeProto.newBuilder()
                      .setOpType("Reshape")
                      .setName("r" + layer)
                      .addInput(out)
                      .addInput("head_shape")
                      .addOutput(out + "h"));
        }
        if (module.startsWith("intermediate")) {
          model
              .getGraphBuilder()
              .addNode(
                  NodeProto.newBuilder()
                      .setOpType("Gelu")
                      .setName("g" + layer)
                      .addInput(out)
                      .addOutput(out + "g"));
        }
      }
      for (String module : List.of("attention/output/LayerNorm", "output/LayerNorm")) {
        model
            .getGraphBuilder()
            .addNode(
                NodeProto.newBuilder()
                    .setOpType("LayerNormalization")
                    .setName(prefix + module + "/L")
                    .addInput("x")
                    .addInput("vector")
                    .addInput("vector")
                    .addOutput(layer + module));
      }
    }
    model
        .getGraphBuilder()
        .addNode(
            NodeProto.newBuilder()
                .setOpType("LayerNormalization")
                .setName("/embeddings/LayerNorm/L")
                .addInput("x")
                .addInput("embeddings.LayerNorm.weight")
                .addInput("embeddings.LayerNorm.bias")
                .addOutput("e"));
    return model.build().toByteArray();
  }

  private static void add(ModelProto.Builder model, String name, ByteString data, long... dims) {
    TensorProto.Builder tensor =
        TensorProto.newBuilder().setName(name).setDataType(1).setRawData(data);
    for (long dim : dims) {
      tensor.addDims(dim);
    }
    model.getGraphBuilder().addInitializer(tensor);
  }

  private static byte[] twice(byte[] whole) {
    ModelProto.Builder model = parsed(whole).toBuilder();
    model.getGraphBuilder().addInitializer(model.getGraphBuilder().getInitializer(0));
    return model.build().toByteArray();
  }

  private static String readOnnx(Path path) {
    OnnxEncoderWeights weights = OnnxEncoderWeights.read(path);
    for (HostTensor tensor : weights.tensors().values()) {
      for (float value : tensor.toFloatArray()) {
        if (!Float.isFinite(value)) {
          throw new AssertionError("a weight is " + value);
        }
      }
    }
    return weights.toString();
  }

  // ---- safetensors --------------------------------------------------------------------------

  static List<Fault> safetensors() {
    Faults faults = new Faults("safetensors", "model.safetensors", ModelFaults::readSafetensors);
    Path file =
        saved(
                directory ->
                    SafeTensors.write(
                        directory.resolve("model.safetensors"),
                        Map.of("a", HostTensor.of(new float[] {1, 2, 3, 4}, 2, 2)),
                        Map.of("format", "pt")))
            .resolve("model.safetensors");
    byte[] whole = bytes(file);
    faults.either("nothing wrong at all", whole);
    faults.common(whole, 8, false, true);
    for (long length :
        new long[] {
          0, 1, whole.length, Integer.MAX_VALUE, 1L << 32, Long.MAX_VALUE, -1, Long.MIN_VALUE
        }) {
      byte[] wrong = whole.clone();
      ByteBuffer.wrap(wrong).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
      faults.refused("a header of " + length + " bytes", wrong);
    }
    String good = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}";
    faults.either("nothing wrong, header by hand", header(good, 16));
    for (String json : DataFaults.jsonFaults("\"a\"")) {
      faults.refused(
          "the header " + json.substring(0, Math.min(30, json.length())) + " of " + json.length(),
          header(json, 16));
    }
    for (String shape :
        List.of(
            "[-2,-2]",
            "[2147483647,2]",
            "[4294967296,4294967296]",
            "[9223372036854775807]",
            "[9223372036854775808]",
            "[2.5,2]",
            "[\"2\",\"2\"]",
            "4",
            "null",
            "[null]",
            "[1e999999999]",
            "[" + "1,".repeat(100_000) + "4]",
            "{}")) {
      faults.either(
          "the shape " + shape.substring(0, Math.min(30, shape.length())),
          header(good.replace("[2,2]", shape), 16));
    }
    for (String offsets :
        List.of(
            "[0,15]",
            "[0,17]",
            "[1,17]",
            "[16,0]",
            "[-16,0]",
            "[0]",
            "[0,16,32]",
            "[0,9223372036854775807]",
            "[9223372036854775807,9223372036854775807]",
            "[0,4294967312]",
            "null",
            "[0.0,16.5]")) {
      faults.refused("the offsets " + offsets, header(good.replace("[0,16]", offsets), 16));
    }
    for (String type : List.of("F31", "", "f32", "PICKLE", "I16", "F64", "BOOL")) {
      faults.refused("the type " + type, header(good.replace("F32", type), 16));
    }
    faults.refused("a type that is a number", header(good.replace("\"F32\"", "32"), 16));
    faults.refused(
        "tensors that overlap",
        header(
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},\"b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
            16));
    faults.refused(
        "a gap",
        header(
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}",
            16));
    faults.refused(
        "metadata that is a number",
        header(
            "{\"__metadata__\":{\"a\":1},\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
            16));
    faults.refused("16 bytes more", header(good, 32));
    StringBuilder many = new StringBuilder("{");
    for (int i = 0; i < 10_000; i++) {
      many.append("\"")
          .append(i)
          .append("\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},");
    }
    faults.either("10,000 empty tensors", header(many + good.substring(1), 16));
    return faults.all();
  }

  private static byte[] header(String json, int dataBytes) {
    byte[] text = json.getBytes(UTF_8);
    return ByteBuffer.allocate(8 + text.length + dataBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(text.length)
        .put(text)
        .array();
  }

  private static String readSafetensors(Path path) {
    SafeTensors file = SafeTensors.open(path);
    long bytes = 0;
    for (HostTensor tensor : file.tensors().values()) {
      if (tensor.bytes().remaining() != tensor.shape().size() * tensor.type().getNumOfBytes()) {
        throw new AssertionError(tensor + " has " + tensor.bytes().remaining() + " bytes");
      }
      bytes += tensor.bytes().remaining();
    }
    return file.entries().size() + " tensors of " + bytes + " bytes";
  }

  // ---- sharded weights ----------------------------------------------------------------------

  static List<Fault> shards() {
    String index = CheckpointTensors.INDEX_NAME;
    Faults faults = new Faults("sharded weights", "saved", ModelFaults::readShards);
    Path whole =
        saved(
            directory -> {
              Map<String, HostTensor> tensors = new LinkedHashMap<>();
              tensors.put("a", HostTensor.of(new float[] {1, 2, 3, 4}, 2, 2));
              tensors.put("b", HostTensor.of(new float[] {5, 6, 7, 8}, 4));
              CheckpointTensors.write(directory, tensors, 16, DataType.FLOAT32);
            });
    String first = "model-00001-of-00002.safetensors";
    String second = "model-00002-of-00002.safetensors";
    byte[] shard = bytes(whole.resolve(first));
    String good = text(whole.resolve(index));
    faults.either("nothing wrong at all", changed(whole, directory -> {}));
    for (int length : new int[] {0, 1, 7, 8, 40, shard.length / 2, shard.length - 1}) {
      faults.refused(
          "a shard of " + length + " bytes", spoiled(whole, first, Arrays.copyOf(shard, length)));
    }
    for (long length : HOSTILE) {
      byte[] wrong = shard.clone();
      ByteBuffer.wrap(wrong).order(ByteOrder.LITTLE_ENDIAN).putLong(length);
      faults.refused("a shard with a header of " + length, spoiled(whole, first, wrong));
    }
    for (String type : List.of("F8_E4M3", "U16", "f32", "", "F4")) {
      faults.refused(
          "a shard of type '" + type + "'",
          spoiled(
              whole,
              first,
              header(
                  "{\"a\":{\"dtype\":\"" + type + "\",\"shape\":[4],\"data_offsets\":[0,16]}}",
                  16)));
    }
    faults.refused(
        "a shard of integers",
        spoiled(
            whole,
            first,
            header("{\"a\":{\"dtype\":\"I32\",\"shape\":[4],\"data_offsets\":[0,16]}}", 16)));
    faults.refused(
        "a missing shard", changed(whole, each -> AtomicFiles.deleteQuietly(each.resolve(second))));
    faults.refused("the same tensors in both shards", spoiled(whole, second, shard));
    faults.refused(
        "an index with a tensor more",
        spoiled(whole, index, good.replace("\"b\":", "\"c\":\"" + first + "\",\"b\":")));
    faults.refused(
        "an index with a tensor in the other shard",
        spoiled(whole, index, good.replace(second, first)));
    faults.either(
        "an index with a tensor less",
        spoiled(
            whole, index, good.replace("\"b\":\"" + second + "\"", "\"a \":\"" + second + "\"")));
    for (String name :
        List.of(
            "../" + second,
            "/etc/passwd",
            "/tmp/x.safetensors",
            "..",
            ".",
            "",
            "a/../" + second,
            "./" + second,
            "..\\\\" + second,
            "C:" + second,
            "model\\u0000.safetensors",
            "a".repeat(10_000) + ".safetensors",
            "pytorch_model.bin")) {
      faults.refused(
          "an index that points to " + name.substring(0, Math.min(40, name.length())),
          spoiled(whole, index, good.replace(second, name)));
    }
    faults.refused(
        "a shard that is a link out of the directory",
        changed(
            whole,
            each -> {
              write(each.resolveSibling("elsewhere.safetensors"), bytes(each.resolve(second)));
              link(each.resolve(second), "../elsewhere.safetensors");
            }));
    faults.refused(
        "a shard that is a link to nothing",
        changed(whole, each -> link(each.resolve(second), "no")));
    faults.refused(
        "a shard that is a link to itself",
        changed(whole, each -> link(each.resolve(second), second)));
    faults.refused(
        "a single file that is a link to nothing",
        changed(whole, each -> link(each.resolve(CheckpointTensors.FILE_NAME), "no")));
    for (String json : DataFaults.jsonFaults("\"weight_map\"")) {
      faults.refused(
          "the index " + json.substring(0, Math.min(30, json.length())) + " of " + json.length(),
          spoiled(whole, index, json));
    }
    for (String map :
        List.of("null", "[]", "{}", "{\"a\":1}", "{\"a\":null}", "{\"a\":[\"x\"]}", "\"a\"")) {
      faults.refused(
          "the weight map " + map, spoiled(whole, index, "{\"weight_map\":" + map + "}"));
    }
    for (String name : List.of("pytorch_model.bin", "model.pt", "a.pth", "last.ckpt")) {
      faults.refused(
          "nothing but the pickle " + name,
          changed(
              whole,
              each -> {
                AtomicFiles.deleteQuietly(each.resolve(index));
                write(each.resolve(name), new byte[] {(byte) 0x80, 2, '.'});
              }));
    }
    return faults.all();
  }

  private static String readShards(Path directory) {
    CheckpointTensors tensors = CheckpointTensors.open(directory);
    long numbers = 0;
    for (String name : tensors.entries().keySet()) {
      HostTensor tensor = tensors.float32(name);
      if (tensor.toFloatArray().length != tensor.shape().size()) {
        throw new AssertionError(tensor + " has not as many numbers");
      }
      numbers += tensor.shape().size();
    }
    return numbers + " numbers, not listed " + tensors.unlisted();
  }

  // ---- checkpoints --------------------------------------------------------------------------

  private static final TextDataset TEXTS = TinyRuns.texts(24);
  private static final TextDataset VALIDATION = TinyRuns.texts(9);

  static List<Fault> checkpoints() {
    Faults faults = new Faults("checkpoint", "saved", ModelFaults::resume);
    Path whole =
        saved(
            directory -> {
              Thread trainer = Thread.currentThread();
              try (DistillationResult result =
                  ResumableRun.recipe(VALIDATION)
                      .checkpoint(directory, io.distill.training.Every.steps(1000))
                      .listener(
                          TinyRuns.onStep(
                              step -> {
                                if (step.progress().step() == 10) {
                                  trainer.interrupt();
                                }
                              }))
                      .fit(TEXTS)) {
                if (!Thread.interrupted() && result.steps() > 11) {
                  throw new IllegalStateException("the run was not stopped");
                }
              }
            });
    Path checkpoint;
    try (var children = Files.list(whole)) {
      checkpoint =
          children
              .filter(child -> child.getFileName().toString().startsWith("checkpoint-"))
              .findFirst()
              .orElseThrow();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    String name = checkpoint.getFileName().toString();
    faults.either("nothing wrong at all", changed(whole, copy -> {}));
    List<String> files;
    try (var tree = Files.walk(checkpoint)) {
      files =
          tree.filter(Files::isRegularFile)
              .map(file -> checkpoint.relativize(file).toString())
              .sorted()
              .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    for (String file : files) {
      byte[] content = bytes(checkpoint.resolve(file));
      String path = name + "/" + file;
      faults.refused(
          "without " + file, changed(whole, copy -> AtomicFiles.deleteQuietly(copy.resolve(path))));
      faults.refused(
          file + " is cut off", spoiled(whole, path, Arrays.copyOf(content, content.length / 2)));
      byte[] flipped = content.clone();
      flipped[content.length / 3] ^= 2;
      faults.refused(file + " has a bit flipped", spoiled(whole, path, flipped));
      faults.refused(
          file + " is a link", changed(whole, copy -> link(copy.resolve(path), "/etc/passwd")));
      if (!file.equals("SHA256SUMS")) {
        // damage that the checksums agree with
        // of the student only the weights are read when a run resumes
        boolean unread = file.startsWith("student/") && !file.endsWith("model.pt");
        faults.add(
            file + " is empty and so listed", unread, listed(whole, name, file, new byte[0]));
        faults.add(
            file + " is cut off and so listed",
            unread,
            listed(whole, name, file, Arrays.copyOf(content, content.length / 2)));
        faults.either(
            file + " has a bit flipped and so listed", listed(whole, name, file, flipped));
        faults.refused(
            file + " is a device", changed(whole, copy -> link(copy.resolve(path), "/dev/zero")));
      }
    }
    String manifest = text(checkpoint.resolve("manifest.json"));
    for (String json : DataFaults.jsonFaults("\"format\"")) {
      faults.refused(
          "the manifest " + json.substring(0, Math.min(30, json.length())) + " of " + json.length(),
          listed(whole, name, "manifest.json", json.getBytes(UTF_8)));
    }
    for (String number :
        List.of("0", "2", "-1", "4294967297", "1.5", "\"1\"", "null", "1e999999999")) {
      faults.refused(
          "version " + number,
          listed(
              whole,
              name,
              "manifest.json",
              manifest.replaceFirst("\"version\": 1", "\"version\": " + number).getBytes(UTF_8)));
    }
    for (String number :
        List.of("-1", "9223372036854775807", "1000", "1.5", "\"x\"", "null", "1e999999999")) {
      faults.either(
          "step " + number,
          listed(
              whole,
              name,
              "manifest.json",
              manifest.replaceFirst("\"step\": \\d+", "\"step\": " + number).getBytes(UTF_8)));
    }
    for (String list :
        List.of(
            "", "x", "../../../etc/passwd", "0".repeat(64) + "  ../x\n", "a\n".repeat(2_000_000))) {
      faults.refused(
          "a list of checksums of " + list.length() + " characters",
          spoiled(whole, name + "/SHA256SUMS", list));
    }
    faults.refused("a file more", spoiled(whole, name + "/more.bin", new byte[3]));
    return faults.all();
  }

  /** What a teacher said; forged checksums are tried beside the format itself. */
  static List<Fault> caches() {
    FloatRows rows = FloatRows.random(12, 4, 3);
    Faults faults =
        new Faults(
            "teacher cache",
            "teacher.cache",
            path -> {
              try (CachedTeacher alone = Teacher.cached(path)) {
                return alone.provides().isEmpty() ? "no rows yet" : learn(alone, rows);
              }
            });
    byte[] whole =
        bytes(
            saved(
                    directory -> {
                      try (CachedTeacher writing =
                          Teacher.cached(directory.resolve("teacher.cache"), RuleTeacher.echo())
                              .identifiedAs("echo")) {
                        if (writing.label(rows) != 12) {
                          throw new IllegalStateException("rows were not all asked for");
                        }
                      }
                    })
                .resolve("teacher.cache"));
    faults.either("nothing wrong at all", whole);
    // what was cut off counts as not written yet
    faults.common(whole, 48, false, false);
    for (int at : new int[] {8, 16, 20, 24, 28, 32}) {
      for (int value : new int[] {Integer.MAX_VALUE, -1, 0}) {
        byte[] wrong = whole.clone();
        int before =
            ByteBuffer.wrap(wrong).putInt(at, value).rewind().compareTo(ByteBuffer.wrap(whole));
        if (before != 0) {
          faults.refused("the number " + value + " at byte " + at, wrong);
        }
      }
    }
    return faults.all();
  }

  private static String learn(Teacher teacher, FloatRows rows) {
    try (DistillationResult result =
        Distiller.builder()
            .teacher(teacher)
            .student(TinyRuns.perceptron())
            .loss(TinyRuns.logitDistance())
            .device(Device.cpu())
            .epochs(1)
            .batchSize(12)
            .fit(rows)) {
      return result.steps() + " steps";
    }
  }

  /** What a saved student tells about its origin. */
  static List<Fault> provenance() {
    Faults faults =
        new Faults(
            "provenance",
            "provenance.json",
            path -> {
              Provenance read = Provenance.read(path);
              return read.modelCard().length() + " characters of a card, " + read.lineage().size();
            });
    Path whole =
        saved(
            directory -> {
              try (DistillationResult result = ResumableRun.recipe(VALIDATION, 1, 5).fit(TEXTS)) {
                result.student().save(directory);
              }
            });
    // of one length in every process: times differ
    String json =
        text(whole.resolve("provenance.json"))
            .replaceAll("\\d+\\.\\d+(E-?\\d+)?", "0.5")
            .replaceAll("\\d{4}-\\d\\d-\\d\\dT[0-9:.]+Z", "2026-01-01T00:00:00Z");
    faults.either("nothing wrong at all", json);
    faults.common(json.strip().getBytes(UTF_8), 64, false, true);
    for (String text : DataFaults.jsonFaults("\"format\"")) {
      faults.refused(
          "the text " + text.substring(0, Math.min(30, text.length())) + " of " + text.length(),
          text);
    }
    for (String version : List.of("0", "2", "-1", "1.5", "4294967297", "\"1\"", "null", "1e999")) {
      faults.refused("version " + version, json.replaceFirst("(\"version\": )1", "$1" + version));
    }
    for (String member : List.of("recipe", "teacher", "data", "student", "environment", "run")) {
      for (String value : List.of("null", "7", "[]", "{}", "\"x\"")) {
        faults.add(
            member + " is " + value,
            // a recipe is any object; it is understood when it is to be run again
            member.equals("recipe") && value.equals("{}"),
            Fault.file("provenance.json", with(json, member, value)));
      }
      faults.refused("no " + member, with(json, member, null));
    }
    String nested = json;
    for (int i = 0; i < 30; i++) {
      nested = new String(with(json, "lineage", "[" + nested + "]"), UTF_8);
    }
    faults.refused("30 generations", nested);
    faults.refused("an unknown member", with(json, "evil", "1"));
    for (String count : List.of("-1", "4294967297", "1e999999999", "0.5")) {
      faults.refused(count + " omitted ancestors", with(json, "omittedAncestors", count));
    }
    faults.refused("300 MB", directory -> sparse(directory.resolve("provenance.json")));
    return faults.all();
  }

  private static Path sparse(Path file) throws IOException {
    try (var open = new java.io.RandomAccessFile(file.toFile(), "rw")) {
      open.setLength(300L << 20);
    }
    return file;
  }

  /** Puts another value for a member, as text, into an object; null takes it away. */
  private static byte[] with(String json, String member, @Nullable String value) {
    com.google.gson.JsonObject object =
        com.google.gson.JsonParser.parseString(json).getAsJsonObject();
    object.remove(member);
    String rest = object.toString();
    return (value == null
            ? rest
            : rest.substring(0, rest.length() - 1) + ",\"" + member + "\":" + value + "}")
        .getBytes(UTF_8);
  }

  private static Fault.Making listed(Path whole, String name, String file, byte[] content) {
    return changed(
        whole,
        copy -> {
          write(copy.resolve(name).resolve(file), content);
          String sums = text(copy.resolve(name).resolve("SHA256SUMS"));
          String digest = com.google.common.hash.Hashing.sha256().hashBytes(content).toString();
          write(
              copy.resolve(name).resolve("SHA256SUMS"),
              sums.replaceAll(
                      "[0-9a-f]{64}(?=  " + java.util.regex.Pattern.quote(file) + "\n)", digest)
                  .getBytes(UTF_8));
        });
  }

  private static String resume(Path path) {
    try (DistillationResult result = ResumableRun.recipe(VALIDATION).resumeFrom(path).fit(TEXTS)) {
      return result.steps() + " steps";
    } catch (IllegalStateException e) {
      throw new DistillationException("not this: " + e, e);
    }
  }
}
