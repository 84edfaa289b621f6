package io.distill.huggingface;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.torchscript.HostTensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/** Takes tensors out of a checkpoint and remembers what nobody took. */
final class TensorReader {

  private static final int NAMED = 5;

  private final Path directory;
  private final CheckpointTensors tensors;
  private final Set<String> untaken;

  TensorReader(Path directory, CheckpointTensors tensors) {
    this.directory = directory;
    this.tensors = tensors;
    this.untaken = new LinkedHashSet<>(tensors.entries().keySet());
  }

  boolean has(String name) {
    return tensors.entries().containsKey(name);
  }

  /** Takes a tensor of a certain shape, as float32. */
  HostTensor take(String name, long... shape) {
    if (!has(name)) {
      throw new DistillationException(
          "checkpoint "
              + directory
              + " must have a tensor '"
              + name
              + "' of shape "
              + new Shape(shape)
              + " but has none of that name"
              + similar(name)
              + "; check that config.json belongs to these weights");
    }
    untaken.remove(name);
    return tensors.float32(name, new Shape(shape));
  }

  private String similar(String name) {
    String end = name.substring(name.lastIndexOf('.', name.lastIndexOf('.') - 1) + 1);
    List<String> found = untaken.stream().filter(each -> each.endsWith(end)).limit(NAMED).toList();
    return found.isEmpty() ? "" : " (it has " + String.join(", ", found) + ")";
  }

  /** Leaves out tensors that say nothing a model needs. */
  void ignore(Predicate<String> names) {
    untaken.removeIf(names);
  }

  void requireAllTaken(String modelType) {
    if (!untaken.isEmpty()) {
      List<String> named = new ArrayList<>();
      untaken.stream()
          .limit(NAMED)
          .forEach(
              name -> named.add(name + " " + requireNonNull(tensors.entries().get(name)).shape()));
      throw new DistillationException(
          "checkpoint "
              + directory
              + " must have only tensors of a "
              + modelType
              + " model but has "
              + untaken.size()
              + " others: "
              + String.join(", ", named)
              + (untaken.size() > NAMED ? ", ..." : "")
              + "; check that config.json belongs to these weights");
    }
  }
}
