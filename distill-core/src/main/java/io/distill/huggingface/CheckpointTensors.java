package io.distill.huggingface;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.StrictJson;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The weights of a Hugging Face checkpoint: one {@code model.safetensors}, or several files and a
 * {@code model.safetensors.index.json} that says which tensor is in which.
 *
 * <p>Opening reads and checks headers alone. Tensors are mapped into memory, and converted to
 * float32 while they are read, so weights are never in memory twice.
 *
 * <p>Each file must be in the directory itself. A symbolic link may lead to another file of the
 * directory, or, as in the cache of the Hugging Face hub, from {@code snapshots/REVISION} to {@code
 * blobs} beside {@code snapshots}; one that leads elsewhere is refused.
 *
 * <p>Immutable and thread-safe.
 */
public final class CheckpointTensors {

  /** The name of the file of a checkpoint that is not sharded. */
  public static final String FILE_NAME = "model.safetensors";

  /** The name of the file that says which tensor is in which file. */
  public static final String INDEX_NAME = "model.safetensors.index.json";

  /** How large the files of a checkpoint become unless the caller says otherwise, in bytes. */
  public static final long DEFAULT_SHARD_BYTES = 5_000_000_000L;

  private static final int MAX_INDEX_BYTES = 64 << 20;
  private static final int MAX_SHARDS = 100_000;

  /** What is smaller rounds to a finite float16. */
  private static final float FLOAT16_LIMIT = 65520;

  /** File systems have no longer ones. */
  private static final int LONGEST_NAME = 255;

  private static final Set<DataType> FLOATING =
      Set.of(DataType.FLOAT32, DataType.FLOAT16, DataType.BFLOAT16);

  /** What PyTorch's pickles are called, and those of TensorFlow and Flax. */
  private static final List<String> OTHER_WEIGHTS =
      List.of(".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack", ".gguf");

  private final Path directory;
  private final Map<String, SafeTensors> files;
  private final Set<String> unlisted;

  private CheckpointTensors(Path directory, Map<String, SafeTensors> files, Set<String> unlisted) {
    this.directory = directory;
    this.files = Collections.unmodifiableMap(files);
    this.unlisted = Collections.unmodifiableSet(unlisted);
  }

  /**
   * Opens the weights of a checkpoint. If there are both a single file and an index, the single
   * file counts, as it does for the transformers library.
   *
   * @param directory the directory of the checkpoint
   * @return its tensors
   * @throws DistillationException if there are no safetensors files (pickles are not read: they are
   *     programs, not data), an index is malformed or points out of the directory, a file is
   *     missing or malformed, or a tensor is missing or in two files
   */
  public static CheckpointTensors open(Path directory) {
    requireNonNull(directory, "directory");
    if (Files.exists(directory.resolve(FILE_NAME), LinkOption.NOFOLLOW_LINKS)) {
      SafeTensors file = SafeTensors.open(file(directory, FILE_NAME, "checkpoint " + directory));
      Map<String, SafeTensors> files = new LinkedHashMap<>();
      file.entries().keySet().forEach(name -> files.put(name, file));
      return new CheckpointTensors(directory, files, Set.of());
    }
    if (Files.exists(directory.resolve(INDEX_NAME), LinkOption.NOFOLLOW_LINKS)) {
      return sharded(directory, file(directory, INDEX_NAME, "checkpoint " + directory));
    }
    throw missing(directory);
  }

  private static DistillationException missing(Path directory) {
    List<String> others = new ArrayList<>();
    if (Files.isDirectory(directory)) {
      try (Stream<Path> children = Files.list(directory)) {
        children
            .map(child -> child.getFileName().toString())
            .filter(
                name ->
                    OTHER_WEIGHTS.stream()
                        .anyMatch(end -> name.toLowerCase(Locale.ROOT).endsWith(end)))
            .sorted()
            .forEach(others::add);
      } catch (IOException e) {
        return new DistillationException(
            "checkpoint " + directory + " must be readable but was not (" + e + ")", e);
      }
    }
    return new DistillationException(
        "checkpoint "
            + directory
            + " must have "
            + FILE_NAME
            + " or "
            + INDEX_NAME
            + " but "
            + (others.isEmpty()
                ? "has neither; check the path"
                : "has only "
                    + String.join(", ", others)
                    + ", and a pickle is a program that runs when it is read; convert the weights"
                    + " with the safetensors library where you trust them"));
  }

