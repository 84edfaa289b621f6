package io.distill.data;

import static java.util.Objects.requireNonNull;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Takes pieces out of the vocabulary of a byte-pair or Unigram tokenizer.
 *
 * <p>Byte pairs: a text is merged greedily by rank. As long as all merges that its encoding applied
 * are kept, the best of those left is the same in each step, and so is the result. The merges
 * inside of a piece are those of the piece alone, for no merge crosses its borders.
 *
 * <p>Unigram: of all ways to cut a text, the best one stays the best of those left, as long as its
 * pieces are kept, and the piece of the lowest score, from which the score of what is unknown
 * follows.
 *
 * <p>Single bytes are kept, and single characters where bytes do not stand in for them, so that
 * what could be encoded still can.
 */
final class TrimmedVocabulary {

  /** Of a longer piece, all ways are kept: merging it takes the square of its length. */
  private static final int LONGEST_MERGED = 1000;

  private final TokenizerDefinition definition;
  private final JsonObject model;
  private final Map<String, Integer> ids = new HashMap<>();
  private final Map<Integer, String> pieces = new HashMap<>();
  private final Set<String> ofModel = new HashSet<>();
  private final List<Merge> merges = new ArrayList<>();
  private final BitSet kept = new BitSet();
  private final BitSet keptMerges = new BitSet();

  private record Merge(String left, String right, JsonElement source) {
    String result() {
      return left + right;
    }

    String pair() {
      return pair(left, right);
    }

    static String pair(String left, String right) {
      return left.length() + " " + left + right;
    }
  }

  /** A smaller definition, and the old id of each new one. */
  static final class Result {

    private final TokenizerDefinition definition;
    private final int[] originalIds;

    private Result(TokenizerDefinition definition, int[] originalIds) {
      this.definition = definition;
      this.originalIds = originalIds;
    }

    TokenizerDefinition definition() {
      return definition;
    }

    int[] originalIds() {
      return originalIds.clone();
    }
  }

  private TrimmedVocabulary(TokenizerDefinition definition) {
    this.definition = definition;
    this.model = definition.model();
    boolean bytePair =
        model.get("vocab") instanceof JsonObject && model.get("merges") instanceof JsonArray;
    boolean unigram = model.get("vocab") instanceof JsonArray;
    if (!bytePair && !unigram) {
      JsonElement type = model.get("type");
      throw refused(
          "must be a BERT-style WordPiece, byte-pair (BPE) or Unigram tokenizer to be trimmed but"
              + " its model was "
              + (type == null ? "of no type" : type.toString()));
    }
    if (bytePair) {
      readBytePairs();
    } else {
      JsonArray vocabulary = model.getAsJsonArray("vocab");
      for (int id = 0; id < vocabulary.size(); id++) {
        put(vocabulary.get(id).getAsJsonArray().get(0).getAsString(), id);
      }
    }
    ofModel.addAll(ids.keySet());
    for (JsonObject token : definition.addedTokens()) {
      String content = token.get("content").getAsString();
      int id = StrictJson.integer(token.get("id"));
      Integer known = ids.get(content);
      if (known == null) {
        put(content, id);
      } else if (known != id) {
        throw refused(
            "must give each piece one id to be trimmed but '"
                + content
                + "' has "
                + known
                + " and "
                + id);
      }
    }
  }

  /**
   * Trims a definition.
   *
   * @param used the ids that texts were encoded to
   * @param allWays whether merges are kept by which pieces could be made in other texts, too
   * @throws DistillationException if the tokenizer is of another kind, or has what this cannot trim
   */
  static Result trim(TokenizerDefinition definition, BitSet used, boolean allWays) {
    TrimmedVocabulary vocabulary;
    try {
      vocabulary = new TrimmedVocabulary(definition);
      vocabulary.keep(used, allWays);
      return vocabulary.result();
    } catch (ClassCastException
        | IllegalStateException
        | IndexOutOfBoundsException
        | NullPointerException
        | NumberFormatException
        | UnsupportedOperationException e) {
      throw new DistillationException(
          "tokenizer "
              + definition.source()
              + " must be a valid definition to be trimmed but was not: "
              + e,
          e);
    }
  }

  private DistillationException refused(String what) {
    return new DistillationException(
        "tokenizer " + definition.source() + " " + what + "; use it untrimmed");
  }

  private void put(String piece, int id) {
    String other = pieces.putIfAbsent(id, piece);
    Integer otherId = ids.putIfAbsent(piece, id);
    if (id < 0 || other != null || otherId != null) {
      throw refused(
          "must have one id for each piece to be trimmed but has '"
              + piece
              + "' as "
              + id
              + ", and "
              + (other != null ? "'" + other + "' too" : "as " + otherId));
    }
  }

