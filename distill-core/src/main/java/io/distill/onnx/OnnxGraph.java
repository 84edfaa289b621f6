package io.distill.onnx;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.common.collect.ArrayListMultimap;
import com.google.common.collect.ListMultimap;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.ExtensionRegistryLite;
import com.google.protobuf.InvalidProtocolBufferException;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The nodes and constants of an ONNX graph, with the ways from value to value. */
final class OnnxGraph {

  /**
   * A value that does not depend on the input.
   *
   * @param tensor the stored tensor
   * @param transposed whether the value is the transpose of the stored tensor
   * @param unsqueezed whether dimensions of 1 may have been added
   */
  record Constant(TensorProto tensor, boolean transposed, boolean unsqueezed) {}

  /** Marks an element of a shape that the graph computes while running. */
  static final long UNKNOWN = Long.MIN_VALUE;

  // far above any real encoder; keeps a file of millions of empty messages from filling the heap
  private static final int MAX_ELEMENTS = 1 << 18;
  // a hundred times what an encoder of 12 layers takes
  private static final long MAX_STEPS = 1 << 18;
  private static final int BUFFER_BYTES = 1 << 16;
  private static final int MAX_SHAPE_ELEMENTS = 16;

  private static final int WIRE_VARINT = 0;
  private static final int WIRE_LENGTH_DELIMITED = 2;
  private static final Map<Integer, Integer> MODEL_FIELDS =
      Map.ofEntries(
          Map.entry(1, WIRE_VARINT), // ir_version
          Map.entry(2, WIRE_LENGTH_DELIMITED), // producer_name
          Map.entry(3, WIRE_LENGTH_DELIMITED), // producer_version
          Map.entry(4, WIRE_LENGTH_DELIMITED), // domain
          Map.entry(5, WIRE_VARINT), // model_version
          Map.entry(6, WIRE_LENGTH_DELIMITED), // doc_string
          Map.entry(7, WIRE_LENGTH_DELIMITED), // graph
          Map.entry(8, WIRE_LENGTH_DELIMITED), // opset_import
          Map.entry(14, WIRE_LENGTH_DELIMITED), // metadata_props
          Map.entry(20, WIRE_LENGTH_DELIMITED), // training_info
          Map.entry(25, WIRE_LENGTH_DELIMITED), // functions
          Map.entry(26, WIRE_LENGTH_DELIMITED)); // configuration
  private static final int IR_VERSION_FIELD = 1;
  private static final int GRAPH_FIELD = 7;
  private static final int NODE_FIELD = 1;
  private static final int INITIALIZER_FIELD = 5;

  private final List<NodeProto> nodes = new ArrayList<>();
  private final Map<String, Constant> constants = new LinkedHashMap<>();
  private final Map<String, NodeProto> producers = new HashMap<>();
  private final ListMultimap<String, NodeProto> consumers = ArrayListMultimap.create();
  private final String model;
  private long bytes;
  private long steps;

  private OnnxGraph(String model) {
    this.model = model;
  }

  /**
   * Parses a serialized model. Model and graph are walked by hand, so that parts nobody needs
   * (value types, documentation, functions) are skipped and the number of elements is bounded.
   */
  static OnnxGraph parse(InputStream input, String model) throws IOException {
    OnnxGraph graph = new OnnxGraph(model);
    CodedInputStream coded = CodedInputStream.newInstance(input, BUFFER_BYTES);
    coded.setSizeLimit(Integer.MAX_VALUE); // the most a protobuf message can have
    boolean versionSeen = false;
    boolean graphSeen = false;
    try {
      if (coded.isAtEnd()) {
        throw new DistillationException(
            model + " must be an ONNX file but is empty; copy or export it again");
      }
      for (int tag = coded.readTag(); tag != 0; tag = coded.readTag()) {
        int field = tag >>> 3;
        Integer wireType = MODEL_FIELDS.get(field);
        if (wireType == null || wireType != (tag & 7)) {
          throw notOnnx(model, null);
        }
        versionSeen |= field == IR_VERSION_FIELD;
        if (field == GRAPH_FIELD) {
          graphSeen = true;
          graph.readGraph(coded, model);
        } else {
          coded.skipField(tag);
        }
      }
    } catch (InvalidProtocolBufferException e) {
      throw versionSeen ? damaged(model, coded.getTotalBytesRead(), e) : notOnnx(model, e);
    }
    if (!graphSeen) {
      throw versionSeen ? damaged(model, coded.getTotalBytesRead(), null) : notOnnx(model, null);
    }
    graph.bytes = coded.getTotalBytesRead();
    graph.connect();
    return graph;
  }

