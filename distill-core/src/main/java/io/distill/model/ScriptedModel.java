package io.distill.model;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.jni.JniUtils;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A live model of one of the library's architectures. */
public final class ScriptedModel implements SignalModel {

  /** The text inside the archive that holds the configuration. */
  private static final String CONFIGURATION = "distill.json";

  private static final int MAX_CONFIGURATION = 1 << 20;

  private final ModelConfiguration configuration;
  private final ScriptModule definition;
  private final LoadedModule module;
  private final Device device;
  private final boolean trainable;

  private ScriptedModel(
      ModelConfiguration configuration, ScriptModule definition, Device device, boolean trainable) {
    this.configuration = configuration;
    this.definition = definition;
    this.device = device;
    this.trainable = trainable;
    this.module = LoadedModule.load(definition, device, trainable);
  }

  /**
   * Opens a model.
   *
   * @param configuration its shape
   * @param weights its weights, as {@link ModelConfiguration#initialWeights} names them
   * @param device where it lives
   * @param trainable whether it can be trained
   * @return the model
   */
  public static ScriptedModel open(
      ModelConfiguration configuration,
      Map<String, HostTensor> weights,
      Device device,
      boolean trainable) {
    requireFinite(weights);
    return new ScriptedModel(configuration, configuration.module(weights), device, trainable);
  }

  /**
   * Reads a model that {@link #writeTo} wrote.
   *
   * @param file the file
   * @param device where it lives
   * @param trainable whether it can be trained
   * @return the model
   * @throws DistillationException if the file is missing, damaged, or not one of this library
   */
  public static ScriptedModel read(Path file, Device device, boolean trainable) {
    TorchScriptArchive archive = TorchScriptArchive.read(file);
    String text = archive.extras().get(CONFIGURATION);
    if (text == null) {
      throw new DistillationException(
          "TorchScript file "
              + file
              + " must be a model saved by this library but has no "
              + CONFIGURATION
              + "; load a foreign one with torchScript(...)");
    }
    JsonObject json = StrictJson.object(text, "configuration in " + file, MAX_CONFIGURATION);
    Map<String, HostTensor> weights = new LinkedHashMap<>(archive.module().parameters());
    try {
      return open(ModelConfiguration.fromJson(json), weights, device, trainable);
    } catch (DistillationException e) {
      throw new DistillationException("model file " + file + " is refused: " + e.getMessage(), e);
    }
  }

  private static void requireFinite(Map<String, HostTensor> weights) {
    weights.forEach(
        (name, tensor) -> {
          if (tensor.type() != DataType.FLOAT32) {
            throw new DistillationException(
                "weight "
                    + name
                    + " must be float32 but is "
                    + tensor.type()
                    + "; save it as float32");
          }
          float[] values = tensor.toFloatArray();
          for (int i = 0; i < values.length; i++) {
            if (!Float.isFinite(values[i])) {
              throw new DistillationException(
                  "weight "
                      + name
                      + " must be finite but element "
                      + i
                      + " is "
                      + values[i]
                      + "; use a model file from before the training diverged");
            }
          }
        });
  }

  @Override
  public Set<SignalKind> provides() {
    return configuration.provides();
  }

  @Override
  public Signals forward(NDList inputs, Set<SignalKind> kinds, boolean training) {
    Set<SignalKind> missing = EnumSet.noneOf(SignalKind.class);
    missing.addAll(kinds);
    missing.removeAll(provides());
    if (!missing.isEmpty()) {
      throw new DistillationException(
          "signals must be among "
              + provides()
              + " for "
              + configuration.getClass().getSimpleName()
              + " but "
              + missing
              + " were asked for; use another loss or another model");
    }
    if (trainable) {
      module.training(training);
    }
    NDList outputs = module.call(configuration.method(kinds), inputs, training);
    Signals signals = SignalReader.standard().read(outputs, inputs);
    return signals.layerCount() == 0
        ? signals
        : signals.toBuilder().layerNames(configuration.layerNames()).build();
  }

  @Override
  public Map<String, NDArray> parameters() {
    return module.parameters();
  }

  @Override
  public long parameterCount() {
    return definition.parameterCount();
  }

  @Override
  public Optional<ModelConfiguration> configuration() {
    return Optional.of(configuration);
  }

  @Override
  public Device device() {
    return device;
  }

  /**
   * Copies the present weights to host memory.
   *
   * @return weights by name
   */
  public Map<String, HostTensor> weights() {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    definition
        .parameters()
        .keySet()
        .forEach(
            name ->
                weights.put(name, HostTensor.of(requireNonNull(module.parameters().get(name)))));
    return weights;
  }

  @Override
  public void writeTo(Path directory) {
    new TorchScriptArchive(
            definition.withTensors(weights()),
            Map.of(CONFIGURATION, configuration.toJson().toString()))
        .write(directory.resolve(MODEL_FILE));
  }

  @Override
  public void readFrom(Path directory) {
    Path file = directory.resolve(MODEL_FILE);
    Map<String, HostTensor> weights =
        new LinkedHashMap<>(TorchScriptArchive.read(file).module().parameters());
    Map<String, HostTensor> present = weights();
    if (!weights.keySet().equals(present.keySet())
        || !present.entrySet().stream()
            .allMatch(
                each ->
                    each.getValue()
                        .shape()
                        .equals(requireNonNull(weights.get(each.getKey())).shape()))) {
      throw new DistillationException(
          "weights in "
              + file
              + " must have the names and shapes of "
              + configuration.getClass().getSimpleName()
              + " but have others; read those of the same student");
    }
    try {
      requireFinite(weights);
    } catch (DistillationException e) {
      throw new DistillationException("model file " + file + " is refused: " + e.getMessage(), e);
    }
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try (NDManager scratch = module.manager().newSubManager()) {
      weights.forEach(
          (name, tensor) ->
              tensor.toArray(scratch).copyTo(requireNonNull(module.parameters().get(name))));
    } finally {
      JniUtils.setGradMode(gradients);
    }
  }

  @Override
  public String fingerprint() {
    return Weights.digest(configuration.toJson().toString(), module.parameters());
  }

  @Override
  public void close() {
    module.close();
  }
}
