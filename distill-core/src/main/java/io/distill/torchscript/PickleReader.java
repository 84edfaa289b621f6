package io.distill.torchscript;

import io.distill.exception.DistillationException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Reads the pickles inside TorchScript archives without running anything.
 *
 * <p>A pickle is a program: in Python it can call any function. This machine knows the instructions
 * that libtorch's own reader knows and builds values, tensors and modules from them; a call of any
 * function that is not on the short list below is refused before anything happens.
 *
 * <p>It is strict where libtorch is not: libtorch neither compares a storage with its record nor a
 * tensor with its storage, trusts the stack, and takes containers apart by recursion. A file that
 * passes here gives it no reason to read outside of its memory.
 */
final class PickleReader {

  /** Says how many bytes a storage has in the file. */
  @FunctionalInterface
  interface Records {
    /** Returns the size of the record of a key, or -1 if there is none. */
    long bytes(String key);
  }

  /** The value {@code None}. */
  enum None {
    /** The only one. */
    NONE
  }

  /** A name that stands for a class or function; only ever compared with known names. */
  record Global(String module, String name) {
    @Override
    public String toString() {
      return module + "." + name;
    }
  }

  /** A tuple. */
  record Tuple(List<Object> items, int depth) {}

  /** A list or dictionary while it is filled; nothing is added once it stands in another value. */
  static final class Container {
    final Object value;
    private int depth = 1;
    private boolean placed;

    Container(Object value) {
      this.value = value;
    }
  }

  /** The elements that tensors are views of. */
  record Storage(String key, String typeName, long count) {}

  /** A tensor: a view of a storage. */
  record Tensor(
      Storage storage, long offset, List<Long> shape, List<Long> strides, boolean trained) {
    long elements() {
      return shape.stream().mapToLong(Long::longValue).reduce(1, (a, b) -> a * b);
    }

    boolean isWhole() {
      long stride = 1;
      for (int i = shape.size() - 1; i >= 0; i--) {
        if (strides.get(i) != stride) {
          return false;
        }
        stride *= Math.max(1, shape.get(i));
      }
      return offset == 0 && elements() == storage.count();
    }
  }

  /** An object of a class that the archive's source defines. */
  record Instance(Global type, Object state, int depth) {
    /** Returns the attributes, or nothing if the state is of another kind. */
    Map<?, ?> attributes() {
      return state instanceof Container container && container.value instanceof Map<?, ?> map
          ? map
          : Map.of();
    }
  }

  /** A tensor that is stored in another way, or a value whose content does not matter here. */
  private enum Opaque {
    VALUE
  }

  private record Unbuilt(Global type) {}

  private enum Mark {
    MARK
  }

  /** Deeper nesting would exhaust the native stack when libtorch takes values apart. */
  private static final int MAX_DEPTH = 256;

  private static final int MAX_DIMENSIONS = 64;

  /** How far a tensor may repeat the elements of its storage (strides of 0). */
  private static final long MAX_REPEATED = 1 << 20;

  private static final Map<String, Integer> ELEMENT_BYTES =
      Map.ofEntries(
          Map.entry("FloatStorage", 4),
          Map.entry("DoubleStorage", 8),
          Map.entry("HalfStorage", 2),
          Map.entry("BFloat16Storage", 2),
          Map.entry("LongStorage", 8),
          Map.entry("IntStorage", 4),
          Map.entry("ShortStorage", 2),
          Map.entry("CharStorage", 1),
          Map.entry("ByteStorage", 1),
          Map.entry("BoolStorage", 1),
          Map.entry("ComplexFloatStorage", 8),
          Map.entry("ComplexDoubleStorage", 16),
          Map.entry("QInt8Storage", 1),
          Map.entry("QUInt8Storage", 1),
          Map.entry("QInt32Storage", 4));

  private static final Set<String> QUANTIZATIONS =
      Set.of("per_tensor_affine", "per_channel_affine", "per_channel_affine_float_qparams");
  private static final Set<String> LISTS =
      Set.of("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist");

