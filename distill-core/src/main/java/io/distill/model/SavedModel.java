package io.distill.model;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import com.google.common.base.Suppliers;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.gson.JsonObject;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.signal.SignalKind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A directory with a model, read as far as it is small: everything but the weights. Immutable, and
 * it owns no native memory.
 */
public abstract class SavedModel {

  private static final Supplier<List<ModelFormat>> FORMATS =
      Suppliers.memoize(
          () ->
              ImmutableList.copyOf(
                  ServiceLoader.load(ModelFormat.class, SavedModel.class.getClassLoader())));

  private final Path directory;
  private final @Nullable Tokenizer tokenizer;
  private final List<String> classNames;

  /**
   * Describes a directory.
   *
   * @param directory the directory
   * @param tokenizer how text becomes the model's inputs; null if they are not text
   * @param classNames the names of its classes, by index; empty if unknown
   */
  protected SavedModel(Path directory, @Nullable Tokenizer tokenizer, List<String> classNames) {
    this.directory = requireNonNull(directory, "directory");
    this.tokenizer = tokenizer;
    this.classNames = List.copyOf(classNames);
  }

  /**
   * Reads what is small.
   *
   * @param directory a directory that {@link DeployableModel#save} wrote, or one of another {@link
   *     ModelFormat}, such as a Hugging Face checkpoint
   * @return the description
   * @throws DistillationException if a file is missing, or one that was read is damaged, or the
   *     model is a TorchScript program of another origin, which only {@link
   *     DeployableModel#loadTrusted(Path)} reads
   */
  public static SavedModel of(Path directory) {
    requireNonNull(directory, "directory");
    JsonObject config = DeployableModel.readConfig(directory);
    ModelFormat format = format(directory, config);
    if (format != null) {
      return format.read(directory, config);
    }
    if (!Files.isRegularFile(directory.resolve(SignalModel.MODEL_FILE))) {
      throw new DistillationException(
          "model directory must have a file "
              + SignalModel.MODEL_FILE
              + " but "
              + directory
              + " has none; give a directory that DeployableModel.save wrote");
    }
    if (!config.has(DeployableModel.CONFIGURATION_PROPERTY)) {
      Path file = directory.resolve(SignalModel.MODEL_FILE);
      throw new DistillationException(
          "model directory must hold a model of which only weights are read, as this library and"
              + " safetensors files have them, but "
              + file
              + " is a TorchScript program of another origin, which would run; if you trust it as"
              + " you would a library, read it with DeployableModel.loadTrusted(directory, ...), or"
              + " the file with Teacher.trustedTorchScript(...) or"
              + " Student.trustedTorchScript(...)");
    }
    return new OwnFormat(directory, config);
  }

  /** Tells whether a directory holds a TorchScript file that is not of this library. */
  static boolean isProgram(Path directory, JsonObject config) {
    return !config.has(DeployableModel.CONFIGURATION_PROPERTY)
        && format(directory, config) == null
        && Files.isRegularFile(directory.resolve(SignalModel.MODEL_FILE));
  }

  private static @Nullable ModelFormat format(Path directory, JsonObject config) {
    for (ModelFormat format : FORMATS.get()) {
      if (format.reads(directory, config)) {
        return format;
      }
    }
    return null;
  }

  /**
   * Loads the whole model.
   *
   * @param device where it shall live
   * @param trainable whether it can be trained
   * @param computation the precision, and whether activations are kept
   * @return the model, with this tokenizer; close it
   * @throws DistillationException if a file is damaged
   */
  public abstract DeployableModel open(Device device, boolean trainable, Computation computation);

  /**
   * Returns where the model is.
   *
   * @return the directory
   */
  public Path directory() {
    return directory;
  }

  /**
   * Returns how text becomes the model's inputs.
   *
   * @return the tokenizer; empty if inputs are not text
   */
  public Optional<Tokenizer> tokenizer() {
    return Optional.ofNullable(tokenizer);
  }

  /**
   * Returns the names of the classes.
   *
   * @return names by class index; empty if unknown
   */
  public List<String> classNames() {
    return classNames;
  }

  /**
   * Reads the architecture, and no weight.
   *
   * @return the configuration; empty if the model is not of this library
   * @throws DistillationException if the file is damaged
   */
  public abstract Optional<ModelConfiguration> configuration();

  /**
   * Returns what the model may be asked for.
   *
   * @return the kinds of signals
   * @throws DistillationException if the model file is damaged
   */
  public Set<SignalKind> provides() {
    return configuration()
        .map(ModelConfiguration::provides)
        .orElseGet(() -> ImmutableSet.copyOf(SignalKind.values()));
  }

  /**
   * Returns the size of the weights, without loading them.
   *
   * @return what loading takes
   */
  public abstract Footprint footprint();

  /** What {@link DeployableModel#save} writes by itself. */
  private static final class OwnFormat extends SavedModel {
    OwnFormat(Path directory, JsonObject config) {
      super(
          directory,
          DeployableModel.tokenizer(directory, config),
          DeployableModel.classNames(directory, config));
    }

    @Override
    public DeployableModel open(Device device, boolean trainable, Computation computation) {
      DeployableModel model = DeployableModel.loadOwn(directory(), device, trainable, computation);
      return new DeployableModel(model.model(), tokenizer().orElse(null), model.classNames())
          .withProvenance(model.provenance().orElse(null));
    }

    @Override
    public Optional<ModelConfiguration> configuration() {
      return Optional.of(ScriptedModel.configuration(directory().resolve(SignalModel.MODEL_FILE)));
    }

    @Override
    public Footprint footprint() {
      try {
        return Footprint.pending(Files.size(directory().resolve(SignalModel.MODEL_FILE)));
      } catch (IOException e) {
        throw new DistillationException(
            "model file in " + directory() + " must be readable but was not (" + e + ")", e);
      }
    }
  }
}
