package io.distill.huggingface;

import ai.djl.Device;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.internal.StrictJson;
import io.distill.model.Computation;
import io.distill.model.DeployableModel;
import io.distill.model.Footprint;
import io.distill.model.ModelConfiguration;
import io.distill.model.SavedModel;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerDecoder;
import io.distill.model.TransformerEncoder;
import io.distill.provenance.Provenance;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A Hugging Face checkpoint: a directory with {@code config.json}, {@code model.safetensors} (or
 * several and an index) and {@code tokenizer.json}, read as far as it is small.
 *
 * <p>Families: {@code bert}, {@code roberta}, {@code xlm-roberta} and {@code distilbert} (encoders,
 * with a head that predicts words or classes, or none); decoders {@code llama}, {@code mistral},
 * {@code qwen2}, {@code qwen3}, {@code granite}, {@code phi3} and {@code gpt2}. Weights in float16
 * and bfloat16 become float32 when they are loaded. Pickles are refused: they can run code.
 *
 * @see <a href="https://huggingface.co/docs/transformers">The transformers library</a>
 */
public final class Checkpoint extends SavedModel {

  private static final Logger LOGGER = LoggerFactory.getLogger(Checkpoint.class);
  private static final int MAX_CONFIG_BYTES = 64 << 20;
  private static final String SENTENCE_MODULES = "modules.json";

  private final CheckpointFiles files;
  private final Family family;
  private final ModelConfiguration configuration;

  private Checkpoint(
      Path directory,
      CheckpointFiles files,
      Family family,
      ModelConfiguration configuration,
      @Nullable Tokenizer tokenizer,
      List<String> classNames) {
    super(directory, tokenizer, classNames);
    this.files = files;
    this.family = family;
    this.configuration = configuration;
  }

  /**
   * Reads what is small of a checkpoint.
   *
   * @param directory the directory
   * @return the checkpoint
   * @throws DistillationException if {@code config.json} is missing or malformed, names an unknown
   *     family or values that are out of range, or the tokenizer cannot be read or has more tokens
   *     than the model has embeddings
   */
  public static Checkpoint of(Path directory) {
    Path file = directory.resolve(CheckpointFiles.CONFIG);
    if (!Files.isRegularFile(file)) {
      throw new DistillationException(
          "checkpoint must have a file config.json but "
              + directory
              + " has none; give the directory that holds it");
    }
    return of(
        directory,
        StrictJson.object(
            StrictJson.text(file, "configuration file", MAX_CONFIG_BYTES),
            "configuration file " + file,
            MAX_CONFIG_BYTES));
  }

  static Checkpoint of(Path directory, JsonObject json) {
    ConfigFile config = new ConfigFile(directory.resolve(CheckpointFiles.CONFIG), json);
    String modelType = config.text("model_type", "");
    Family family = Family.of(modelType, config);
    ModelConfiguration configuration = family.configuration(config);
    if (Files.exists(directory.resolve(SENTENCE_MODULES))) {
      LOGGER.warn(
          "{} is a sentence-transformers model, of which only the encoder is read: its embedding is"
              + " not the pooled one that {} describes",
          directory,
          SENTENCE_MODULES);
    }
    return new Checkpoint(
        directory,
        CheckpointFiles.read(directory, modelType, json),
        family,
        configuration,
        tokenizer(directory, configuration),
        configuration.classes() == 0 ? List.of() : classNames(config));
  }

  private static @Nullable Tokenizer tokenizer(Path directory, ModelConfiguration configuration) {
    if (!Files.isRegularFile(directory.resolve("tokenizer.json"))) {
      return null;
    }
    Tokenizer tokenizer =
        configuration instanceof TransformerDecoder decoder
            ? Tokenizer.load(directory, decoder.maxPositions())
            : configuration instanceof TransformerEncoder encoder
                ? Tokenizer.load(directory, encoder.maxPositions())
                : Tokenizer.load(directory);
    if (tokenizer.vocabularySize() > configuration.vocabularySize()) {
      throw new DistillationException(
          "tokenizer.json in "
              + directory
              + " must have at most as many tokens as the model has embeddings but has "
              + tokenizer.vocabularySize()
              + " for vocab_size "
              + configuration.vocabularySize()
              + "; use the tokenizer of this model");
    }
    return tokenizer;
  }

  private static List<String> classNames(ConfigFile config) {
    List<String> names = new ArrayList<>();
    JsonElement labels = config.json().get("id2label");
    if (labels != null && labels.isJsonObject()) {
      Map<String, JsonElement> byId = labels.getAsJsonObject().asMap();
      for (int i = 0; i < byId.size(); i++) {
        JsonElement name = byId.get(Integer.toString(i));
        if (name == null || !name.isJsonPrimitive()) {
          throw config.wrong("id2label", "must name classes from \"0\" on but was " + labels);
        }
        names.add(name.getAsString());
      }
    }
    return names;
  }

  /**
   * Returns the family.
   *
   * @return the {@code model_type}
   */
  public String modelType() {
    return files.modelType();
  }

  /**
   * Returns what the checkpoint says besides weights and tokenizer.
   *
   * @return the files
   */
  public CheckpointFiles files() {
    return files;
  }

  @Override
  public Optional<ModelConfiguration> configuration() {
    return Optional.of(configuration);
  }

  @Override
  public Footprint footprint() {
    return Footprint.pending(Float.BYTES * configuration.parameterCount());
  }

  /**
   * Loads the model to answer, on the default device.
   *
   * @return the model; close it
   * @throws DistillationException if weights are missing, superfluous, of other shapes or damaged
   */
  public DeployableModel open() {
    return open(NativeEngine.defaultDevice(), false, Computation.standard());
  }

  @Override
  public DeployableModel open(Device device, boolean trainable, Computation computation) {
    TensorReader reader = new TensorReader(directory(), CheckpointTensors.open(directory()));
    ScriptedModel model =
        ScriptedModel.open(
            configuration, family.weights(reader, configuration), device, trainable, computation);
    Path provenance = directory().resolve(Provenance.FILE);
    return new DeployableModel(model, tokenizer().orElse(null), classNames())
        .withWriter(files)
        .withProvenance(Files.exists(provenance) ? Provenance.read(provenance) : null);
  }

  @Override
  public String toString() {
    return "Checkpoint[" + modelType() + ", " + directory().getFileName() + "]";
  }
}
