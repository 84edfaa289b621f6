package io.distill.model;

import ai.djl.ndarray.NDArray;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.common.hash.HashingOutputStream;
import io.distill.exception.DistillationException;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;

/** Checks weights of models that others made, and tells weights apart. */
final class Weights {

  private Weights() {}

  /** Infinite values may be meant, as in the buffer of a mask; NaN never is. */
  static void requireNoNaN(String model, String name, NDArray array) {
    if (!array.getDataType().isFloating()) {
      return;
    }
    try (NDArray each = array.isNaN();
        NDArray any = each.any()) {
      if (any.getBoolean()) {
        throw new DistillationException(
            "weight "
                + name
                + " of "
                + model
                + " must have no NaN but has some; use a model from before the training diverged");
      }
    }
  }

  /** Digests arrays with their names, whatever their order. */
  static String digest(String architecture, Map<String, NDArray> arrays) {
    Hasher hasher = Hashing.sha256().newHasher();
    put(hasher, architecture);
    new TreeMap<>(arrays)
        .forEach(
            (name, array) -> {
              HostTensor tensor = HostTensor.of(array);
              put(hasher, name + " " + tensor.type() + " " + tensor.shape());
              tensor.chunks().forEach(hasher::putBytes);
            });
    return hasher.hash().toString();
  }

  /**
   * Digests a TorchScript module in inference mode as it is written: code, parameters, and buffers
   * that cannot be seen one by one. Whether a parameter is trained is written, too, but says
   * nothing about answers.
   */
  static String digest(Collection<NDArray> parameters, Consumer<OutputStream> writer) {
    List<NDArray> trained = parameters.stream().filter(NDArray::hasGradient).toList();
    trained.forEach(array -> array.setRequiresGradient(false));
    try (HashingOutputStream out =
        new HashingOutputStream(Hashing.sha256(), OutputStream.nullOutputStream())) {
      writer.accept(out);
      return out.hash().toString();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } finally {
      trained.forEach(array -> array.setRequiresGradient(true));
    }
  }

  private static void put(Hasher hasher, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    hasher.putInt(bytes.length).putBytes(bytes);
  }
}
