package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.hash.Hashing;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.StrictJson;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;

/**
 * The content of a {@code tokenizer.json}; finds the implementation for it.
 *
 * @param root the definition, never changed
 * @param source how messages call it
 */
record TokenizerDefinition(JsonObject root, String source) {

  /** Many times the largest tokenizer there is. */
  static final int MAX_BYTES = 256 << 20;

  static final String FILE_NAME = "tokenizer.json";

  static TokenizerDefinition read(Path path) {
    requireNonNull(path, "path");
    Path file = Files.isDirectory(path) ? path.resolve(FILE_NAME) : path;
    if (Files.exists(file)) {
      return parse(StrictJson.text(file, "tokenizer", MAX_BYTES), file.toString());
    }
    throw new DistillationException(
        "tokenizer must be a "
            + FILE_NAME
            + " or a directory that has one but "
            + file
            + " does not exist");
  }

  static TokenizerDefinition parse(String text, String source) {
    JsonObject root =
        StrictJson.object(withoutByteOrderMark(text), "tokenizer " + source, MAX_BYTES);
    if (!(root.get("model") instanceof JsonObject)) {
      throw new DistillationException(
          "tokenizer "
              + source
              + " must be a JSON object with a 'model' object but was not; pass the "
              + FILE_NAME
              + " of a fast Hugging Face tokenizer");
    }
    return new TokenizerDefinition(root, source);
  }

  private static String withoutByteOrderMark(String text) {
    return text.startsWith("\uFEFF") ? text.substring(1) : text;
  }

  Tokenizer tokenizer(OptionalInt wantedMaxLength) {
    try {
      int maxLength =
          wantedMaxLength.orElseGet(
              () -> Math.min(Tokenizer.DEFAULT_MAX_LENGTH, truncation("max_length")));
      WordPieceTokenizer fast = WordPieceTokenizer.of(this, maxLength);
      return fast != null ? fast : NativeTokenizer.of(this, maxLength);
    } catch (ClassCastException
        | IllegalStateException
        | IndexOutOfBoundsException
        | NullPointerException
        | IllegalArgumentException
        | UnsupportedOperationException e) {
      if (wantedMaxLength.isPresent()
          && e instanceof IllegalArgumentException
          && !(e instanceof NumberFormatException)) {
        // the caller's number, not one of the file
        throw e;
      }
      // how Gson says that an element has another type than it should
      throw new DistillationException(
          "tokenizer " + source + " must be a valid definition but was not: " + e, e);
    }
  }

  private int truncation(String key) {
    return root.get("truncation") instanceof JsonObject truncation && truncation.has(key)
        ? StrictJson.integer(truncation.get(key))
        : Integer.MAX_VALUE;
  }

  JsonObject model() {
    return root.getAsJsonObject("model");
  }

  /** Returns the elements of the list of added tokens. */
  List<JsonObject> addedTokens() {
    List<JsonObject> tokens = new ArrayList<>();
    if (root.get("added_tokens") instanceof JsonArray array) {
      array.forEach(token -> tokens.add(token.getAsJsonObject()));
    }
    return tokens;
  }

  /** Returns the ids of the added tokens that are special, ascending. */
  Set<Integer> specialIds() {
    Set<Integer> ids = new TreeSet<>();
    for (JsonObject token : addedTokens()) {
      if (token.get("special") instanceof JsonPrimitive special && special.getAsBoolean()) {
        ids.add(StrictJson.integer(token.get("id")));
      }
    }
    return Collections.unmodifiableSet(ids);
  }

  /** Tells whether long texts lose their start instead of their end. */
  boolean truncatesLeft() {
    return root.get("truncation") instanceof JsonObject truncation
        && truncation.get("direction") instanceof JsonPrimitive direction
        && direction.getAsString().equals("Left");
  }

  /** Returns the id in the file's padding section, or 0. */
  int padIdOfFile() {
    return root.get("padding") instanceof JsonObject padding && padding.has("pad_id")
        ? StrictJson.integer(padding.get("pad_id"))
        : 0;
  }

  /**
   * Writes a definition so that equal tokenizers have equal texts: keys sorted, the vocabulary by
   * id, truncation to {@code maxLength}, no padding.
   */
  static String canonicalJson(JsonObject root, int maxLength, boolean truncatesLeft) {
    JsonObject truncation = new JsonObject();
    truncation.addProperty("direction", truncatesLeft ? "Left" : "Right");
    truncation.addProperty("max_length", maxLength);
    truncation.addProperty("strategy", "LongestFirst");
    truncation.addProperty("stride", 0);
    JsonObject copy = new JsonObject();
    root.entrySet().forEach(entry -> copy.add(entry.getKey(), entry.getValue()));
    copy.add("truncation", truncation);
    copy.add("padding", JsonNull.INSTANCE);
    JsonObject sorted = sorted(copy);
    JsonObject model = sorted.getAsJsonObject("model");
    if (model.get("vocab") instanceof JsonObject) {
      JsonObject vocabulary = new JsonObject();
      root.getAsJsonObject("model").getAsJsonObject("vocab").entrySet().stream()
          .sorted(
              Comparator.<Map.Entry<String, JsonElement>>comparingInt(
                      entry -> StrictJson.integer(entry.getValue()))
                  .thenComparing(Map.Entry::getKey))
          .forEach(entry -> vocabulary.add(entry.getKey(), entry.getValue()));
      model.add("vocab", vocabulary);
    }
    return sorted.toString();
  }

  private static JsonObject sorted(JsonObject object) {
    JsonObject result = new JsonObject();
    object.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .forEach(entry -> result.add(entry.getKey(), sortedElement(entry.getValue())));
    return result;
  }

  private static JsonElement sortedElement(JsonElement element) {
    if (element instanceof JsonObject object) {
      return sorted(object);
    }
    if (element instanceof JsonArray array) {
      JsonArray result = new JsonArray(array.size());
      array.forEach(child -> result.add(sortedElement(child)));
      return result;
    }
    return element;
  }

  static String fingerprint(String json) {
    return Hashing.sha256().hashString(json, StandardCharsets.UTF_8).toString();
  }

  /** Picks the padding token by its usual names; what pads is masked, so 0 will do if none. */
  static int padId(Function<String, OptionalInt> ids, int otherwise) {
    for (String name : List.of("[PAD]", "<pad>", "<|pad|>", "<PAD>")) {
      OptionalInt id = ids.apply(name);
      if (id.isPresent()) {
        return id.getAsInt();
      }
    }
    return otherwise;
  }

  /** Refuses ids that cannot be ids of any tokenizer. */
  static void requireIds(int[] ids) {
    requireNonNull(ids, "ids");
    for (int id : ids) {
      checkArgument(id >= 0, "ids must not be negative but one was %s", id);
    }
  }

  static void save(Path directory, String json) {
    AtomicFiles.write(requireNonNull(directory, "directory").resolve(FILE_NAME), json);
  }
}
