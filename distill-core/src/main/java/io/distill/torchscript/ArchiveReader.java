package io.distill.torchscript;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.common.base.Splitter;
import com.google.common.collect.Iterables;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.jspecify.annotations.Nullable;

/**
 * Reads archives that {@link ArchiveWriter} made. The pickle machine knows only the instructions
 * that the writer uses and constructs only tensors and modules: nothing in a file can run code.
 */
final class ArchiveReader {

  private static final long MAX_TEXT_BYTES = 64L << 20;
  private static final int MAX_DEPTH = 64;

  private final ZipFile zip;
  private final Map<String, ClassSource> classes;
  private final ByteBuffer pickle;
  private final Deque<Object> stack = new ArrayDeque<>();

  private ArchiveReader(ZipFile zip) throws IOException {
    this.zip = zip;
    this.classes = ClassSource.parse(text(require(ArchiveWriter.FOLDER + "code/__torch__.py")));
    this.pickle =
        ByteBuffer.wrap(bytes(require(ArchiveWriter.FOLDER + "data.pkl"), MAX_TEXT_BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
  }

  static TorchScriptArchive read(Path file) {
    return read(file, reader -> new TorchScriptArchive(reader.module(), reader.extras()));
  }

  /** Reads the texts that stand beside the module, and no tensor. */
  static Map<String, String> readExtras(Path file) {
    return read(file, ArchiveReader::extras);
  }

  /** Reads a part of an archive. */
  private interface Part<T> {
    T of(ArchiveReader reader) throws IOException;
  }

  private static <T> T read(Path file, Part<T> part) {
    if (!Files.isRegularFile(file)) {
      throw new DistillationException(
          "TorchScript file must exist but " + file + " does not; check the path");
    }
    try (ZipFile zip = new ZipFile(file.toFile(), StandardCharsets.UTF_8)) {
      return part.of(new ArchiveReader(zip));
    } catch (IOException | RuntimeException | StackOverflowError e) {
      throw new DistillationException(
          "TorchScript file "
              + file
              + " must be an undamaged archive written by this library but could not be read ("
              + e.getMessage()
              + "); if it comes from PyTorch, load it with torchScript(...) instead; otherwise save"
              + " it again",
          e);
    }
  }

  // ---- zip ----------------------------------------------------------------------------------

  private ZipEntry require(String name) {
    ZipEntry entry = zip.getEntry(name);
    if (entry == null) {
      throw malformed("entry " + name + " is missing");
    }
    return entry;
  }

  private byte[] bytes(ZipEntry entry, long limit) throws IOException {
    // Stored entries cannot expand, so a small file cannot demand much memory.
    if (entry.getMethod() != ZipEntry.STORED || entry.getSize() > limit) {
      throw malformed(
          "entry " + entry.getName() + " must be stored and at most " + limit + " bytes");
    }
    try (InputStream in = zip.getInputStream(entry)) {
      byte[] content = in.readAllBytes();
      CRC32 checksum = new CRC32();
      checksum.update(content);
      if (content.length != entry.getSize() || checksum.getValue() != entry.getCrc()) {
        throw malformed("entry " + entry.getName() + " is damaged (checksum)");
      }
      return content;
    }
  }

  private String text(ZipEntry entry) throws IOException {
    return new String(bytes(entry, MAX_TEXT_BYTES), StandardCharsets.UTF_8);
  }

  private Map<String, String> extras() throws IOException {
    String prefix = ArchiveWriter.FOLDER + "extra/";
    Map<String, String> extras = new LinkedHashMap<>();
    for (ZipEntry entry : Collections.list(zip.entries())) {
      if (entry.getName().startsWith(prefix)) {
        extras.put(entry.getName().substring(prefix.length()), text(entry));
      }
    }
    return extras;
  }

  // ---- pickle -------------------------------------------------------------------------------

  private enum Mark {
    MARK
  }

  private record Global(String module, String name) {}

  private record Storage(HostTensor elements) {}

  private record ModuleObject(String typeName, Map<String, Object> state) {}

  private ScriptModule module() throws IOException {
    while (true) {
      int instruction = pickle.get() & 0xff;
      switch (instruction) {
        case 0x80 -> pickle.get();
        case 'c' -> stack.push(new Global(line(), line()));
        case ')' -> stack.push(List.of());
        case '(' -> stack.push(Mark.MARK);
        case '}' -> stack.push(new LinkedHashMap<String, Object>());
        case 'X' -> stack.push(string());
        case 'K' -> stack.push((long) (pickle.get() & 0xff));
        case 'J' -> stack.push((long) pickle.getInt());
        case 0x8a -> {
          if (pickle.get() != 8) {
            throw malformed("unknown integer width");
          }
          stack.push(pickle.getLong());
        }
        case 'G' ->
            stack.push(
                ByteBuffer.allocate(8).putLong(Long.reverseBytes(pickle.getLong())).getDouble(0));
        case 0x88 -> stack.push(true);
        case 0x89 -> stack.push(false);
        case 't' -> stack.push(sinceMark());
        case 'Q' -> stack.push(storage(pop(List.class)));
        case 'R' -> reduce();
        case 0x81 -> {
          pop(List.class);
          stack.push(new ModuleObject(moduleName(pop(Global.class)), new LinkedHashMap<>()));
        }
        case 'u' -> {
          List<Object> items = sinceMark();
          @SuppressWarnings("unchecked")
          Map<String, Object> state = (Map<String, Object>) pop(Map.class);
          for (int i = 0; i + 1 < items.size(); i += 2) {
            state.put((String) items.get(i), items.get(i + 1));
          }
          stack.push(state);
        }
        case 'b' -> {
          @SuppressWarnings("unchecked")
          Map<String, Object> state = (Map<String, Object>) pop(Map.class);
          ModuleObject object = pop(ModuleObject.class);
          stack.push(new ModuleObject(object.typeName(), state));
        }
        case '.' -> {
          return script(pop(ModuleObject.class), 0);
        }
        default -> throw malformed("unknown pickle instruction " + instruction);
      }
    }
  }

  private ScriptModule script(ModuleObject object, int depth) {
    ClassSource source = classes.get(object.typeName());
    if (source == null || depth > MAX_DEPTH) {
      throw malformed("class " + object.typeName() + " has no source, or is nested too deeply");
    }
    ScriptModule.Builder builder = ScriptModule.builder(object.typeName());
    object
        .state()
        .forEach(
            (name, value) -> {
              if (name.equals("training")) {
                return;
              }
              if (value instanceof HostTensor tensor) {
                if (source.parameters().contains(name)) {
                  builder.parameter(name, tensor);
                } else {
                  builder.buffer(name, tensor);
                }
              } else if (value instanceof ModuleObject child) {
                builder.module(name, script(child, depth + 1));
              } else if (value instanceof Long number) {
                builder.constant(name, number.longValue());
              } else if (value instanceof Double number) {
                builder.constant(name, number.doubleValue());
              } else if (value instanceof Boolean flag) {
                builder.constant(name, flag.booleanValue());
              } else {
                throw malformed("attribute " + name + " has an unknown kind of value");
              }
            });
    source.methods().forEach(builder::method);
    return builder.build();
  }

  private void reduce() {
    List<?> arguments = pop(List.class);
    Global callee = pop(Global.class);
    switch (callee.name()) {
      case "OrderedDict" -> stack.push(new LinkedHashMap<String, Object>());
      case "_rebuild_tensor_v2" -> stack.push(tensor(arguments));
      default -> throw malformed("function " + callee + " is not allowed");
    }
  }

  private static HostTensor tensor(List<?> arguments) {
    HostTensor elements = ((Storage) arguments.get(0)).elements();
    long[] shape = ((List<?>) arguments.get(2)).stream().mapToLong(d -> (Long) d).toArray();
    return HostTensor.of(elements.type(), new Shape(shape), elements.bytes());
  }

  private Storage storage(List<?> id) throws IOException {
    DataType type = StorageTypes.type(((Global) id.get(1)).name());
    if (type == null) {
      throw malformed("storage type " + id.get(1) + " is unknown");
    }
    ZipEntry entry = require(ArchiveWriter.FOLDER + "data/" + id.get(2));
    byte[] content = bytes(entry, Integer.MAX_VALUE - 64L);
    long count = (Long) id.get(4);
    return new Storage(HostTensor.of(type, new Shape(count), ByteBuffer.wrap(content)));
  }

  private static String moduleName(Global global) {
    if (!global.module().equals("__torch__")) {
      throw malformed("class " + global.module() + "." + global.name() + " is not allowed");
    }
    return global.name();
  }

  private String line() {
    StringBuilder text = new StringBuilder();
    for (byte next = pickle.get(); next != '\n'; next = pickle.get()) {
      text.append((char) next);
    }
    return text.toString();
  }

  private String string() {
    int length = pickle.getInt();
    if (length < 0 || length > pickle.remaining()) {
      throw malformed("text of " + length + " bytes is longer than the file");
    }
    byte[] content = new byte[length];
    pickle.get(content);
    return new String(content, StandardCharsets.UTF_8);
  }

  private List<Object> sinceMark() {
    List<Object> items = new ArrayList<>();
    for (Object item = stack.pop(); item != Mark.MARK; item = stack.pop()) {
      items.add(item);
    }
    Collections.reverse(items);
    return items;
  }

  private <T> T pop(Class<T> type) {
    Object top = stack.pop();
    if (!type.isInstance(top)) {
      throw malformed("a " + type.getSimpleName() + " was expected");
    }
    return type.cast(top);
  }

  private static DistillationException malformed(String detail) {
    return new DistillationException(detail);
  }

  /**
   * The parts of a class that only the source tells: which tensors are trained, and the methods.
   */
  private record ClassSource(Set<String> parameters, List<String> methods) {

    private static final Pattern CLASS = Pattern.compile("(?m)^class (\\w+)\\(Module\\):\\n");
    private static final Pattern METHOD = Pattern.compile("(?m)^  (?=def \\w+\\()");
    private static final Pattern QUOTED = Pattern.compile("\"(\\w+)\"");
    private static final Pattern PARAMETERS = Pattern.compile("__parameters__ = \\[(.*)]\\n");

    static Map<String, ClassSource> parse(String source) {
      Map<String, ClassSource> classes = new HashMap<>();
      Matcher header = CLASS.matcher(source);
      @Nullable String name = null;
      int start = 0;
      while (header.find()) {
        if (name != null) {
          classes.put(name, parseClass(name, source.substring(start, header.start())));
        }
        name = header.group(1);
        start = header.end();
      }
      if (name != null) {
        classes.put(name, parseClass(name, source.substring(start)));
      }
      return classes;
    }

    private static ClassSource parseClass(String name, String body) {
      Set<String> parameters = new HashSet<>();
      Matcher list = PARAMETERS.matcher(body);
      if (list.find()) {
        Matcher quoted = QUOTED.matcher(list.group(1));
        while (quoted.find()) {
          parameters.add(quoted.group(1));
        }
      }
      List<String> methods = new ArrayList<>();
      for (String part : Iterables.skip(Splitter.on(METHOD).split(body), 1)) {
        String method = part.replace("\n  ", "\n").strip();
        methods.add(method.replaceFirst("\\(self: __torch__\\." + name, "(self"));
      }
      return new ClassSource(parameters, methods);
    }
  }
}