  /** Native classes of weights that were packed for quantised or mobile operators. */
  private static final Set<String> NATIVE_CLASSES =
      Set.of("quantized", "rnn", "sparse", "xnnpack", "mkldnn");

  private static final String NATIVE = "__torch__.torch.classes.";
  private static final Pattern MODULE = Pattern.compile("__torch__(?:\\.\\w+)*");
  private static final Pattern NAME = Pattern.compile("\\w+");
  private static final Pattern PLACE = Pattern.compile("[a-z]{1,16}(?::[0-9]{1,4})?");

  private final String entry;
  private final ByteBuffer pickle;
  private final Records records;
  private final ArrayList<Object> stack = new ArrayList<>();
  private final ArrayList<Object> memo = new ArrayList<>();

  /**
   * Creates a reader.
   *
   * @param entry how messages call the pickle
   * @param pickle its bytes
   * @param records the sizes of the storages beside it
   */
  PickleReader(String entry, byte[] pickle, Records records) {
    this.entry = entry;
    this.pickle = ByteBuffer.wrap(pickle).order(ByteOrder.LITTLE_ENDIAN);
    this.records = records;
  }

  /** Returns how many bytes an element of a storage class has, or 0 if there is no such class. */
  static int elementBytes(String typeName) {
    return ELEMENT_BYTES.getOrDefault(typeName, 0);
  }

  /** Reads the one value of the pickle. */
  Object read() {
    if (unsignedByte() != 0x80 || unsignedByte() != 2) {
      throw malformed("does not start as a pickle of protocol 2");
    }
    while (true) {
      int instruction = unsignedByte();
      switch (instruction) {
        case 'c' -> stack.add(global());
        case '(' -> stack.add(Mark.MARK);
        case ')' -> stack.add(new Tuple(List.of(), 1));
        case 't' -> stack.add(tuple(sinceMark()));
        case 0x85 -> stack.add(tuple(last(1)));
        case 0x86 -> stack.add(tuple(last(2)));
        case 0x87 -> stack.add(tuple(last(3)));
        case ']' -> stack.add(new Container(new ArrayList<Object>()));
        case 'e' -> append(sinceMark());
        case 'a' -> append(last(1));
        case '}' -> stack.add(new Container(new LinkedHashMap<Object, Object>()));
        case 'u' -> set(sinceMark());
        case 's' -> set(last(2));
        case 'X' -> stack.add(text());
        case 'K' -> stack.add((long) unsignedByte());
        case 'M' -> stack.add((long) (need(Short.BYTES).getShort() & 0xffff));
        case 'J' -> stack.add((long) need(Integer.BYTES).getInt());
        case 0x8a -> {
          if (unsignedByte() != Long.BYTES) {
            throw malformed("has an integer of another width than 8 bytes");
          }
          stack.add(need(Long.BYTES).getLong());
        }
        case 'G' ->
            stack.add(Double.longBitsToDouble(Long.reverseBytes(need(Long.BYTES).getLong())));
        case 'N' -> stack.add(None.NONE);
        case 0x88 -> stack.add(true);
        case 0x89 -> stack.add(false);
        case 'q' -> remember(unsignedByte());
        case 'r' -> remember(need(Integer.BYTES).getInt());
        case 'h' -> recall(unsignedByte());
        case 'j' -> recall(need(Integer.BYTES).getInt());
        case 'Q' -> stack.add(storage(pop(Tuple.class, "a storage")));
        case 'R' -> reduce();
        case 0x81 -> {
          pop(Tuple.class, "arguments");
          stack.add(new Unbuilt(type(pop(Global.class, "a class"))));
        }
        case 'b' -> build();
        case '.' -> {
          if (stack.size() != 1 || pickle.hasRemaining()) {
            throw malformed("must hold one value but has more");
          }
          Object value = pop();
          place(value);
          return value;
        }
        default -> throw malformed("has the unknown instruction " + instruction);
      }
    }
  }

  // ---- containers ---------------------------------------------------------------------------

