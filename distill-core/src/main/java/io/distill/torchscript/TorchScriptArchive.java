package io.distill.torchscript;

import static java.util.Objects.requireNonNull;

import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A TorchScript file ({@code .pt}): a module and named texts beside it.
 *
 * <p>The file is a zip of uncompressed entries: {@code data.pkl} (the objects), {@code data/N} (the
 * tensors), {@code code/__torch__.py} (the source, which reads like the PyTorch code it stands for)
 * and {@code extra/*} (the texts). Any libtorch loads it. Equal contents give equal bytes.
 *
 * <p>{@link #read} understands the archives that {@link #write} makes, and runs no code from them.
 *
 * @param module the module
 * @param extras texts by name, such as a configuration
 */
public record TorchScriptArchive(ScriptModule module, Map<String, String> extras) {

  /**
   * Copies the map.
   *
   * @param module the module
   * @param extras texts by name, such as a configuration
   */
  public TorchScriptArchive {
    requireNonNull(module, "module");
    extras = Collections.unmodifiableMap(new LinkedHashMap<>(extras));
  }

  /**
   * Creates an archive without extra texts.
   *
   * @param module the module
   */
  public TorchScriptArchive(ScriptModule module) {
    this(module, Map.of());
  }

  /**
   * Writes the archive, whole or not at all.
   *
   * @param file the file to create or replace
   * @throws DistillationException if it cannot be written; an older file is then left as it was
   */
  public void write(Path file) {
    AtomicFiles.write(file, this::writeTo);
  }

  /**
   * Writes the archive to a stream.
   *
   * @param out the stream; left open
   * @throws IOException if writing fails
   */
  public void writeTo(OutputStream out) throws IOException {
    new ArchiveWriter(this).writeTo(out);
  }

  /**
   * Reads an archive that was written by this class.
   *
   * @param file the file
   * @return its module and extra texts
   * @throws DistillationException if the file is missing, damaged, or of another origin
   */
  public static TorchScriptArchive read(Path file) {
    return ArchiveReader.read(file);
  }

  /**
   * Reads the texts of an archive that stand beside the module, and no tensor.
   *
   * @param file the file
   * @return texts by name
   * @throws DistillationException if the file is missing, damaged, or of another origin
   */
  public static Map<String, String> readExtras(Path file) {
    return ArchiveReader.readExtras(file);
  }
}
