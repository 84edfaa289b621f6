package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.ref.Cleaner;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/** A tokenizer of any kind, run by DJL's native Hugging Face tokenizer. */
final class NativeTokenizer implements Tokenizer {

  // a tokenizer has no close method: its native half is freed when the garbage collector finds it
  private static final Cleaner CLEANER = Cleaner.create();

  /** Far above any vocabulary; an embedding has a row for each id up to the largest. */
  private static final int MAX_ID = (1 << 24) - 1;

  private final TokenizerDefinition definition;
  private final int maxLength;
  private final String json;
  private final String fingerprint;
  private final Map<String, Integer> ids;
  private final Map<Integer, String> pieces;
  private final Set<Integer> specialIds;
  private final int vocabularySize;
  private final HuggingFaceTokenizer tokenizer;

  private NativeTokenizer(
      TokenizerDefinition definition,
      int maxLength,
      String json,
      Map<String, Integer> ids,
      HuggingFaceTokenizer tokenizer) {
    this.definition = definition;
    this.maxLength = maxLength;
    this.json = json;
    this.fingerprint = TokenizerDefinition.fingerprint(json);
    this.ids = ids;
    this.pieces = new HashMap<>(ids.size() * 2);
    ids.forEach((piece, id) -> pieces.put(id, piece));
    // an added token covers the piece that has its id
    for (JsonObject token : definition.addedTokens()) {
      pieces.put(id(token.get("id")), token.get("content").getAsString());
    }
    this.specialIds = definition.specialIds();
    this.vocabularySize = ids.values().stream().mapToInt(Integer::intValue).max().orElse(-1) + 1;
    this.tokenizer = tokenizer;
  }

  static NativeTokenizer of(TokenizerDefinition definition, int maxLength) {
    String json =
        TokenizerDefinition.canonicalJson(definition.root(), maxLength, definition.truncatesLeft());
    Map<String, String> options =
        Map.of(
            "padding",
            "DO_NOT_PAD",
            "truncation",
            "LONGEST_FIRST",
            "maxLength",
            Integer.toString(maxLength),
            "modelMaxLength",
            Integer.toString(maxLength),
            "addSpecialTokens",
            "true");
    NativeTokenizerCheck.require(definition.root());
    HuggingFaceTokenizer tokenizer = open(json, definition.source(), options);
    boolean complete = false;
    try {
      long[] special = encode(tokenizer, definition.source(), "", true);
      int specialTokens = special.length;
      checkArgument(
          maxLength > specialTokens,
          "maxLength must be greater than the %s special tokens of a text but was %s",
          specialTokens,
          maxLength);
      NativeTokenizer result =
          new NativeTokenizer(definition, maxLength, json, pieces(definition), tokenizer);
      for (long id : special) {
        if (id < 0 || id >= result.vocabularySize) {
          throw new IllegalStateException(
              "the special token "
                  + id
                  + " is outside of the vocabulary of "
                  + result.vocabularySize
                  + " ids");
        }
      }
      CLEANER.register(result, tokenizer::close);
      complete = true;
      return result;
    } finally {
      if (!complete) {
        tokenizer.close();
      }
    }
  }

  private static HuggingFaceTokenizer open(
      String json, String source, Map<String, String> options) {
    try {
      return HuggingFaceTokenizer.newInstance(
          new ByteArrayInputStream(json.getBytes(StandardCharsets.UTF_8)), options);
    } catch (IOException | RuntimeException e) {
      throw new DistillationException(
          "tokenizer "
              + source
              + " must be a definition that the native tokenizer can read but was not: "
              + e.getMessage(),
          e);
    }
  }

