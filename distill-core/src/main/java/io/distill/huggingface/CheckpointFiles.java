package io.distill.huggingface;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.types.DataType;
import com.google.common.primitives.ImmutableIntArray;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.StrictJson;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
import io.distill.model.ModelWriter;
import io.distill.model.ScriptedModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What a Hugging Face checkpoint says besides weights and tokenizer: {@code config.json}, {@code
 * generation_config.json}, {@code tokenizer_config.json}, {@code special_tokens_map.json} and the
 * chat template. A model that has them is saved as a checkpoint again, members that this library
 * does not know included. Immutable.
 */
public final class CheckpointFiles implements ModelWriter {

  static final String CONFIG = "config.json";
  private static final String GENERATION = "generation_config.json";
  private static final String TOKENIZER = "tokenizer_config.json";
  private static final String SPECIAL_TOKENS = "special_tokens_map.json";
  private static final String TEMPLATE = "chat_template.jinja";
  private static final int LIMIT = 16 << 20;

  private static final String[] TOKEN_IDS = {"bos_token_id", "eos_token_id", "pad_token_id"};

  private final String modelType;
  private final JsonObject config;

  /** The other files, by name; JSON but for the template. */
  private final Map<String, String> others;

  private final DataType type;
  private final long maxShardBytes;

  private CheckpointFiles(
      String modelType,
      JsonObject config,
      Map<String, String> others,
      DataType type,
      long maxShardBytes) {
    this.modelType = modelType;
    this.config = config;
    this.others = Map.copyOf(others);
    this.type = type;
    this.maxShardBytes = maxShardBytes;
  }

  /**
   * Starts the files of a new checkpoint.
   *
   * @param modelType the family, such as {@code llama} or {@code qwen2}
   * @param configuration the shape of the model
   * @return the files; no chat template, no special tokens
   * @throws DistillationException if the family is unknown or cannot say all of the shape
   */
  public static CheckpointFiles of(String modelType, ModelConfiguration configuration) {
    JsonObject config = new JsonObject();
    config.addProperty("model_type", requireNonNull(modelType, "modelType"));
    return new CheckpointFiles(
            modelType, config, Map.of(), DataType.FLOAT32, CheckpointTensors.DEFAULT_SHARD_BYTES)
        .withConfiguration(configuration);
  }

  static CheckpointFiles read(Path directory, String modelType, JsonObject config) {
    Map<String, String> others = new LinkedHashMap<>();
    for (String name : new String[] {GENERATION, TOKENIZER, SPECIAL_TOKENS}) {
      Path file = directory.resolve(name);
      if (Files.isRegularFile(file)) {
        String text = StrictJson.text(file, "file", LIMIT);
        StrictJson.object(text, "file " + file, LIMIT);
        others.put(name, text);
      }
    }
    Path template = directory.resolve(TEMPLATE);
    if (Files.isRegularFile(template)) {
      others.put(TEMPLATE, StrictJson.text(template, "chat template", LIMIT));
    }
    return new CheckpointFiles(
        modelType, config, others, DataType.FLOAT32, CheckpointTensors.DEFAULT_SHARD_BYTES);
  }

  /**
   * Returns the files that a model is saved with.
   *
   * @param model the model
   * @return its files; empty if it is not saved as a checkpoint
   */
  public static Optional<CheckpointFiles> of(DeployableModel model) {
    return model
        .writer()
        .filter(CheckpointFiles.class::isInstance)
        .map(CheckpointFiles.class::cast);
  }

  /**
   * Returns the family.
   *
   * @return the {@code model_type}
   */
  public String modelType() {
    return modelType;
  }

  /**
   * Returns what {@code config.json} says.
   *
   * @return a copy
   */
  public JsonObject config() {
    return config.deepCopy();
  }

  /**
   * Returns what {@code generation_config.json} says.
   *
   * @return a copy; empty if there is no such file
   */
  public JsonObject generationConfig() {
    return json(GENERATION);
  }

  /**
   * Returns what {@code tokenizer_config.json} says.
   *
   * @return a copy; empty if there is no such file
   */
  public JsonObject tokenizerConfig() {
    return json(TOKENIZER);
  }

  private JsonObject json(String name) {
    String text = others.get(name);
    return text == null ? new JsonObject() : StrictJson.object(text, name, LIMIT);
  }

  /**
   * Returns the Jinja source of the chat template, from its own file or the tokenizer's.
   *
   * @return the JSON of {@code chat_template}, a text or a list of named ones; empty if there is
   *     none
   */
  public Optional<JsonElement> chatTemplateSource() {
    String file = others.get(TEMPLATE);
    if (file != null) {
      return Optional.of(new JsonPrimitive(file));
    }
    JsonElement source = tokenizerConfig().get("chat_template");
    return source == null || source.isJsonNull() ? Optional.empty() : Optional.of(source);
  }