  private Tuple tuple(List<Object> items) {
    int depth = 1;
    for (Object item : items) {
      // the names of element types and of quantisations stand in tuples
      depth = Math.max(depth, 1 + (item instanceof Global ? 0 : place(item)));
    }
    return new Tuple(Collections.unmodifiableList(items), checked(depth));
  }

  @SuppressWarnings("unchecked")
  private void append(List<Object> items) {
    Container container = open(List.class);
    for (Object item : items) {
      container.depth = checked(Math.max(container.depth, 1 + place(item)));
    }
    ((List<Object>) container.value).addAll(items);
  }

  @SuppressWarnings("unchecked")
  private void set(List<Object> items) {
    Container container = open(Map.class);
    if (items.size() % 2 != 0) {
      throw malformed("has a key without a value");
    }
    Map<Object, Object> map = (Map<Object, Object>) container.value;
    for (int i = 0; i < items.size(); i += 2) {
      Object key = items.get(i);
      if (!(key instanceof String
          || key instanceof Long
          || key instanceof Double
          || key instanceof Boolean
          || key instanceof Tensor)) {
        throw malformed("has a key that is no text and no number");
      }
      container.depth = checked(Math.max(container.depth, 1 + place(items.get(i + 1))));
      if (map.put(key, items.get(i + 1)) != null) {
        throw malformed("has the key " + key + " twice");
      }
    }
  }

  private Container open(Class<?> kind) {
    Object top = stack.isEmpty() ? Mark.MARK : stack.get(stack.size() - 1);
    if (!(top instanceof Container container)
        || !kind.isInstance(container.value)
        || container.placed) {
      throw malformed("adds to something that is no open " + kind.getSimpleName());
    }
    return container;
  }

  /** Takes a value into another one, or as the result; returns how deep it is. */
  private int place(Object value) {
    if (value instanceof Container container) {
      container.placed = true;
      return container.depth;
    }
    if (value instanceof Tuple tuple) {
      return tuple.depth();
    }
    if (value instanceof Instance instance) {
      return instance.depth();
    }
    if (value instanceof Mark || value instanceof Global || value instanceof Unbuilt) {
      throw malformed("has something in the place of a value that is none");
    }
    return 0;
  }

  private int checked(int depth) {
    if (depth > MAX_DEPTH) {
      throw malformed("is nested more than " + MAX_DEPTH + " deep");
    }
    return depth;
  }

  // ---- objects ------------------------------------------------------------------------------

  private Global global() {
    return new Global(line(), line());
  }

  /** Returns a class that may have instances: one of the archive's own, or a known native one. */
  private Global type(Global global) {
    boolean own =
        MODULE.matcher(global.module()).matches() && NAME.matcher(global.name()).matches();
    String full = global.toString();
    if (own && full.startsWith(NATIVE)) {
      String rest = full.substring(NATIVE.length());
      own = NATIVE_CLASSES.stream().anyMatch(known -> rest.startsWith(known + "."));
    }
    if (!own) {
      throw notAllowed(global);
    }
    return global;
  }

  private void build() {
    Object state = pop();
    int depth = checked(1 + place(state));
    stack.add(new Instance(pop(Unbuilt.class, "an object").type(), state, depth));
  }

  private void reduce() {
    Tuple arguments = pop(Tuple.class, "arguments");
    Global callee = pop(Global.class, "a function");
    List<Object> items = arguments.items();
    switch (callee.toString()) {
      case "collections.OrderedDict" -> {
        if (!items.isEmpty()) {
          throw malformed("has an ordered dictionary with content");
        }
        stack.add(None.NONE);
      }
      case "torch._utils._rebuild_tensor_v2" -> stack.add(tensor(items, false));
      case "torch._utils._rebuild_qtensor" -> stack.add(tensor(items, true));
      case "torch.device" -> {
        argument(items, 0, String.class);
        stack.add(Opaque.VALUE);
      }
      case "builtins.complex" -> {
        argument(items, 0, Double.class);
        argument(items, 1, Double.class);
        stack.add(Opaque.VALUE);
      }
      case "torch.jit._pickle.restore_type_tag" -> {
        argument(items, 1, String.class);
        stack.add(argument(items, 0, Container.class));
      }
      default -> {
        if (callee.module().equals("torch.jit._pickle") && LISTS.contains(callee.name())) {
          stack.add(list(argument(items, 0, Container.class), callee.name()));
        } else if (callee.module().startsWith("__torch__")) {
          // a value of an enumeration that the source defines
          type(callee);
          stack.add(Opaque.VALUE);
        } else {
          throw notAllowed(callee);
        }
      }
    }
  }

