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
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A tokenizer of any kind, run by DJL's native Hugging Face tokenizer. */
final class NativeTokenizer implements Tokenizer {

  // a tokenizer has no close method: its native half is freed when the garbage collector finds it
  private static final Cleaner CLEANER = Cleaner.create();

  /** Far above any vocabulary; an embedding has a row for each id up to the largest. */
  private static final int MAX_ID = (1 << 24) - 1;

  /** Longer than any text. */
  private static final int UNTRUNCATED = 1 << 30;

  private final TokenizerDefinition definition;
  private final int maxLength;
  private final String json;
  private final String fingerprint;
  private final Map<String, Integer> ids;
  private final Map<Integer, String> pieces;
  private final Set<Integer> specialIds;
  private final int @Nullable [] originalIds;
  private final int vocabularySize;
  private final HuggingFaceTokenizer tokenizer;

  private NativeTokenizer(
      TokenizerDefinition definition,
      int maxLength,
      String json,
      Map<String, Integer> ids,
      int @Nullable [] originalIds,
      HuggingFaceTokenizer tokenizer) {
    this.definition = definition;
    this.maxLength = maxLength;
    this.json = json;
    this.fingerprint = TokenizerDefinition.fingerprint(json);
    this.ids = ids;
    this.originalIds = originalIds;
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
    return of(definition, maxLength, null);
  }

  private static NativeTokenizer of(
      TokenizerDefinition definition, int maxLength, int @Nullable [] originalIds) {
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
          new NativeTokenizer(
              definition, maxLength, json, pieces(definition), originalIds, tokenizer);
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
    return newMaxLength == maxLength ? this : of(definition, newMaxLength, originalIds);
  }

  @Override
  public Tokenizer trimmedTo(Iterable<String> texts) {
    requireNonNull(texts, "texts");
    // refuses what cannot be trimmed before any text is read
    TrimmedVocabulary.trim(definition, new BitSet(), false);
    NativeTokenizer whole = of(definition, UNTRUNCATED, null);
    BitSet used = new BitSet();
    for (String text : texts) {
      for (int id : whole.encode(text)) {
        used.set(id);
      }
    }
    String different = "";
    for (boolean allWays : new boolean[] {false, true}) {
      TrimmedVocabulary.Result trimmed = TrimmedVocabulary.trim(definition, used, allWays);
      different =
          difference(whole, of(trimmed.definition(), UNTRUNCATED, trimmed.originalIds()), texts);
      if (different.isEmpty()) {
        return of(trimmed.definition(), maxLength, trimmed.originalIds());
      }
    }
    throw new DistillationException(
        "tokenizer "
            + definition.source()
            + " must cut texts alike when trimmed to them but cuts this one otherwise: "
            + different
            + "; use it untrimmed");
  }

  /** Returns the start of a text that is cut into other pieces, or nothing. */
  private static String difference(
      NativeTokenizer whole, NativeTokenizer trimmed, Iterable<String> texts) {
    List<String> names =
        whole.definition.addedTokens().stream()
            .map(token -> token.get("content").getAsString())
            .toList();
    for (Iterable<String> part : List.of(names, texts)) {
      for (String text : part) {
        int[] ids = trimmed.encode(text);
        for (int i = 0; i < ids.length; i++) {
          ids[i] = requireNonNull(trimmed.originalIds)[ids[i]];
        }
        if (!Arrays.equals(ids, whole.encode(text))) {
          return text.length() <= 100 ? text : text.substring(0, 100) + "...";
        }
      }
    }
    return "";
  }

  @Override
  public int[] originalIds() {
    if (originalIds != null) {
      return originalIds.clone();
    }
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