  /**
   * Returns the tokens that end a text: those of the generation configuration, else those of the
   * model's.
   *
   * @return token ids; empty if none is named
   */
  public ImmutableIntArray endIds() {
    JsonElement ids = generationConfig().get("eos_token_id");
    if (ids == null || ids.isJsonNull()) {
      ids = config.get("eos_token_id");
    }
    if (ids == null || ids.isJsonNull()) {
      return ImmutableIntArray.of();
    }
    ImmutableIntArray.Builder found = ImmutableIntArray.builder();
    if (ids.isJsonArray()) {
      ids.getAsJsonArray().forEach(id -> found.add(id(id)));
    } else {
      found.add(id(ids));
    }
    return found.build();
  }

  /**
   * Returns the token that begins a text.
   *
   * @return its id, if one is named
   */
  public OptionalInt beginId() {
    JsonElement id = config.get("bos_token_id");
    return id == null || id.isJsonNull() ? OptionalInt.empty() : OptionalInt.of(id(id));
  }

  private static int id(JsonElement element) {
    try {
      return StrictJson.integer(element);
    } catch (RuntimeException e) {
      throw new DistillationException(
          "ids of tokens in " + CONFIG + " must be integers but one was " + element, e);
    }
  }

  /**
   * Returns these files for another shape of the same family.
   *
   * @param configuration the shape
   * @return a copy
   * @throws DistillationException if the family cannot say all of the shape
   */
  public CheckpointFiles withConfiguration(ModelConfiguration configuration) {
    JsonObject changed = config();
    Family family = Family.of(modelType, new ConfigFile(Path.of(CONFIG), changed));
    family.requireHolds(configuration);
    family.describe(configuration, changed);
    return new CheckpointFiles(modelType, changed, others, type, maxShardBytes);
  }