  private static CheckpointTensors sharded(Path directory, Path index) {
    Map<String, String> places = places(index);
    Map<String, SafeTensors> shards = new TreeMap<>();
    for (String name : new TreeSet<>(places.values())) {
      shards.put(name, SafeTensors.open(file(directory, name, "index " + index)));
    }
    Map<String, String> found = new LinkedHashMap<>();
    shards.forEach(
        (shard, tensors) -> {
          for (String name : tensors.entries().keySet()) {
            String other = found.put(name, shard);
            if (other != null) {
              throw refused(
                  index,
                  "must have each tensor once but '"
                      + name
                      + "' is in "
                      + other
                      + " and in "
                      + shard);
            }
          }
        });
    Map<String, SafeTensors> files = new LinkedHashMap<>();
    places.forEach(
        (name, shard) -> {
          SafeTensors tensors = requireNonNull(shards.get(shard));
          if (!tensors.entries().containsKey(name)) {
            throw refused(
                index, "says that tensor '" + name + "' is in " + shard + " but it is not there");
          }
          files.put(name, tensors);
        });
    Set<String> unlisted = new TreeSet<>(found.keySet());
    unlisted.removeAll(places.keySet());
    return new CheckpointTensors(directory, files, unlisted);
  }

  /** Reads which tensor is in which file. */
  private static Map<String, String> places(Path index) {
    JsonElement json = StrictJson.read(index, "index", MAX_INDEX_BYTES);
    if (!(json instanceof JsonObject object)
        || !(object.get("weight_map") instanceof JsonObject map)) {
      throw refused(index, "must be a JSON object with an object 'weight_map' but is not");
    }
    if (map.size() == 0) {
      throw refused(index, "must list tensors but its 'weight_map' is empty");
    }
    Map<String, String> places = new LinkedHashMap<>();
    for (Map.Entry<String, JsonElement> each : map.entrySet()) {
      if (!(each.getValue() instanceof JsonPrimitive file) || !file.isString()) {
        throw refused(
            index,
            "must name a file for each tensor but for '" + each.getKey() + "' it has no text");
      }
      places.put(each.getKey(), requirePlain(index, each.getKey(), file.getAsString()));
    }
    return places;
  }

  private static String requirePlain(Path index, String tensor, String file) {
    boolean plain;
    try {
      plain =
          !file.isEmpty()
              && !file.equals(".")
              && !file.equals("..")
              && file.chars().noneMatch(c -> c == '/' || c == '\\' || c == ':' || c < ' ')
              && Path.of(file).getNameCount() == 1
              && !Path.of(file).isAbsolute();
    } catch (InvalidPathException e) {
      plain = false;
    }
    if (!plain || !file.endsWith(".safetensors")) {
      throw refused(
          index,
          "must name safetensors files of its own directory but for tensor '"
              + tensor
              + "' it names '"
              + (file.length() <= 100 ? file : file.substring(0, 100) + "...")
              + "'");
    }
    return file;
  }

  /** Returns a file of the directory if it exists and no link leads out of the checkpoint. */
  private static Path file(Path directory, String name, String subject) {
    if (name.length() > LONGEST_NAME) {
      throw new DistillationException(
          subject
              + " must name files of at most "
              + LONGEST_NAME
              + " characters but names one of "
              + name.length()
              + "; fetch all files of the checkpoint again");
    }
    Path file = directory.resolve(name);
    if (!Files.isRegularFile(file)) {
      throw new DistillationException(
          subject
              + " must have the file "
              + name
              + " but "
              + file
              + " does not exist; fetch all files of the checkpoint");
    }
    try {
      Path real = file.toRealPath();
      Path home = directory.toRealPath();
      Path above = home.getParent();
      boolean inside = home.equals(real.getParent());
      boolean cached =
          above != null
              && above.endsWith("snapshots")
              && above.resolveSibling("blobs").equals(real.getParent());
      if (!inside && !cached) {
        throw new DistillationException(
            subject
                + " must have the file "
                + name
                + " in its own directory but it is a link to "
                + real
                + "; copy the file there");
      }
      return file;
    } catch (IOException e) {
      throw new DistillationException(
          subject + " must have a readable file " + name + " but has not (" + e + ")", e);
    }
  }