  private Container list(Container container, String kind) {
    Class<?> wanted =
        switch (kind) {
          case "build_intlist" -> Long.class;
          case "build_doublelist" -> Double.class;
          case "build_boollist" -> Boolean.class;
          default -> Tensor.class;
        };
    if (!(container.value instanceof List<?> items)
        || !items.stream().allMatch(wanted::isInstance)) {
      throw malformed("has a list of " + wanted.getSimpleName() + " that is none");
    }
    return container;
  }

  private DistillationException notAllowed(Global callee) {
    String name = callee.toString();
    return malformed(
        "names "
            + (name.length() <= 200 ? name : name.substring(0, 200) + "...")
            + ", which is not allowed: only tensors and modules are read, and nothing is run");
  }

  // ---- tensors ------------------------------------------------------------------------------

  private Storage storage(Tuple id) {
    List<Object> items = id.items();
    String typeName = argument(items, 1, Global.class).name();
    String key = argument(items, 2, String.class);
    long count = argument(items, 4, Long.class);
    int bytes = elementBytes(typeName);
    if (items.size() != 5
        || !argument(items, 0, String.class).equals("storage")
        || !argument(items, 1, Global.class).module().equals("torch")
        || bytes == 0
        || !PLACE.matcher(argument(items, 3, String.class)).matches()) {
      throw malformed("has a storage of an unknown kind (" + typeName + ")");
    }
    long stored = records.bytes(key);
    // an empty storage needs no record
    if (count < 0
        || count > Long.MAX_VALUE / bytes
        || (count > 0 && stored != count * bytes)
        || (count == 0 && stored > 0)) {
      throw malformed(
          "declares "
              + count
              + " elements of "
              + bytes
              + " bytes for storage '"
              + key
              + "' but the record has "
              + Math.max(0, stored)
              + " bytes");
    }
    return new Storage(key, typeName, count);
  }

  private Tensor tensor(List<Object> items, boolean quantized) {
    Storage storage = argument(items, 0, Storage.class);
    long offset = argument(items, 1, Long.class);
    List<Long> shape = longs(argument(items, 2, Tuple.class));
    List<Long> strides = longs(argument(items, 3, Tuple.class));
    int next = 4;
    boolean quantizedType = storage.typeName().startsWith("Q");
    if (quantized) {
      quantization(argument(items, next++, Tuple.class).items());
    }
    boolean trained = argument(items, next++, Boolean.class);
    if (quantized != quantizedType
        || items.size() < next + 1
        || items.size() > next + 2
        || items.get(next) != None.NONE
        || shape.size() != strides.size()
        || shape.size() > MAX_DIMENSIONS) {
      throw malformed("has a tensor of an unknown kind");
    }
    try {
      long elements = 1;
      long last = offset;
      for (int i = 0; i < shape.size(); i++) {
        long dimension = shape.get(i);
        if (dimension < 0 || strides.get(i) < 0) {
          throw malformed("has a tensor of a negative dimension or stride");
        }
        elements = Math.multiplyExact(elements, dimension);
        last = Math.addExact(last, Math.multiplyExact(Math.max(0, dimension - 1), strides.get(i)));
      }
      if (offset < 0
          || (elements == 0 ? offset > storage.count() : last >= storage.count())
          || elements > Math.max(MAX_REPEATED, storage.count())) {
        throw outside(storage);
      }
    } catch (ArithmeticException e) {
      throw outside(storage);
    }
    return new Tensor(storage, offset, List.copyOf(shape), List.copyOf(strides), trained);
  }