  private void readBytePairs() {
    for (String key : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
      if (model.get(key) instanceof JsonPrimitive text && !text.getAsString().isEmpty()) {
        throw refused("must have no " + key + " to be trimmed but has " + text);
      }
    }
    if (model.get("dropout") instanceof JsonPrimitive dropout && dropout.getAsDouble() != 0) {
      throw refused("must have no dropout to be trimmed but has " + dropout);
    }
    model
        .getAsJsonObject("vocab")
        .entrySet()
        .forEach(entry -> put(entry.getKey(), StrictJson.integer(entry.getValue())));
    for (JsonElement each : model.getAsJsonArray("merges")) {
      // written as a text in older files, as a pair in newer ones
      String left;
      String right;
      if (each instanceof JsonArray pair) {
        left = pair.get(0).getAsString();
        right = pair.get(1).getAsString();
      } else {
        String text = each.getAsString();
        int space = text.indexOf(' ');
        if (space < 0) {
          throw refused("must have merges of two pieces to be trimmed but has '" + text + "'");
        }
        left = text.substring(0, space);
        right = text.substring(space + 1);
      }
      merges.add(new Merge(left, right, each));
    }
  }

  // ---- what is kept -------------------------------------------------------------------------

  private void keep(BitSet used, boolean allWays) {
    kept.or(used);
    definition.addedTokens().forEach(token -> kept.set(requireId(token.get("content"))));
    if (model.get("unk_token") instanceof JsonPrimitive unknown
        && ids.get(unknown.getAsString()) != null) {
      kept.set(requireId(unknown));
    }
    keepIds(definition.root().get("post_processor"));
    int padId = TokenizerDefinition.padId(this::id, definition.padIdOfFile());
    if (pieces.containsKey(padId)) {
      kept.set(padId);
    }
    keepCharacters();
    if (model.get("vocab") instanceof JsonArray vocabulary) {
      keepUnknown(vocabulary);
    } else {
      keepMerges(allWays);
    }
  }

