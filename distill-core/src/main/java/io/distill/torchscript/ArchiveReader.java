package io.distill.torchscript;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.common.base.Splitter;
import com.google.common.collect.Iterables;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads archives that {@link ArchiveWriter} made. Only tensors and modules are constructed, and the
 * source is taken as text: nothing in a file can run code.
 */
final class ArchiveReader {

  private static final long MAX_PICKLE_BYTES = 16L << 20;
  private static final long MAX_SOURCE_BYTES = 8L << 20;
  private static final long MAX_EXTRA_BYTES = 64L << 20;
  private static final long MAX_STORAGE_BYTES = Integer.MAX_VALUE - 64L;
  private static final int MAX_DEPTH = 64;

  private final ZipDirectory zip;
  private final Map<String, ClassSource> classes;
  private final Map<String, HostTensor> storages = new HashMap<>();

  private ArchiveReader(ZipDirectory zip) throws IOException {
    this.zip = zip;
    requireVersion();
    this.classes =
        ClassSource.parse(
            text(require(ArchiveWriter.FOLDER + "code/__torch__.py"), MAX_SOURCE_BYTES));
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
    try (ZipDirectory zip = ZipDirectory.open(file)) {
      return part.of(new ArchiveReader(zip));
    } catch (IOException | RuntimeException e) {
      throw new DistillationException(
          "TorchScript file "
              + file
              + " must be an undamaged archive written by this library but could not be read ("
              + e.getMessage()
              + "); if it comes from PyTorch, load it with trustedTorchScript(...) instead; otherwise save"
              + " it again",
          e);
    }
  }

  // ---- zip ----------------------------------------------------------------------------------

  private ZipDirectory.Entry require(String name) {
    ZipDirectory.Entry entry = zip.find(name);
    if (entry == null) {
      throw malformed("entry " + name + " is missing");
    }
    if (!entry.stored()) {
      throw malformed("entry " + name + " must be stored but is compressed");
    }
    return entry;
  }

  private String text(ZipDirectory.Entry entry, long limit) throws IOException {
    byte[] bytes = zip.bytes(entry, limit);
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    } catch (CharacterCodingException e) {
      throw malformed("entry " + entry.name() + " must be UTF-8 text but is not");
    }
  }

  private void requireVersion() throws IOException {
    String name = ArchiveWriter.FOLDER + "version";
    String version = text(require(name), MAX_SOURCE_BYTES);
    if (!version.equals(ArchiveWriter.FORMAT_VERSION)) {
      throw malformed(
          "entry "
              + name
              + " must be "
              + ArchiveWriter.FORMAT_VERSION.strip()
              + " but is another, as of a newer version of this library");
    }
  }

  private Map<String, String> extras() throws IOException {
    String prefix = ArchiveWriter.FOLDER + "extra/";
    Map<String, String> extras = new LinkedHashMap<>();
    for (ZipDirectory.Entry entry : zip.entries()) {
      if (entry.name().startsWith(prefix)) {
        extras.put(
            entry.name().substring(prefix.length()), text(require(entry.name()), MAX_EXTRA_BYTES));
      }
    }
    return extras;
  }

  // ---- objects ------------------------------------------------------------------------------

  private ScriptModule module() throws IOException {
    String name = ArchiveWriter.FOLDER + "data.pkl";
    Object root =
        new PickleReader(
                "entry " + name,
                zip.bytes(require(name), MAX_PICKLE_BYTES),
                key -> {
                  ZipDirectory.Entry record = zip.find(ArchiveWriter.FOLDER + "data/" + key);
                  return record == null ? -1 : record.size();
                })
            .read();
    if (root instanceof PickleReader.Instance instance) {
      return script(instance, 0);
    }
    throw malformed("entry " + name + " must hold a module but holds something else");
  }

  private ScriptModule script(PickleReader.Instance object, int depth) throws IOException {
    String typeName = object.type().name();
    ClassSource source = classes.get(typeName);
    if (source == null || !object.type().module().equals("__torch__") || depth > MAX_DEPTH) {
      throw malformed(
          "class " + object.type() + " has no source in the archive, or is nested too deeply");
    }
    ScriptModule.Builder builder = ScriptModule.builder(typeName);
    for (Map.Entry<?, ?> attribute : object.attributes().entrySet()) {
      if (!(attribute.getKey() instanceof String name)) {
        throw malformed("class " + object.type() + " has an attribute without a name");
      }
      Object value = attribute.getValue();
      if (name.equals("training")) {
        continue;
      }
      if (value instanceof PickleReader.Tensor tensor) {
        if (source.parameters().contains(name)) {
          builder.parameter(name, tensor(name, tensor));
        } else {
          builder.buffer(name, tensor(name, tensor));
        }
      } else if (value instanceof PickleReader.Instance child) {
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
    }
    source.methods().forEach(builder::method);
    return builder.build();
  }

  private HostTensor tensor(String name, PickleReader.Tensor tensor) throws IOException {
    DataType type = StorageTypes.type(tensor.storage().typeName());
    if (type == null || !tensor.isWhole()) {
      throw malformed(
          "tensor "
              + name
              + " must be the whole of a storage of a known type but is a part, or of type "
              + tensor.storage().typeName());
    }
    String key = tensor.storage().key() + " " + tensor.storage().typeName();
    HostTensor elements = storages.get(key);
    if (elements == null) {
      long count = tensor.storage().count();
      // an empty storage needs no entry
      byte[] content =
          count == 0
              ? new byte[0]
              : zip.bytes(
                  require(ArchiveWriter.FOLDER + "data/" + tensor.storage().key()),
                  MAX_STORAGE_BYTES);
      elements = HostTensor.of(type, new Shape(count), ByteBuffer.wrap(content));
      // read once, however often the pickle names it: memory is bounded by the file
      storages.put(key, elements);
    }
    return HostTensor.of(type, new Shape(tensor.shape()), elements.bytes());
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
    private static final Pattern PARAMETERS =
        Pattern.compile("(?m)^  __parameters__ = \\[([^\\]\\n]*)]$");

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
