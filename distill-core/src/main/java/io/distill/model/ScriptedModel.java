package io.distill.model;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.jni.JniUtils;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.TorchScriptArchive;
import java.nio.ByteBuffer;
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
  private final Computation computation;
  private final LoadedModule module;
  private final Device device;
  private final boolean trainable;

  private ScriptedModel(
      ModelConfiguration configuration,
      Computation computation,
      LoadedModule module,
      Device device,
      boolean trainable) {
    this.configuration = configuration;
    this.computation = computation;
    this.module = module;
    this.device = device;
    this.trainable = trainable;
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
    return open(configuration, weights, device, trainable, Computation.standard());
  }

  /**
   * Opens a model that computes as it is told.
   *
   * @param configuration its shape
   * @param weights its weights, as {@link ModelConfiguration#initialWeights} names them
   * @param device where it lives
   * @param trainable whether it can be trained
   * @param computation the precision, and whether activations are kept; what the configuration
   *     cannot do is left out of {@link #computation()}
   * @return the model
   */
  public static ScriptedModel open(
      ModelConfiguration configuration,
      Map<String, HostTensor> weights,
      Device device,
      boolean trainable,
      Computation computation) {
    requireFinite(weights);
    Computation possible =
        computation.withActivationCheckpointing(
            computation.activationCheckpointing() && trainable && configuration.segments() > 0);
    return new ScriptedModel(
        configuration,
        possible,
        LoadedModule.load(configuration.module(weights, possible), device, trainable),
        device,
        trainable);
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
    return read(file, device, trainable, Computation.standard());
  }

  /**
   * Reads a model that {@link #writeTo} wrote, to compute as it is told.
   *
   * @param file the file
   * @param device where it lives
   * @param trainable whether it can be trained
   * @param computation the precision, and whether activations are kept
   * @return the model
   * @throws DistillationException if the file is missing, damaged, or not one of this library
   */
  public static ScriptedModel read(
      Path file, Device device, boolean trainable, Computation computation) {
    TorchScriptArchive archive = TorchScriptArchive.read(file);
    Map<String, HostTensor> weights = new LinkedHashMap<>(archive.module().parameters());
    ModelConfiguration configuration = configuration(file, archive.extras());
    try {
      return open(configuration, weights, device, trainable, computation);
    } catch (DistillationException e) {
      throw refused(file, e);
    }
  }

  /**
   * Reads the configuration of a model that {@link #writeTo} wrote, and no weight.
   *
   * @param file the file
   * @return the configuration
   * @throws DistillationException if the file is missing, damaged, or not one of this library
   */
  public static ModelConfiguration configuration(Path file) {
    return configuration(file, TorchScriptArchive.readExtras(file));
  }

  private static ModelConfiguration configuration(Path file, Map<String, String> extras) {
    String text = extras.get(CONFIGURATION);
    if (text == null) {
      throw new DistillationException(
          "TorchScript file "
              + file
              + " must be a model saved by this library but has no "
              + CONFIGURATION
              + "; load a foreign one with trustedTorchScript(...)");
    }
    JsonObject json = StrictJson.object(text, "configuration in " + file, MAX_CONFIGURATION);
    try {
      return ModelConfiguration.fromJson(json);
    } catch (DistillationException e) {
      throw refused(file, e);
    }
  }

  /** Says in which file what was found wrong. */
  private static DistillationException refused(Path file, DistillationException e) {
    return new DistillationException("model file " + file + " is refused: " + e.getMessage(), e);
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
          long index = 0;
          for (ByteBuffer chunk : tensor.chunks()) {
            for (; chunk.hasRemaining(); index++) {
              float value = chunk.getFloat();
              if (!Float.isFinite(value)) {
                throw new DistillationException(
                    "weight "
                        + name
                        + " must be finite but element "
                        + index
                        + " is "
                        + value
                        + "; use a model file from before the training diverged");
              }
            }
          }
        });
  }

  @Override
  public Set<SignalKind> provides() {
    return configuration.provides();
  }

  @Override
  public TrainingPass trainingPass(NDList inputs, Set<SignalKind> kinds, long seed) {
    if (!computation.activationCheckpointing()) {
      return SignalModel.super.trainingPass(inputs, kinds, seed);
    }
    requireProvided(kinds);
    module.training(true);
    return new SegmentedPass(configuration, module, inputs, kinds, seed);
  }

  @Override
  public Signals forward(NDList inputs, Set<SignalKind> kinds, boolean training) {
    requireProvided(kinds);
    if (trainable) {
      module.training(training);
    }
    NDList outputs = module.call(configuration.method(kinds), inputs, training);
    Signals signals = SignalReader.standard().read(outputs, inputs);
    return signals.layerCount() == 0
        ? signals
        : signals.toBuilder().layerNames(configuration.layerNames()).build();
  }

  /**
   * Starts to write texts token by token, if this is a language model.
   *
   * @param rows the number of texts, at least 1
   * @param capacity the longest text in tokens, prompt included, at least 1
   * @return a session; close it before the model
   * @throws DistillationException if the model is no {@link TransformerDecoder}
   */
  public DecodingSession decode(int rows, int capacity) {
    if (!(configuration instanceof TransformerDecoder decoder)) {
      throw new DistillationException(
          "model must be a TransformerDecoder to write text but was a "
              + configuration.getClass().getSimpleName()
              + "; load a language model");
    }
    if (trainable) {
      module.training(false);
    }
    return new DecodingSession(decoder, module, device, rows, capacity);
  }

  /** Returns what {@link ActivationMeter} adds up, of a {@link TransformerDecoder}. */
  NDList measure(NDList inputs) {
    if (trainable) {
      module.training(false);
    }
    return module.call("measure", inputs, false);
  }

  private void requireProvided(Set<SignalKind> kinds) {
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
  }

  @Override
  public Map<String, NDArray> parameters() {
    return module.parameters();
  }

  @Override
  public long parameterCount() {
    return module.parameters().values().stream().mapToLong(NDArray::size).sum();
  }

  @Override
  public Optional<ModelConfiguration> configuration() {
    return Optional.of(configuration);
  }

  @Override
  public Computation computation() {
    return computation;
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
    module.parameters().forEach((name, array) -> weights.put(name, HostTensor.of(array)));
    return weights;
  }

  @Override
  public void writeTo(Path directory) {
    new TorchScriptArchive(
            configuration.module(weights()),
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
      throw refused(file, e);
    }
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try {
      weights.forEach(
          (name, tensor) -> tensor.copyTo(requireNonNull(module.parameters().get(name))));
    } finally {
      JniUtils.setGradMode(gradients);
    }
  }

  /**
   * Returns whether the weights may change.
   *
   * @return whether the model was opened to be trained
   */
  public boolean trainable() {
    return trainable;
  }

  @Override
  public String fingerprint() {
    String architecture = configuration.toJson().toString();
    return Weights.digest(
        computation.inference() == Precision.FLOAT32
            ? architecture
            : architecture + " in " + computation.inference(),
        module.parameters());
  }

  @Override
  public void close() {
    module.close();
  }
}