  private static Map<String, Integer> pieces(TokenizerDefinition definition) {
    Map<String, Integer> ids = new HashMap<>();
    JsonElement vocabulary = definition.model().get("vocab");
    if (vocabulary instanceof JsonObject object) {
      object.entrySet().forEach(entry -> ids.put(entry.getKey(), id(entry.getValue())));
    } else if (vocabulary instanceof JsonArray array) {
      // Unigram: pairs of piece and score, the id is the position
      for (int i = 0; i < array.size(); i++) {
        ids.put(array.get(i).getAsJsonArray().get(0).getAsString(), i);
      }
    }
    for (JsonObject token : definition.addedTokens()) {
      ids.put(token.get("content").getAsString(), id(token.get("id")));
    }
    return ids;
  }

  private static long[] encode(
      HuggingFaceTokenizer tokenizer, String source, String text, boolean specialTokens) {
    try {
      return tokenizer.encode(text, specialTokens, false).getIds();
    } catch (RuntimeException e) {
      throw new DistillationException(
          "tokenizer "
              + source
              + " must be able to encode any text but was not: "
              + e.getMessage()
              + "; check that its model fits its special tokens",
          e);
    }
  }

  private static int id(JsonElement element) {
    int id = StrictJson.integer(element);
    if (id < 0 || id > MAX_ID) {
      throw new IllegalStateException("ids must be from 0 to " + MAX_ID + " but one is " + id);
    }
    return id;
  }

  @Override
  public int[] encode(String text) {
    return encode(text, true);
  }

  @Override
  public int[] encode(String text, boolean specialTokens) {
    requireNonNull(text, "text");
    long[] longs = encode(tokenizer, definition.source(), WellFormed.text(text), specialTokens);
    int[] result = new int[longs.length];
    for (int i = 0; i < result.length; i++) {
      result[i] = (int) longs[i];
    }
    return result;
  }

  @Override
  public String decode(int[] tokenIds, boolean skipSpecialTokens) {
    TokenizerDefinition.requireIds(tokenIds);
    try {
      return tokenizer.decode(Arrays.stream(tokenIds).asLongStream().toArray(), skipSpecialTokens);
    } catch (RuntimeException e) {
      throw new DistillationException(
          "tokenizer "
              + definition.source()
              + " must be able to decode any ids but was not: "
              + e.getMessage()
              + "; check its decoder",
          e);
    }
  }

  @Override
  public Optional<String> piece(int id) {
    return Optional.ofNullable(pieces.get(id));
  }

  @Override
  public Set<Integer> specialIds() {
    return specialIds;
  }

  @Override
  public int vocabularySize() {
    return vocabularySize;
  }

  @Override
  public int maxLength() {
    return maxLength;
  }

  @Override
  public int padId() {
    return TokenizerDefinition.padId(this::id, definition.padIdOfFile());
  }

  @Override
  public OptionalInt id(String piece) {
    Integer id = ids.get(requireNonNull(piece, "piece"));
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  @Override
  public Tokenizer withMaxLength(int newMaxLength) {
    checkArgument(newMaxLength >= 1, "maxLength must be at least 1 but was %s", newMaxLength);
    return newMaxLength == maxLength ? this : of(definition, newMaxLength);
  }

  @Override
  public Tokenizer trimmedTo(Iterable<String> texts) {
    requireNonNull(texts, "texts");
    JsonElement type = definition.model().get("type");
    throw new DistillationException(
        "tokenizer must be a BERT-style WordPiece tokenizer to be trimmed but its model was "
            + (type == null ? "of no type" : type.toString())
            + "; use it untrimmed, or train the student with a WordPiece tokenizer");
  }

  @Override
  public int[] originalIds() {
    int[] result = new int[vocabularySize];
    Arrays.setAll(result, id -> id);
    return result;
  }

  @Override
  public String json() {
    return json;
  }

  @Override
  public String fingerprint() {
    return fingerprint;
  }

  @Override
  public void save(Path directory) {
    TokenizerDefinition.save(directory, json);
  }

  @Override
  public String toString() {
    return "Tokenizer[native, " + vocabularySize + " pieces, maxLength " + maxLength + "]";
  }
}