  private static DistillationException refused(Path index, String what) {
    return new DistillationException(
        "index " + index + " " + what + "; fetch all files of the checkpoint again");
  }

  /**
   * Returns the tensors of the checkpoint.
   *
   * @return type and shape by name
   */
  public Map<String, SafeTensors.Entry> entries() {
    Map<String, SafeTensors.Entry> entries = new LinkedHashMap<>();
    files.forEach((name, file) -> entries.put(name, requireNonNull(file.entries().get(name))));
    return Collections.unmodifiableMap(entries);
  }

  /**
   * Returns the names of tensors that the files have but the index does not list; they cannot be
   * read.
   *
   * @return the names, ascending; empty without an index
   */
  public Set<String> unlisted() {
    return unlisted;
  }

  /**
   * Maps a tensor as it is stored.
   *
   * @param name its name
   * @return the tensor; its elements are read from the file as they are needed
   * @throws DistillationException if there is no such tensor, or the file cannot be read
   */
  public HostTensor raw(String name) {
    return require(name).tensor(name);
  }

  private SafeTensors require(String name) {
    SafeTensors file = files.get(requireNonNull(name, "name"));
    if (file == null) {
      throw new DistillationException(
          "checkpoint "
              + directory
              + " must have a tensor '"
              + name
              + "' but has not; it has "
              + start(files.keySet()));
    }
    return file;
  }

  private static String start(Set<String> names) {
    List<String> first = names.stream().limit(10).toList();
    return first.size() < names.size()
        ? String.join(", ", first) + " and " + (names.size() - first.size()) + " others"
        : String.join(", ", first);
  }

  /**
   * Maps a tensor as float32.
   *
   * @param name its name
   * @return the tensor; its elements are read and converted as they are needed
   * @throws DistillationException if there is no such tensor, it is not of float32, float16 or
   *     bfloat16, or the file cannot be read
   */
  public HostTensor float32(String name) {
    return float32(name, null);
  }

  /**
   * Maps a tensor of a certain shape as float32.
   *
   * @param name its name
   * @param expected the shape it must have; {@code null} for any
   * @return the tensor; its elements are read and converted as they are needed
   * @throws DistillationException as {@link #float32(String)}, or if it has another shape
   */
  public HostTensor float32(String name, @Nullable Shape expected) {
    SafeTensors file = require(name);
    SafeTensors.Entry entry = requireNonNull(file.entries().get(name));
    if (expected != null && !entry.shape().equals(expected)) {
      throw new DistillationException(
          "tensor '"
              + name
              + "' of "
              + file.file()
              + " must have shape "
              + expected
              + " but has "
              + entry.shape()
              + "; check that the configuration belongs to these weights");
    }
    if (!FLOATING.contains(entry.type())) {
      throw new DistillationException(
          "tensor '"
              + name
              + "' of "
              + file.file()
              + " must be of float32, float16 or bfloat16 but is of "
              + entry.type()
              + "; use a checkpoint that is not quantized");
    }
    return file.tensor(name).to(DataType.FLOAT32);
  }

