package io.distill.model;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
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
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A directory that {@link DeployableModel#save} wrote, read as far as it is small: everything but
 * the weights. Immutable, and it owns no native memory.
 */
public final class SavedModel {

  private final Path directory;
  private final boolean ofThisLibrary;
  private final @Nullable Tokenizer tokenizer;
  private final List<String> classNames;

  private SavedModel(
      Path directory,
      boolean ofThisLibrary,
      @Nullable Tokenizer tokenizer,
      List<String> classNames) {
    this.directory = directory;
    this.ofThisLibrary = ofThisLibrary;
    this.tokenizer = tokenizer;
    this.classNames = List.copyOf(classNames);
  }

  /**
   * Reads what is small.
   *
   * @param directory the directory
   * @return the description
   * @throws DistillationException if a file is missing, or one that was read is damaged
   */
  public static SavedModel of(Path directory) {
    requireNonNull(directory, "directory");
    JsonObject config = DeployableModel.readConfig(directory);
    if (!Files.isRegularFile(directory.resolve(SignalModel.MODEL_FILE))) {
      throw new DistillationException(
          "model directory must have a file "
              + SignalModel.MODEL_FILE
              + " but "
              + directory
              + " has none; give a directory that DeployableModel.save wrote");
    }
    return new SavedModel(
        directory,
        config.has(DeployableModel.CONFIGURATION_PROPERTY),
        DeployableModel.tokenizer(directory, config),
        DeployableModel.classNames(directory, config));
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
  public DeployableModel open(Device device, boolean trainable, Computation computation) {
    DeployableModel model = DeployableModel.load(directory, device, trainable, computation);
    return new DeployableModel(model.model(), tokenizer, model.classNames())
        .withProvenance(model.provenance().orElse(null));
  }

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
   * Reads the architecture from the model file, and no weight.
   *
   * @return the configuration; empty if the model is not of this library
   * @throws DistillationException if the file is damaged
   */
  public Optional<ModelConfiguration> configuration() {
    return ofThisLibrary
        ? Optional.of(ScriptedModel.configuration(directory.resolve(SignalModel.MODEL_FILE)))
        : Optional.empty();
  }

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
   * Returns the size of the weights, by that of their file.
   *
   * @return what loading takes
   */
  public Footprint footprint() {
    try {
      long bytes = Files.size(directory.resolve(SignalModel.MODEL_FILE));
      return ofThisLibrary ? Footprint.pending(bytes) : new Footprint(0, bytes, 0);
    } catch (IOException e) {
      throw new DistillationException(
          "model file in " + directory + " must be readable but was not (" + e + ")", e);
    }
  }
}