  private OptionalInt id(String piece) {
    Integer id = ids.get(piece);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  private int requireId(JsonElement piece) {
    return requireNonNull(ids.get(piece.getAsString()), piece.getAsString());
  }

  /** Keeps the tokens that a post-processor adds. */
  private void keepIds(@Nullable JsonElement processor) {
    if (processor instanceof JsonObject object) {
      // the definition is never changed, not even to what it was
      renumber(
          object.deepCopy(),
          id -> {
            kept.set(id);
            return id;
          });
    }
  }

  private void keepCharacters() {
    boolean bytes =
        model.get("byte_fallback") instanceof JsonPrimitive fallback && fallback.getAsBoolean();
    for (int value = 0; value < 256; value++) {
      Integer id = ids.get(String.format(Locale.ROOT, "<0x%02X>", value));
      bytes &= id != null;
      if (id != null) {
        kept.set(id);
      }
    }
    for (String piece : ofModel) {
      int point = piece.isEmpty() ? -1 : piece.codePointAt(0);
      boolean single = point >= 0 && piece.length() == Character.charCount(point);
      // with all bytes, other characters fall apart into them
      if (single && (!bytes || point <= 0x7e || point == '▁')) {
        kept.set(requireNonNull(ids.get(piece)));
      }
    }
    if (!bytes && model.get("vocab") instanceof JsonArray) {
      // a character may be known within pieces alone
      ofModel.stream()
          .filter(
              piece -> !piece.codePoints().allMatch(p -> ofModel.contains(Character.toString(p))))
          .forEach(piece -> kept.set(requireNonNull(ids.get(piece))));
    }
  }

  private void keepUnknown(JsonArray vocabulary) {
    if (model.get("unk_id") instanceof JsonPrimitive unknown) {
      kept.set(StrictJson.integer(unknown));
    }
    int lowest = 0;
    for (int id = 1; id < vocabulary.size(); id++) {
      if (score(vocabulary, id) < score(vocabulary, lowest)) {
        lowest = id;
      }
    }
    kept.set(lowest);
  }

  private static double score(JsonArray vocabulary, int id) {
    return vocabulary.get(id).getAsJsonArray().get(1).getAsDouble();
  }

  private void keepMerges(boolean allWays) {
    Map<String, Integer> ranks = new HashMap<>();
    Map<String, List<Integer>> byResult = new HashMap<>();
    for (int i = 0; i < merges.size(); i++) {
      // of a pair that is there twice, the last one counts
      ranks.put(merges.get(i).pair(), i);
      byResult.computeIfAbsent(merges.get(i).result(), key -> new ArrayList<>()).add(i);
    }
    Deque<String> open = new ArrayDeque<>();
    kept.stream().mapToObj(pieces::get).filter(ofModel::contains).forEach(open::add);
    Set<String> seen = new HashSet<>(open);
    while (!open.isEmpty()) {
      String piece = open.remove();
      kept.set(requireNonNull(ids.get(piece)));
      List<Integer> ways = byResult.get(piece);
      if (ways == null) {
        continue;
      }
      List<Integer> applied = allWays ? ways : applied(piece, ranks);
      // a piece that its characters do not give may be made of bytes, or be taken whole
      for (int rank : applied.isEmpty() ? ways : applied) {
        Merge merge = merges.get(rank);
        keptMerges.set(rank);
        for (String each : List.of(merge.left(), merge.right(), merge.result())) {
          if (seen.add(each)) {
            open.add(each);
          }
        }
      }
    }
  }

  /** Returns the merges that make a piece of its characters; none if that cannot be told. */
  private static List<Integer> applied(String piece, Map<String, Integer> ranks) {
    if (piece.length() > LONGEST_MERGED) {
      return List.of();
    }
    List<String> parts = new ArrayList<>();
    piece.codePoints().mapToObj(Character::toString).forEach(parts::add);
    List<Integer> applied = new ArrayList<>();
    while (parts.size() > 1) {
      int best = -1;
      int bestRank = Integer.MAX_VALUE;
      for (int i = 0; i + 1 < parts.size(); i++) {
        Integer rank = ranks.get(Merge.pair(parts.get(i), parts.get(i + 1)));
        if (rank != null && rank < bestRank) {
          best = i;
          bestRank = rank;
        }
      }
      if (best < 0) {
        return List.of();
      }
      applied.add(bestRank);
      parts.set(best, parts.get(best) + parts.remove(best + 1));
    }
    return applied;
  }

  // ---- the new definition -------------------------------------------------------------------

  private Result result() {
    // ids that no piece has, as of a template that names others, are refused by the reader
    int[] originalIds = kept.stream().filter(pieces::containsKey).toArray();
    JsonObject newModel = new JsonObject();
    model.entrySet().forEach(entry -> newModel.add(entry.getKey(), entry.getValue()));
    IntUnaryOperator newId = id -> Math.max(0, Arrays.binarySearch(originalIds, id));
    if (model.get("vocab") instanceof JsonArray vocabulary) {
      JsonArray newVocabulary = new JsonArray();
      for (int id : originalIds) {
        if (id < vocabulary.size()) {
          newVocabulary.add(vocabulary.get(id));
        }
      }
      newModel.add("vocab", newVocabulary);
      if (model.get("unk_id") instanceof JsonPrimitive unknown) {
        newModel.addProperty("unk_id", newId.applyAsInt(StrictJson.integer(unknown)));
      }
    } else {
      JsonObject newVocabulary = new JsonObject();
      for (int id = 0; id < originalIds.length; id++) {
        String piece = requireNonNull(pieces.get(originalIds[id]));
        if (ofModel.contains(piece)) {
          newVocabulary.addProperty(piece, id);
        }
      }
      newModel.add("vocab", newVocabulary);
      JsonArray newMerges = new JsonArray();
      keptMerges.stream().forEach(rank -> newMerges.add(merges.get(rank).source()));
      newModel.add("merges", newMerges);
    }
    return new Result(
        new TokenizerDefinition(
            renumbered(definition, newModel, newId), definition.source() + " (trimmed)"),
        originalIds);
  }

  /**
   * Returns a definition with another model and other ids in all other places.
   *
   * @param newId the new id of an old one
   */
  static JsonObject renumbered(
      TokenizerDefinition definition, JsonObject newModel, IntUnaryOperator newId) {
    JsonObject root = new JsonObject();
    for (Map.Entry<String, JsonElement> entry : definition.root().entrySet()) {
      root.add(
          entry.getKey(), entry.getKey().equals("model") ? newModel : entry.getValue().deepCopy());
    }
    for (JsonObject token : new TokenizerDefinition(root, "").addedTokens()) {
      token.addProperty("id", newId.applyAsInt(StrictJson.integer(token.get("id"))));
    }
    if (root.get("post_processor") instanceof JsonObject processor) {
      renumber(processor, newId);
    }
    return root;
  }

  /** Changes the ids of a post-processor, and of those inside of it. */
  private static void renumber(JsonObject processor, IntUnaryOperator newId) {
    for (String key : List.of("cls", "sep")) {
      if (processor.get(key) instanceof JsonArray pair) {
        pair.set(1, new JsonPrimitive(newId.applyAsInt(StrictJson.integer(pair.get(1)))));
      }
    }
    if (processor.get("special_tokens") instanceof JsonObject tokens) {
      for (Map.Entry<String, JsonElement> entry : tokens.entrySet()) {
        JsonArray ids = entry.getValue().getAsJsonObject().getAsJsonArray("ids");
        for (int i = 0; i < ids.size(); i++) {
          ids.set(i, new JsonPrimitive(newId.applyAsInt(StrictJson.integer(ids.get(i)))));
        }
      }
    }
    if (processor.get("processors") instanceof JsonArray parts) {
      for (JsonElement part : parts) {
        if (part instanceof JsonObject object) {
          renumber(object, newId);
        }
      }
    }
  }
}