  /**
   * Writes the weights of a checkpoint: one file, or several and an index if it would be too large.
   * The checkpoint appears whole or not at all: what says that it is one is written last.
   *
   * @param directory where to write; created if it does not exist
   * @param tensors the tensors by name; one that is not of float32, float16 or bfloat16 keeps its
   *     type
   * @param maxShardBytes how many bytes of tensors a file may have; a larger tensor gets a file of
   *     its own
   * @param type float32, float16 or bfloat16: rounded to nearest
   * @throws DistillationException if {@code directory} has weights already, a file cannot be
   *     written, or a number is too large for float16
   * @throws IllegalArgumentException if {@code type} is another or {@code maxShardBytes} is not
   *     positive
   */
  public static void write(
      Path directory, Map<String, HostTensor> tensors, long maxShardBytes, DataType type) {
    requireNonNull(directory, "directory");
    checkArgument(maxShardBytes > 0, "maxShardBytes must be positive but was %s", maxShardBytes);
    checkArgument(
        FLOATING.contains(requireNonNull(type, "type")),
        "type must be float32, float16 or bfloat16 but was %s",
        type);
    for (String name : List.of(FILE_NAME, INDEX_NAME)) {
      if (Files.exists(directory.resolve(name), LinkOption.NOFOLLOW_LINKS)) {
        throw new DistillationException(
            "directory of a checkpoint must have no weights yet but "
                + directory
                + " has "
                + name
                + "; choose another directory");
      }
    }
    List<Map<String, HostTensor>> shards = shards(tensors, maxShardBytes, type);
    if (shards.size() == 1) {
      SafeTensors.write(directory.resolve(FILE_NAME), shards.get(0), Map.of("format", "pt"));
      return;
    }
    List<Path> written = new ArrayList<>();
    boolean complete = false;
    try {
      JsonObject places = new JsonObject();
      long total = 0;
      for (int i = 0; i < shards.size(); i++) {
        String name =
            String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
        SafeTensors.write(directory.resolve(name), shards.get(i), Map.of("format", "pt"));
        written.add(directory.resolve(name));
        for (Map.Entry<String, HostTensor> each : shards.get(i).entrySet()) {
          places.addProperty(each.getKey(), name);
          total += each.getValue().byteCount();
        }
      }
      JsonObject metadata = new JsonObject();
      metadata.addProperty("total_size", total);
      JsonObject index = new JsonObject();
      index.add("metadata", metadata);
      index.add("weight_map", places);
      AtomicFiles.write(directory.resolve(INDEX_NAME), index.toString());
      complete = true;
    } finally {
      if (!complete) {
        written.forEach(AtomicFiles::deleteQuietly);
      }
    }
  }

  /** Converts tensors and fills files with them in their order. */
  private static List<Map<String, HostTensor>> shards(
      Map<String, HostTensor> tensors, long maxShardBytes, DataType type) {
    List<Map<String, HostTensor>> shards = new ArrayList<>(List.of(new LinkedHashMap<>()));
    long bytes = 0;
    for (Map.Entry<String, HostTensor> each : tensors.entrySet()) {
      HostTensor tensor = each.getValue();
      HostTensor converted = FLOATING.contains(tensor.type()) ? tensor.to(type) : tensor;
      if (converted != tensor && type == DataType.FLOAT16) {
        requireNoOverflow(each.getKey(), tensor);
      }
      Map<String, HostTensor> last = shards.get(shards.size() - 1);
      if (!last.isEmpty() && bytes > maxShardBytes - converted.byteCount()) {
        last = new LinkedHashMap<>();
        shards.add(last);
        bytes = 0;
      }
      last.put(each.getKey(), converted);
      bytes += converted.byteCount();
    }
    checkArgument(
        shards.size() < MAX_SHARDS,
        "maxShardBytes must give fewer than %s files but gives %s",
        MAX_SHARDS,
        shards.size());
    return shards;
  }

  private static void requireNoOverflow(String name, HostTensor tensor) {
    long index = 0;
    for (ByteBuffer chunk : tensor.to(DataType.FLOAT32).chunks()) {
      for (; chunk.hasRemaining(); index++) {
        float value = chunk.getFloat();
        // what is not finite already stays what it is
        if (Float.isFinite(value) && Math.abs(value) >= FLOAT16_LIMIT) {
          throw new DistillationException(
              "tensor '"
                  + name
                  + "' must be below "
                  + FLOAT16_LIMIT
                  + " to be written as float16 but element "
                  + index
                  + " is "
                  + value
                  + "; write it as bfloat16 or float32");
        }
      }
    }
  }

  @Override
  public String toString() {
    return "CheckpointTensors[" + files.size() + " tensors, " + directory.getFileName() + "]";
  }
}
