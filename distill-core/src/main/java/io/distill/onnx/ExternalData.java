package io.distill.onnx;

import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import io.distill.exception.DistillationException;
import java.io.EOFException;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Tensors that a model keeps in files beside it. */
final class ExternalData {

  /** What an array of bytes holds. */
  private static final int LARGEST = Integer.MAX_VALUE - 8;

  private final Optional<Path> directory;
  private final Map<Path, Long> sizes = new HashMap<>();

  /**
   * Creates a reader.
   *
   * @param directory the only directory that may be read, or empty if the model is not a file
   */
  ExternalData(Optional<Path> directory) {
    this.directory = directory;
  }

  /** Returns the bytes of all files that these tensors are kept in. */
  long bytes(Iterable<TensorProto> tensors, String model) {
    for (TensorProto tensor : tensors) {
      if (directory.isPresent() && tensor.getDataLocation() == TensorProto.DataLocation.EXTERNAL) {
        String subject = TensorData.subject(tensor.getName(), tensor, model);
        Path file = resolve(directory.get(), entries(tensor).getOrDefault("location", ""), subject);
        sizes.computeIfAbsent(file, ExternalData::size);
      }
    }
    return sizes.values().stream().mapToLong(Long::longValue).sum();
  }

  private static long size(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      // told when the tensor is read
      return 0;
    }
  }

  private static Map<String, String> entries(TensorProto tensor) {
    Map<String, String> entries = new HashMap<>();
    for (StringStringEntryProto entry : tensor.getExternalDataList()) {
      entries.put(entry.getKey(), entry.getValue());
    }
    return entries;
  }

  /** Reads the bytes of one tensor; allocates only what the file really has. */
  ByteBuffer read(TensorProto tensor, long bytes, String subject) {
    Map<String, String> entries = entries(tensor);
    String location = entries.getOrDefault("location", "");
    if (directory.isEmpty()) {
      throw new DistillationException(
          subject
              + " must be inside the model but is kept in the file '"
              + location
              + "'; read the model by its path, with that file beside it");
    }
    Path file = resolve(directory.get(), location, subject);
    long offset = number(entries.getOrDefault("offset", "0"), "offset", subject);
    long length = number(entries.getOrDefault("length", Long.toString(bytes)), "length", subject);
    if (length != bytes) {
      throw new DistillationException(
          subject
              + " must have "
              + bytes
              + " bytes of external data but declares "
              + length
              + "; export the model again");
    }
    if (length > LARGEST) {
      throw new DistillationException(
          subject
              + " must have at most "
              + LARGEST
              + " bytes but has "
              + length
              + "; use the model's Hugging Face checkpoint instead");
    }
    // not by a channel, which an interrupt closes
    try (InputStream in = new FileInputStream(file.toFile())) {
      long size = Files.size(file);
      if (offset > size - length) {
        throw new DistillationException(
            subject
                + " must have "
                + length
                + " bytes at offset "
                + offset
                + " of '"
                + location
                + "' but the file has "
                + size
                + " bytes; copy or export the model again");
      }
      in.skipNBytes(offset);
      byte[] content = in.readNBytes(Math.toIntExact(length));
      if (content.length < length) {
        throw new EOFException("the file became shorter");
      }
      return ByteBuffer.wrap(content);
    } catch (IOException e) {
      throw new DistillationException(
          subject
              + " must be readable from '"
              + location
              + "' but reading failed: "
              + e.getMessage()
              + "; check the file and its permissions",
          e);
    }
  }

  private static Path resolve(Path directory, String location, String subject) {
    Path root = directory.normalize();
    try {
      Path file = root.resolve(location).normalize();
      // the lexical test answers for files that do not exist, the real one for symbolic links
      if (location.isEmpty()
          || Path.of(location).isAbsolute()
          || !file.startsWith(root)
          || (Files.exists(file) && !file.toRealPath().startsWith(root.toRealPath()))) {
        throw new DistillationException(
            subject
                + " must be kept in the directory of the model but its location is '"
                + location
                + "'; put the file beside the model and export again");
      }
      if (!Files.isRegularFile(file)) {
        throw new DistillationException(
            subject
                + " is kept in the file '"
                + location
                + "', which must stand beside the model but was not found; copy it there");
      }
      return file;
    } catch (InvalidPathException | IOException e) {
      throw new DistillationException(
          subject
              + " must name a file as its location but names '"
              + location
              + "'; export the model again",
          e);
    }
  }

  private static long number(String text, String entry, String subject) {
    try {
      long number = Long.parseLong(text);
      if (number >= 0) {
        return number;
      }
    } catch (NumberFormatException e) {
      // told below, together with negative numbers
    }
    throw new DistillationException(
        subject
            + " must give a whole number of at least 0 as external "
            + entry
            + " but gives '"
            + text
            + "'; export the model again");
  }
}