  private DistillationException outside(Storage storage) {
    return malformed(
        "has a tensor that reaches outside of storage '"
            + storage.key()
            + "' of "
            + storage.count()
            + " elements");
  }

  private void quantization(List<Object> items) {
    Global scheme = argument(items, 0, Global.class);
    if (!scheme.module().equals("torch") || !QUANTIZATIONS.contains(scheme.name())) {
      throw malformed("has a tensor of an unknown quantisation");
    }
    if (scheme.name().equals("per_tensor_affine")) {
      argument(items, 1, Double.class);
      argument(items, 2, Long.class);
    } else {
      argument(items, 1, Tensor.class);
      argument(items, 2, Tensor.class);
      argument(items, 3, Long.class);
    }
  }

  private List<Long> longs(Tuple tuple) {
    List<Long> values = new ArrayList<>();
    for (int i = 0; i < tuple.items().size(); i++) {
      values.add(argument(tuple.items(), i, Long.class));
    }
    return values;
  }

  private <T> T argument(List<Object> items, int index, Class<T> type) {
    if (index >= items.size() || !type.isInstance(items.get(index))) {
      throw malformed("lacks a " + type.getSimpleName() + " where one must be");
    }
    return type.cast(items.get(index));
  }

  // ---- stack, memo and bytes ----------------------------------------------------------------

  private void remember(int index) {
    // ids are given one after the other; a far one would make libtorch allocate up to there
    if (index < 0 || index > memo.size() || stack.isEmpty()) {
      throw malformed("remembers a value under an id that is out of order");
    }
    Object value = stack.get(stack.size() - 1);
    if (value == Mark.MARK) {
      throw malformed("remembers something that is no value");
    }
    if (index == memo.size()) {
      memo.add(value);
    } else {
      memo.set(index, value);
    }
  }

  private void recall(int index) {
    if (index < 0 || index >= memo.size()) {
      throw malformed("recalls a value that it did not remember");
    }
    stack.add(memo.get(index));
  }

  private List<Object> sinceMark() {
    int mark = stack.lastIndexOf(Mark.MARK);
    if (mark < 0) {
      throw malformed("ends something that did not start");
    }
    List<Object> items = take(mark + 1);
    stack.remove(mark);
    return items;
  }

  private List<Object> last(int count) {
    int start = stack.size() - count;
    if (start < 0 || stack.subList(start, stack.size()).contains(Mark.MARK)) {
      throw malformed("takes more values than it has");
    }
    return take(start);
  }

  private List<Object> take(int start) {
    List<Object> rest = stack.subList(start, stack.size());
    List<Object> items = new ArrayList<>(rest);
    rest.clear();
    return items;
  }

  private Object pop() {
    if (stack.isEmpty() || stack.get(stack.size() - 1) == Mark.MARK) {
      throw malformed("takes more values than it has");
    }
    return stack.remove(stack.size() - 1);
  }

  private <T> T pop(Class<T> type, String what) {
    Object top = pop();
    if (!type.isInstance(top)) {
      throw malformed("has something else where " + what + " must be");
    }
    return type.cast(top);
  }

  private String line() {
    int start = pickle.position();
    while (unsignedByte() != '\n') {
      // to the end of the line
    }
    return new String(pickle.array(), start, pickle.position() - 1 - start, StandardCharsets.UTF_8);
  }

  private String text() {
    int length = need(Integer.BYTES).getInt();
    if (length < 0) {
      throw malformed("has a text of " + Integer.toUnsignedString(length) + " bytes");
    }
    need(length);
    byte[] content = new byte[length];
    pickle.get(content);
    return new String(content, StandardCharsets.UTF_8);
  }

  private int unsignedByte() {
    return need(1).get() & 0xff;
  }

  private ByteBuffer need(int bytes) {
    if (pickle.remaining() < bytes) {
      throw malformed("is cut off: " + bytes + " bytes more were expected");
    }
    return pickle;
  }

  private DistillationException malformed(String detail) {
    return new DistillationException(entry + " " + detail);
  }
}
