package io.distill.huggingface;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.common.collect.ImmutableBiMap;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.StrictJson;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.Channels;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A safetensors file: tensors by name, in a format that holds data and nothing else.
 *
 * <p>The file is a little-endian length, a JSON header of that many bytes, and the elements.
 * Opening it reads and checks the header alone; a tensor is mapped into memory when it is asked
 * for, so a file is never in memory twice. Immutable and thread-safe; a thread that is interrupted
 * reads as any other.
 *
 * @see <a href="https://huggingface.co/docs/safetensors">The format</a>
 */
public final class SafeTensors {

  private static final int MAX_HEADER_BYTES = 100_000_000;
  private static final int ALIGNMENT = 8;
  private static final String METADATA = "__metadata__";

  private static final ImmutableBiMap<String, DataType> TYPES =
      ImmutableBiMap.<String, DataType>builder()
          .put("F64", DataType.FLOAT64)
          .put("F32", DataType.FLOAT32)
          .put("F16", DataType.FLOAT16)
          .put("BF16", DataType.BFLOAT16)
          .put("I64", DataType.INT64)
          .put("I32", DataType.INT32)
          .put("I8", DataType.INT8)
          .put("U8", DataType.UINT8)
          .put("BOOL", DataType.BOOLEAN)
          .build();

  private final Path file;
  private final long dataStart;
  private final Map<String, Entry> entries;
  private final Map<String, String> metadata;

  private SafeTensors(
      Path file, long dataStart, Map<String, Entry> entries, Map<String, String> metadata) {
    this.file = file;
    this.dataStart = dataStart;
    this.entries = Collections.unmodifiableMap(entries);
    this.metadata = Collections.unmodifiableMap(metadata);
  }

  /**
   * What the header says of a tensor.
   *
   * @param type the element type
   * @param shape the shape
   * @param begin the first byte, counted from the end of the header
   * @param end the byte after the last one
   */
  public record Entry(DataType type, Shape shape, long begin, long end) {}

  /**
   * Reads and checks the header of a file.
   *
   * @param file the file
   * @return the tensors of the file
   * @throws DistillationException if the file cannot be read, or its header is not what the format
   *     demands: lengths beyond the file, unknown types, shapes that do not fit their bytes,
   *     tensors that overlap or leave gaps
   */
  public static SafeTensors open(Path file) {
    requireNonNull(file, "file");
    try {
      return read(file, channel -> open(file, channel));
    } catch (CharacterCodingException e) {
      throw malformed(file, "must have a header of UTF-8 text but has other bytes");
    } catch (IOException e) {
      throw new DistillationException(
          "safetensors file " + file + " must be readable but was not (" + e + "); check the path",
          e);
    }
  }

  private static SafeTensors open(Path file, FileChannel channel) throws IOException {
    long size = channel.size();
    long length = size < Long.BYTES ? -1 : read(channel, 0, Long.BYTES).getLong();
    if (length < 2 || length > MAX_HEADER_BYTES || length > size - Long.BYTES) {
      throw malformed(
          file, "must have a header of 2 to " + (size - Long.BYTES) + " bytes but says " + length);
    }
    String json =
        StandardCharsets.UTF_8
            .newDecoder()
            .decode(read(channel, Long.BYTES, (int) length))
            .toString();
    return parse(file, json, Long.BYTES + length, size);
  }

  /** Reads something of an open file. */
  private interface Reading<T> {
    T from(FileChannel channel) throws IOException;
  }