  /**
   * Returns these files with the beginning, end and padding tokens that a new model shall have.
   *
   * @param begin the id of the token that begins a text; null for none
   * @param end the id of the token that ends a text; null for none
   * @param padding the id of the token that fills up rows; null for none
   * @return a copy
   */
  public CheckpointFiles withTokens(
      @Nullable Integer begin, @Nullable Integer end, @Nullable Integer padding) {
    JsonObject changed = config();
    Integer[] ids = {begin, end, padding};
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] == null) {
        changed.remove(TOKEN_IDS[i]);
      } else {
        changed.addProperty(TOKEN_IDS[i], ids[i]);
      }
    }
    return new CheckpointFiles(modelType, changed, others, type, maxShardBytes);
  }

  /**
   * Returns these files with a chat template.
   *
   * @param template the Jinja source
   * @return a copy
   */
  public CheckpointFiles withChatTemplate(String template) {
    requireNonNull(template, "template");
    Map<String, String> changed = new LinkedHashMap<>(others);
    JsonObject tokenizer = tokenizerConfig();
    tokenizer.remove("chat_template");
    if (tokenizer.size() > 0) {
      changed.put(TOKENIZER, pretty(tokenizer));
    }
    changed.put(TEMPLATE, template);
    return new CheckpointFiles(modelType, config(), changed, type, maxShardBytes);
  }

  /**
   * Returns these files after tokens were numbered anew, as when a vocabulary is trimmed.
   *
   * @param newIds gives the new id of each old one, negative if the token is gone
   * @return a copy
   */
  public CheckpointFiles withIds(IntUnaryOperator newIds) {
    JsonObject changed = config();
    renumber(changed, newIds);
    Map<String, String> files = new LinkedHashMap<>(others);
    if (others.containsKey(GENERATION)) {
      JsonObject generation = generationConfig();
      renumber(generation, newIds);
      files.put(GENERATION, pretty(generation));
    }
    if (others.containsKey(TOKENIZER)) {
      JsonObject tokenizer = tokenizerConfig();
      JsonElement added = tokenizer.get("added_tokens_decoder");
      if (added != null && added.isJsonObject()) {
        JsonObject renumbered = new JsonObject();
        added
            .getAsJsonObject()
            .entrySet()
            .forEach(
                each -> {
                  int id = newIds.applyAsInt(Integer.parseInt(each.getKey()));
                  if (id >= 0) {
                    renumbered.add(Integer.toString(id), each.getValue());
                  }
                });
        tokenizer.add("added_tokens_decoder", renumbered);
        files.put(TOKENIZER, pretty(tokenizer));
      }
    }
    return new CheckpointFiles(modelType, changed, files, type, maxShardBytes);
  }

  private static void renumber(JsonObject json, IntUnaryOperator newIds) {
    for (String name : json.keySet().toArray(new String[0])) {
      if (!name.endsWith("_token_id")) {
        continue;
      }
      JsonElement value = json.get(name);
      if (value.isJsonArray()) {
        JsonArray renumbered = new JsonArray();
        for (JsonElement each : value.getAsJsonArray()) {
          int id = newIds.applyAsInt(id(each));
          if (id >= 0) {
            renumbered.add(id);
          }
        }
        json.add(name, renumbered);
      } else if (!value.isJsonNull()) {
        int id = newIds.applyAsInt(id(value));
        if (id >= 0) {
          json.addProperty(name, id);
        } else {
          json.remove(name);
        }
      }
    }
  }

  /**
   * Returns these files with another way to write weights.
   *
   * @param type float32, which is the default, float16 or bfloat16; the latter two are rounded to
   *     nearest
   * @param maxShardBytes the largest file of weights; at least 1; default 5 GB
   * @return a copy
   * @throws IllegalArgumentException if the type is another
   */
  public CheckpointFiles withWeights(DataType type, long maxShardBytes) {
    checkArgument(
        type == DataType.FLOAT32 || type == DataType.FLOAT16 || type == DataType.BFLOAT16,
        "type must be float32, float16 or bfloat16 but was %s",
        type);
    checkArgument(maxShardBytes >= 1, "maxShardBytes must be at least 1 but was %s", maxShardBytes);
    return new CheckpointFiles(modelType, config, others, type, maxShardBytes);
  }

  /**
   * Writes the model as a checkpoint of this family.
   *
   * @param model the model
   * @param directory an empty directory
   * @throws IOException if a file cannot be written
   * @throws DistillationException if the model is not one that this family can hold
   */
  @Override
  public void write(DeployableModel model, Path directory) throws IOException {
    if (!(model.model() instanceof ScriptedModel scripted)) {
      throw new DistillationException(
          "model must be one of this library to be saved as a checkpoint but was "
              + model.model().getClass().getSimpleName()
              + "; save it in its own form");
    }
    ModelConfiguration configuration = scripted.configuration().orElseThrow();
    JsonObject written = withConfiguration(configuration).config();
    written.remove("torch_dtype");
    written.addProperty("dtype", type.toString().toLowerCase(Locale.ROOT));
    describeClasses(model, written);
    Family family = Family.of(modelType, new ConfigFile(directory.resolve(CONFIG), written));
    CheckpointTensors.write(
        directory, family.tensors(scripted.weights(), configuration), maxShardBytes, type);
    AtomicFiles.write(directory.resolve(CONFIG), pretty(written));
    for (Map.Entry<String, String> each : others.entrySet()) {
      AtomicFiles.write(directory.resolve(each.getKey()), each.getValue());
    }
    Optional<Tokenizer> tokenizer = model.tokenizer();
    if (tokenizer.isPresent()) {
      tokenizer.get().save(directory);
      if (!others.containsKey(TOKENIZER)) {
        JsonObject described = new JsonObject();
        described.addProperty("tokenizer_class", "PreTrainedTokenizerFast");
        described.addProperty("model_max_length", tokenizer.get().maxLength());
        named(described, "bos_token", tokenizer.get());
        named(described, "eos_token", tokenizer.get());
        named(described, "pad_token", tokenizer.get());
        AtomicFiles.write(directory.resolve(TOKENIZER), pretty(described));
      }
    }
  }

  private static void describeClasses(DeployableModel model, JsonObject written) {
    if (!model.classNames().isEmpty()) {
      JsonObject labels = new JsonObject();
      JsonObject ids = new JsonObject();
      for (int i = 0; i < model.classNames().size(); i++) {
        labels.addProperty(Integer.toString(i), model.classNames().get(i));
        ids.addProperty(model.classNames().get(i), i);
      }
      written.add("id2label", labels);
      written.add("label2id", ids);
    }
  }

  private void named(JsonObject described, String token, Tokenizer tokenizer) {
    JsonElement id = config.get(token + "_id");
    if (id != null && id.isJsonPrimitive()) {
      tokenizer.piece(id(id)).ifPresent(piece -> described.addProperty(token, piece));
    }
  }

  private static String pretty(JsonObject json) {
    Gson gson =
        new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().serializeNulls().create();
    return gson.toJson(json) + "\n";
  }

  @Override
  public String toString() {
    return "CheckpointFiles[" + modelType + "]";
  }
}