  /** Returns how many bytes the model has. */
  long bytes() {
    return bytes;
  }

  List<NodeProto> nodes() {
    return Collections.unmodifiableList(nodes);
  }

  /** Returns the constants by value name, in the order of the file. */
  Map<String, Constant> constants() {
    return Collections.unmodifiableMap(constants);
  }

  @Nullable Constant constant(String value) {
    return constants.get(value);
  }

  @Nullable NodeProto producer(String value) {
    return producers.get(value);
  }

  List<NodeProto> consumers(String value) {
    return consumers.get(value);
  }

  /** Returns the one element of a constant of floating type. */
  OptionalDouble scalar(String value) {
    Constant constant = constants.get(value);
    return constant == null ? OptionalDouble.empty() : TensorData.scalar(constant.tensor());
  }

  /**
   * Returns the elements of an int64 value that is constant or joined from pieces of which some are
   * constant; each other piece counts as one {@link #UNKNOWN} element.
   */
  Optional<long[]> integers(String value) {
    Constant constant = constants.get(value);
    if (constant != null) {
      return TensorData.integers(constant.tensor(), MAX_SHAPE_ELEMENTS);
    }
    NodeProto producer = producers.get(value);
    if (producer == null
        || !producer.getOpType().equals("Concat")
        || producer.getInputCount() > MAX_SHAPE_ELEMENTS) {
      return Optional.empty();
    }
    List<Long> elements = new ArrayList<>();
    for (String input : producer.getInputList()) {
      Constant piece = constants.get(input);
      Optional<long[]> known =
          piece == null
              ? Optional.empty()
              : TensorData.integers(piece.tensor(), MAX_SHAPE_ELEMENTS);
      for (long element : known.orElse(new long[] {UNKNOWN})) {
        elements.add(element);
      }
    }
    return Optional.of(elements.stream().mapToLong(Long::longValue).toArray());
  }

  /** Returns the nodes that a value reaches, nearest first, not looking past some of them. */
  List<NodeProto> reachedFrom(String value, Predicate<NodeProto> last) {
    List<NodeProto> reached = new ArrayList<>();
    Set<NodeProto> met = Collections.newSetFromMap(new IdentityHashMap<>());
    Set<String> seen = new HashSet<>(Set.of(value));
    Deque<String> open = new ArrayDeque<>(seen);
    while (!open.isEmpty()) {
      for (NodeProto node : consumers.get(open.remove())) {
        step();
        if (met.add(node)) {
          reached.add(node);
          if (!last.test(node)) {
            node.getOutputList().stream().filter(seen::add).forEach(open::add);
          }
        }
      }
    }
    return reached;
  }

  /** Returns the nodes a value is computed from, nearest first, not looking past some of them. */
  List<NodeProto> leadingTo(String value, Predicate<NodeProto> last) {
    List<NodeProto> leading = new ArrayList<>();
    Set<String> seen = new HashSet<>(Set.of(value));
    Deque<String> open = new ArrayDeque<>(seen);
    while (!open.isEmpty()) {
      NodeProto node = producers.get(open.remove());
      step();
      if (node != null) {
        leading.add(node);
        if (!last.test(node)) {
          node.getInputList().stream().filter(seen::add).forEach(open::add);
        }
      }
    }
    return leading;
  }

  /** Ways through a graph that is made to have many would take hours. */
  private void step() {
    if (++steps > MAX_STEPS) {
      throw new DistillationException(
          model
              + " must be the graph of one encoder but has too many ways through it; export it"
              + " again");
    }
  }