  /** Reads also in a thread that is interrupted, which closes a channel; it stays interrupted. */
  private static <T> T read(Path file, Reading<T> reading) throws IOException {
    boolean interrupted = false;
    try {
      while (true) {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
          return reading.from(channel);
        } catch (ClosedByInterruptException e) {
          // again, with the flag down
          interrupted |= Thread.interrupted();
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static ByteBuffer read(FileChannel channel, long position, int length)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, position + buffer.position()) < 0) {
        throw new IOException("file ends early");
      }
    }
    return buffer.flip();
  }

  private static SafeTensors parse(Path file, String json, long dataStart, long size) {
    Map<String, Entry> entries = new LinkedHashMap<>();
    Map<String, String> metadata = new LinkedHashMap<>();
    JsonObject header = header(file, json);
    try {
      for (Map.Entry<String, JsonElement> each : header.entrySet()) {
        JsonObject value = each.getValue().getAsJsonObject();
        if (each.getKey().equals(METADATA)) {
          value.entrySet().forEach(pair -> metadata.put(pair.getKey(), string(pair.getValue())));
        } else {
          entries.put(each.getKey(), entry(file, each.getKey(), value));
        }
      }
    } catch (JsonParseException
        | IllegalStateException
        | UnsupportedOperationException
        | ClassCastException
        | NullPointerException
        | NumberFormatException e) {
      throw malformed(
          file,
          "must have a header that gives dtype, shape and data_offsets of each tensor but has not ("
              + e.getMessage()
              + ")");
    }
    requireGapless(file, entries, size - dataStart);
    return new SafeTensors(file, dataStart, entries, metadata);
  }

  private static JsonObject header(Path file, String json) {
    try {
      return StrictJson.object(json, "it", MAX_HEADER_BYTES);
    } catch (DistillationException e) {
      throw malformed(
          file,
          "must have a header that gives dtype, shape and data_offsets of each tensor but has not ("
              + e.getMessage()
              + ")");
    }
  }

  private static String string(JsonElement element) {
    JsonPrimitive primitive = element.getAsJsonPrimitive();
    if (!primitive.isString()) {
      throw new IllegalStateException("metadata must be strings but has " + primitive);
    }
    return primitive.getAsString();
  }

  private static Entry entry(Path file, String name, JsonObject json) {
    DataType type = TYPES.get(json.get("dtype").getAsString());
    if (type == null) {
      throw malformed(
          file,
          "must have tensors of types "
              + TYPES.keySet()
              + " but '"
              + name
              + "' is of "
              + json.get("dtype"));
    }
    long[] shape = longs(json.getAsJsonArray("shape"));
    long[] offsets = longs(json.getAsJsonArray("data_offsets"));
    if (offsets.length != 2) {
      throw malformed(file, "must have two data_offsets for '" + name + "'");
    }
    long bytes = type.getNumOfBytes();
    try {
      for (long dimension : shape) {
        if (dimension < 0) {
          throw malformed(
              file, "must have sizes of at least 0 but '" + name + "' has " + dimension);
        }
        bytes = Math.multiplyExact(bytes, dimension);
      }
    } catch (ArithmeticException e) {
      throw malformed(file, "must have tensors that fit a file but '" + name + "' is too large");
    }
    if (offsets[0] < 0 || offsets[1] < offsets[0] || offsets[1] - offsets[0] != bytes) {
      throw malformed(
          file,
          "must have "
              + bytes
              + " bytes for '"
              + name
              + "' but its data_offsets are "
              + offsets[0]
              + " and "
              + offsets[1]);
    }
    return new Entry(type, new Shape(shape), offsets[0], offsets[1]);
  }

  private static long[] longs(JsonArray array) {
    long[] values = new long[array.size()];
    for (int i = 0; i < values.length; i++) {
      // not getAsLong alone, which would cut off a fraction
      values[i] = Long.parseLong(array.get(i).getAsString());
    }
    return values;
  }

  private static void requireGapless(Path file, Map<String, Entry> entries, long bytes) {
    long end = 0;
    List<Map.Entry<String, Entry>> sorted =
        entries.entrySet().stream()
            .sorted(
                Comparator.comparingLong((Map.Entry<String, Entry> each) -> each.getValue().begin())
                    .thenComparingLong(each -> each.getValue().end()))
            .toList();
    for (Map.Entry<String, Entry> each : sorted) {
      if (each.getValue().begin() != end) {
        throw malformed(
            file,
            "must have tensors one after the other but '"
                + each.getKey()
                + "' begins at byte "
                + each.getValue().begin()
                + " and not at "
                + end);
      }
      end = each.getValue().end();
    }
    if (end != bytes) {
      throw malformed(
          file, "must have " + end + " bytes after its header but has " + bytes + " (cut off?)");
    }
  }

  private static DistillationException malformed(Path file, String what) {
    return new DistillationException(
        "safetensors file " + file + " " + what + "; write or fetch the file again");
  }

  /**
   * Returns the file.
   *
   * @return the path it was opened by
   */
  public Path file() {
    return file;
  }

  /**
   * Returns what the header says.
   *
   * @return an entry for each tensor, in the order of the header
   */
  public Map<String, Entry> entries() {
    return entries;
  }

  /**
   * Returns what the file says of itself.
   *
   * @return the text map in the header; empty if there is none
   */
  public Map<String, String> metadata() {
    return metadata;
  }

  /**
   * Maps a tensor into memory.
   *
   * @param name its name
   * @return the tensor; its elements are read from the file as they are needed
   * @throws DistillationException if there is no such tensor, or the file cannot be read
   */
  public HostTensor tensor(String name) {
    Entry entry = entries.get(requireNonNull(name, "name"));
    if (entry == null) {
      throw malformed(file, "must have a tensor '" + name + "' but has " + entries.keySet());
    }
    try {
      return read(
          file,
          channel ->
              HostTensor.mapped(entry.type(), entry.shape(), channel, dataStart + entry.begin()));
    } catch (IOException e) {
      throw new DistillationException(
          "safetensors file "
              + file
              + " must stay readable but was not for tensor '"
              + name
              + "' ("
              + e.getMessage()
              + "); fetch the file again",
          e);
    }
  }

  /**
   * Reads all tensors.
   *
   * @return the tensors by name, in the order of the header
   * @throws DistillationException as {@link #tensor}
   */
  public Map<String, HostTensor> tensors() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    entries.keySet().forEach(name -> tensors.put(name, tensor(name)));
    return tensors;
  }

  /**
   * Writes tensors, whole or not at all.
   *
   * @param file the file
   * @param tensors the tensors by name
   * @param metadata what the file shall say of itself
   * @throws DistillationException if the file cannot be written
   * @throws IllegalArgumentException if an element type has no name in the format
   */
  public static void write(
      Path file, Map<String, HostTensor> tensors, Map<String, String> metadata) {
    byte[] header = header(tensors, metadata);
    AtomicFiles.write(
        file,
        out -> {
          ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
          out.write(length.putLong(header.length).array());
          out.write(header);
          write(out, tensors);
        });
  }

  private static void write(OutputStream out, Map<String, HostTensor> tensors) throws IOException {
    WritableByteChannel channel = Channels.newChannel(out);
    for (HostTensor tensor : tensors.values()) {
      for (ByteBuffer chunk : tensor.chunks()) {
        while (chunk.hasRemaining()) {
          channel.write(chunk);
        }
      }
    }
  }

  private static byte[] header(Map<String, HostTensor> tensors, Map<String, String> metadata) {
    JsonObject header = new JsonObject();
    if (!metadata.isEmpty()) {
      JsonObject texts = new JsonObject();
      metadata.forEach(texts::addProperty);
      header.add(METADATA, texts);
    }
    long offset = 0;
    for (Map.Entry<String, HostTensor> each : tensors.entrySet()) {
      HostTensor tensor = each.getValue();
      String type = TYPES.inverse().get(tensor.type());
      if (type == null) {
        throw new IllegalArgumentException(
            "tensor '" + each.getKey() + "' must be of " + TYPES.values() + " but is " + tensor);
      }
      JsonObject entry = new JsonObject();
      entry.addProperty("dtype", type);
      JsonArray shape = new JsonArray();
      for (long dimension : tensor.shape().getShape()) {
        shape.add(dimension);
      }
      entry.add("shape", shape);
      JsonArray offsets = new JsonArray();
      offsets.add(offset);
      offset += tensor.byteCount();
      offsets.add(offset);
      entry.add("data_offsets", offsets);
      header.add(each.getKey(), entry);
    }
    String json = header.toString();
    int length = json.getBytes(StandardCharsets.UTF_8).length;
    // elements shall begin at a multiple of 8 for those who map them
    int padding = (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT;
    return (json + " ".repeat(padding)).getBytes(StandardCharsets.UTF_8);
  }

  @Override
  public String toString() {
    return "SafeTensors[" + entries.size() + " tensors, " + file.getFileName() + "]";
  }
}
