package io.distill.torchscript;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.torchscript.ScriptModule.Attribute;
import io.distill.torchscript.ScriptModule.ConstantAttribute;
import io.distill.torchscript.ScriptModule.ModuleAttribute;
import io.distill.torchscript.ScriptModule.TensorAttribute;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes the zip, the pickle and the source of an archive. */
final class ArchiveWriter {

  static final String FOLDER = "archive/";

  /** The oldest file format version that has every operator used here in its present form. */
  static final String FORMAT_VERSION = "10\n";

  /** Zip times are fixed so that equal contents give equal bytes. */
  private static final LocalDateTime EPOCH = LocalDateTime.of(1980, 1, 1, 0, 0);

  private static final int COPY_BYTES = 1 << 16;

  private final TorchScriptArchive archive;
  private final List<HostTensor> storages = new ArrayList<>();
  private final ByteArrayOutputStream pickle = new ByteArrayOutputStream();

  ArchiveWriter(TorchScriptArchive archive) {
    this.archive = archive;
  }

  void writeTo(OutputStream out) throws IOException {
    pickle.write(0x80);
    pickle.write(2);
    object(archive.module());
    pickle.write('.');

    ZipOutputStream zip = new ZipOutputStream(out, StandardCharsets.UTF_8);
    zip.setMethod(ZipOutputStream.STORED);
    entry(zip, "data.pkl", pickle.toByteArray());
    entry(zip, "constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'});
    entry(zip, "code/__torch__.py", source(archive.module()).getBytes(StandardCharsets.UTF_8));
    for (Map.Entry<String, String> extra : archive.extras().entrySet()) {
      entry(zip, "extra/" + extra.getKey(), extra.getValue().getBytes(StandardCharsets.UTF_8));
    }
    for (int i = 0; i < storages.size(); i++) {
      HostTensor storage = storages.get(i);
      entry(zip, "data/" + i, storage.byteCount(), storage.chunks());
    }
    entry(zip, "version", FORMAT_VERSION.getBytes(StandardCharsets.UTF_8));
    zip.finish();
  }

  private static void entry(ZipOutputStream zip, String name, byte[] content) throws IOException {
    entry(zip, name, content.length, List.of(ByteBuffer.wrap(content)));
  }

  /** Writes an entry; its chunks are taken twice, for the checksum stands before them. */
  private static void entry(
      ZipOutputStream zip, String name, long size, Iterable<ByteBuffer> chunks) throws IOException {
    CRC32 checksum = new CRC32();
    for (ByteBuffer chunk : chunks) {
      checksum.update(chunk.duplicate());
    }
    ZipEntry entry = new ZipEntry(FOLDER + name);
    entry.setTimeLocal(EPOCH);
    entry.setSize(size);
    entry.setCompressedSize(size);
    entry.setCrc(checksum.getValue());
    zip.putNextEntry(entry);
    byte[] copy = new byte[(int) Math.min(COPY_BYTES, Math.max(1, size))];
    for (ByteBuffer chunk : chunks) {
      while (chunk.hasRemaining()) {
        int count = Math.min(copy.length, chunk.remaining());
        chunk.get(copy, 0, count);
        zip.write(copy, 0, count);
      }
    }
    zip.closeEntry();
  }

  // ---- pickle -------------------------------------------------------------------------------

  private void object(ScriptModule module) {
    global("__torch__", module.typeName());
    pickle.write(')');
    pickle.write(0x81); // NEWOBJ
    pickle.write('}');
    pickle.write('(');
    module
        .attributes()
        .forEach(
            (name, attribute) -> {
              string(name);
              attribute(attribute);
            });
    // whoever loads the file without asking for training must not get dropout
    string("training");
    pickle.write(0x89);
    pickle.write('u');
    pickle.write('b');
  }

  private void attribute(Attribute attribute) {
    if (attribute instanceof TensorAttribute tensor) {
      tensor(tensor.tensor(), tensor.trained());
    } else if (attribute instanceof ModuleAttribute child) {
      object(child.module());
    } else if (attribute instanceof ConstantAttribute constant) {
      Object value = constant.value();
      if (value instanceof Boolean flag) {
        pickle.write(flag ? 0x88 : 0x89);
      } else if (value instanceof Long number) {
        integer(number);
      } else {
        pickle.write('G');
        littleEndian(Long.reverseBytes(Double.doubleToRawLongBits((Double) value)), 8);
      }
    }
  }

  private void tensor(HostTensor tensor, boolean trained) {
    int key = storages.size();
    storages.add(tensor);
    Shape shape = tensor.shape();
    global("torch._utils", "_rebuild_tensor_v2");
    pickle.write('(');
    pickle.write('(');
    string("storage");
    global("torch", StorageTypes.name(tensor.type()));
    string(Integer.toString(key));
    string("cpu");
    integer(shape.size());
    pickle.write('t');
    pickle.write('Q'); // BINPERSID
    integer(0);
    longs(shape.getShape());
    longs(strides(shape.getShape()));
    pickle.write(trained && tensor.type() == DataType.FLOAT32 ? 0x88 : 0x89);
    global("collections", "OrderedDict");
    pickle.write(')');
    pickle.write('R');
    pickle.write('t');
    pickle.write('R');
  }

  private static long[] strides(long[] shape) {
    long[] strides = new long[shape.length];
    long stride = 1;
    for (int i = shape.length - 1; i >= 0; i--) {
      strides[i] = stride;
      stride *= Math.max(1, shape[i]);
    }
    return strides;
  }

  private void longs(long[] values) {
    pickle.write('(');
    for (long value : values) {
      integer(value);
    }
    pickle.write('t');
  }

  private void integer(long value) {
    if (value >= 0 && value < 256) {
      pickle.write('K');
      pickle.write((int) value);
    } else if (value == (int) value) {
      pickle.write('J');
      littleEndian(value, 4);
    } else {
      pickle.write(0x8a); // LONG1
      pickle.write(8);
      littleEndian(value, 8);
    }
  }

  private void string(String value) {
    byte[] encoded = value.getBytes(StandardCharsets.UTF_8);
    pickle.write('X');
    littleEndian(encoded.length, 4);
    pickle.writeBytes(encoded);
  }

  private void global(String module, String name) {
    pickle.write('c');
    pickle.writeBytes((module + "\n" + name + "\n").getBytes(StandardCharsets.UTF_8));
  }

  private void littleEndian(long value, int bytes) {
    for (int i = 0; i < bytes; i++) {
      pickle.write((int) (value >>> (8 * i)));
    }
  }

  // ---- source -------------------------------------------------------------------------------

  /** Returns the source of all classes, each after the classes it uses. */
  static String source(ScriptModule root) {
    Map<String, String> classes = new LinkedHashMap<>();
    addClasses(root, classes);
    return String.join("", classes.values());
  }

  private static void addClasses(ScriptModule module, Map<String, String> classes) {
    for (Attribute attribute : module.attributes().values()) {
      if (attribute instanceof ModuleAttribute child) {
        addClasses(child.module(), classes);
      }
    }
    String text = classSource(module);
    String known = classes.putIfAbsent(module.typeName(), text);
    if (known != null && !known.equals(text)) {
      throw new IllegalArgumentException(
          "modules of class "
              + module.typeName()
              + " must have the same attributes and methods but were\n"
              + known
              + "and\n"
              + text
              + "give one of them another class name");
    }
  }

  private static String classSource(ScriptModule module) {
    List<String> parameters = new ArrayList<>();
    List<String> buffers = new ArrayList<>();
    StringBuilder declarations = new StringBuilder();
    StringBuilder annotations = new StringBuilder();
    module
        .attributes()
        .forEach(
            (name, attribute) -> {
              if (attribute instanceof TensorAttribute tensor) {
                (tensor.trained() ? parameters : buffers).add('"' + name + "\", ");
              }
              String type = typeOf(attribute);
              if (Character.isDigit(name.charAt(0))) {
                annotations.append("  __annotations__[\"").append(name).append("\"] = ");
                annotations.append(type).append('\n');
              } else {
                declarations.append("  ").append(name).append(" : ").append(type).append('\n');
              }
            });
    StringBuilder source = new StringBuilder();
    source.append("class ").append(module.typeName()).append("(Module):\n");
    source.append("  __parameters__ = [").append(String.join("", parameters)).append("]\n");
    source.append("  __buffers__ = [").append(String.join("", buffers)).append("]\n");
    if (annotations.length() > 0) {
      source.append("  __annotations__ = []\n").append(annotations);
    }
    source.append(declarations).append("  training : bool\n");
    String self = "(self: __torch__." + module.typeName();
    for (String method : module.methods()) {
      source.append(("  " + method.replaceFirst("\\(self", self)).replace("\n", "\n  "));
      source.append('\n');
    }
    return source.toString();
  }

  private static String typeOf(Attribute attribute) {
    if (attribute instanceof TensorAttribute) {
      return "Tensor";
    }
    if (attribute instanceof ModuleAttribute child) {
      return "__torch__." + child.module().typeName();
    }
    Object value = ((ConstantAttribute) attribute).value();
    return value instanceof Boolean ? "bool" : value instanceof Long ? "int" : "float";
  }
}