  private void readGraph(CodedInputStream coded, String model) throws IOException {
    int outer = coded.pushLimit(coded.readRawVarint32());
    for (int tag = coded.readTag(); tag != 0; tag = coded.readTag()) {
      int field = tag >>> 3;
      boolean message = (tag & 7) == WIRE_LENGTH_DELIMITED;
      if (field == NODE_FIELD && message) {
        nodes.add(coded.readMessage(NodeProto.parser(), ExtensionRegistryLite.getEmptyRegistry()));
      } else if (field == INITIALIZER_FIELD && message) {
        TensorProto tensor =
            coded.readMessage(TensorProto.parser(), ExtensionRegistryLite.getEmptyRegistry());
        // the name is kept as the key; a second one under the same name would be ambiguous
        if (constants.put(tensor.getName(), new Constant(tensor, false, false)) != null) {
          throw new DistillationException(
              model
                  + " must name each initializer once but has '"
                  + tensor.getName()
                  + "' twice; export it again");
        }
      } else if (!coded.skipField(tag)) {
        throw new InvalidProtocolBufferException("unexpected end of a group");
      }
      if (nodes.size() + constants.size() > MAX_ELEMENTS) {
        throw new DistillationException(
            model
                + " must have at most "
                + MAX_ELEMENTS
                + " nodes and initializers but has more; check that it is the export of one"
                + " encoder");
      }
    }
    if (coded.getBytesUntilLimit() != 0) {
      throw new InvalidProtocolBufferException("the graph ended unexpectedly");
    }
    coded.popLimit(outer);
  }

  private void connect() {
    for (NodeProto node : nodes) {
      for (String input : new HashSet<>(node.getInputList())) {
        if (!input.isEmpty()) {
          consumers.put(input, node);
        }
      }
      for (String output : node.getOutputList()) {
        if (!output.isEmpty()) {
          producers.put(output, node);
        }
      }
      if (node.getOutputCount() == 1) {
        Constant constant = fold(node);
        if (constant != null) {
          constants.putIfAbsent(node.getOutput(0), constant);
        }
      }
    }
  }

  /** Nodes are in the order of computation, so one look at the inputs is enough. */
  private @Nullable Constant fold(NodeProto node) {
    if (node.getOpType().equals("Constant")) {
      TensorProto tensor = constantTensor(node);
      return tensor == null ? null : new Constant(tensor, false, false);
    }
    Constant input = node.getInputCount() == 0 ? null : constants.get(node.getInput(0));
    if (input == null) {
      return null;
    }
    return switch (node.getOpType()) {
      case "Identity", "Cast" -> input;
      case "Unsqueeze" -> new Constant(input.tensor(), input.transposed(), true);
      case "Transpose" ->
          input.tensor().getDimsCount() == 2 && swaps(node)
              ? new Constant(input.tensor(), !input.transposed(), input.unsqueezed())
              : null;
      default -> null;
    };
  }

  private static boolean swaps(NodeProto node) {
    for (AttributeProto attribute : node.getAttributeList()) {
      if (attribute.getName().equals("perm")) {
        return attribute.getIntsList().equals(List.of(1L, 0L));
      }
    }
    return true;
  }

  private static @Nullable TensorProto constantTensor(NodeProto node) {
    return node.getAttributeList().stream()
        .map(OnnxGraph::constantTensor)
        .filter(Objects::nonNull)
        .findFirst()
        .orElse(null);
  }

  private static @Nullable TensorProto constantTensor(AttributeProto attribute) {
    TensorProto.Builder floats =
        TensorProto.newBuilder().setDataType(TensorProto.DataType.FLOAT_VALUE);
    TensorProto.Builder longs =
        TensorProto.newBuilder().setDataType(TensorProto.DataType.INT64_VALUE);
    return switch (attribute.getName()) {
      case "value" -> attribute.getT();
      case "value_float" -> floats.addFloatData(attribute.getF()).build();
      case "value_floats" ->
          floats
              .addDims(attribute.getFloatsCount())
              .addAllFloatData(attribute.getFloatsList())
              .build();
      case "value_int" -> longs.addInt64Data(attribute.getI()).build();
      case "value_ints" ->
          longs.addDims(attribute.getIntsCount()).addAllInt64Data(attribute.getIntsList()).build();
      default -> null;
    };
  }

  private static DistillationException notOnnx(String model, @Nullable Throwable cause) {
    return new DistillationException(
        model + " must be an ONNX file but is in another format; name a file that ends in .onnx",
        cause);
  }

  private static DistillationException damaged(
      String model, int position, @Nullable Throwable cause) {
    return new DistillationException(
        model
            + " must be a whole ONNX file but is cut off or damaged at byte "
            + position
            + "; copy or export it again",
        cause);
  }
}
