package io.distill.model;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Maps;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.LoadedModule;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/**
 * A live model from a TorchScript file that a user brought; its {@code forward} gives the signals.
 */
public final class TorchScriptModel implements SignalModel {

  private LoadedModule module;
  private final SignalReader reader;
  private final Device device;
  private final boolean trainable;

  private TorchScriptModel(
      LoadedModule module, SignalReader reader, Device device, boolean trainable) {
    this.module = module;
    this.reader = reader;
    this.device = device;
    this.trainable = trainable;
  }

  /**
   * Opens a file that the caller trusts.
   *
   * <p>A TorchScript file is a program for libtorch, which compiles it and runs it, some of it
   * already while loading. It is checked first ({@link LoadedModule#loadTrusted}): it cannot reach
   * Python, Java or a shell, or name files, and damage is found by checksums; but it can take time
   * and memory as it likes, and a chain of some thousand operators needs a larger stack ({@code
   * -Xss}). Open only files from where you would take a library; for models of others prefer
   * safetensors, ONNX or this library's own format, of which only weights are read.
   *
   * @param file a file that {@code torch.jit.save} wrote
   * @param reader which output is which signal
   * @param device where it lives
   * @param trainable whether it can be trained; parameters that were frozen when the file was
   *     written stay so
   * @return the model
   * @throws DistillationException if the file is missing, damaged, unsafe, or has a weight of NaN
   */
  public static TorchScriptModel openTrusted(
      Path file, SignalReader reader, Device device, boolean trainable) {
    requireNonNull(reader, "reader");
    LoadedModule module = LoadedModule.loadTrusted(file, device, trainable);
    try {
      String model = "TorchScript file " + file;
      module.parameters().forEach((name, array) -> Weights.requireNoNaN(model, name, array));
    } catch (DistillationException e) {
      module.close();
      throw e;
    }
    return new TorchScriptModel(module, reader, device, trainable);
  }

  @Override
  public Set<SignalKind> provides() {
    return ImmutableSet.copyOf(SignalKind.values());
  }

  @Override
  public Signals forward(NDList inputs, Set<SignalKind> kinds, boolean training) {
    if (trainable) {
      module.training(training);
    }
    return reader.read(module.call("forward", inputs, training), inputs);
  }

  @Override
  public Map<String, NDArray> parameters() {
    return Maps.filterValues(module.parameters(), NDArray::hasGradient);
  }

  @Override
  public long parameterCount() {
    return module.parameters().values().stream().mapToLong(NDArray::size).sum();
  }

  @Override
  public Device device() {
    return device;
  }

  @Override
  public void writeTo(Path directory) {
    module.training(false);
    AtomicFiles.write(directory.resolve(MODEL_FILE), module::writeTo);
  }

  @Override
  public void readFrom(Path directory) {
    // the whole file: batch statistics and other buffers cannot be set one by one
    LoadedModule read = module.reload(directory.resolve(MODEL_FILE), device, trainable);
    if (!shapes(read).equals(shapes(module))) {
      read.close();
      throw new DistillationException(
          "weights in "
              + directory
              + " must have the names and shapes of the TorchScript student but have others; read"
              + " those of the same student");
    }
    module.close();
    module = read;
  }

  private static Map<String, Shape> shapes(LoadedModule module) {
    return Maps.transformValues(module.parameters(), NDArray::getShape);
  }

  @Override
  public String fingerprint() {
    module.training(false);
    return Weights.digest(module.parameters().values(), module::writeTo);
  }

  @Override
  public void close() {
    module.close();
  }
}
