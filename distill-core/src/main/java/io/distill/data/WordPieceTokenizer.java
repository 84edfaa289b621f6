package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.internal.StrictJson;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * BERT's tokenizer in Java: greedy longest match over a trie, with a fast path for ASCII.
 *
 * <p>The ids are those of the Hugging Face tokenizers library for the same definition.
 */
final class WordPieceTokenizer implements Tokenizer {

  private static final String PREFIX = "##";
  private static final int NONE = -1;
  private static final int[] NO_IDS = {};

  private final Vocabulary vocabulary;
  private final int maxLength;
  private volatile @Nullable String fingerprint;
  private volatile @Nullable Tokenizer other;

  private WordPieceTokenizer(Vocabulary vocabulary, int maxLength) {
    int specialTokens = vocabulary.before.length + vocabulary.after.length;
    checkArgument(
        maxLength > specialTokens,
        "maxLength must be greater than the %s special tokens of a text but was %s",
        specialTokens,
        maxLength);
    this.vocabulary = vocabulary;
    this.maxLength = maxLength;
  }

  /** Returns the tokenizer of a definition, or null if it is not of this kind. */
  static @Nullable WordPieceTokenizer of(TokenizerDefinition definition, int maxLength) {
    Vocabulary vocabulary = Vocabulary.of(definition);
    return vocabulary == null ? null : new WordPieceTokenizer(vocabulary, maxLength);
  }

  /** What tokenizers of different maximum length share. */
  private static final class Vocabulary {

    final TokenizerDefinition definition;
    final String[] pieces;
    final Map<String, Integer> ids;
    final PieceTrie trie;
    final BertNormalizer normalizer;
    final List<AddedToken> addedTokens;
    final int[] before;
    final int[] after;
    final int unknown;
    final int longestWord;
    final boolean truncatesLeft;
    final int @Nullable [] originalIds;
    final Set<Integer> specialIds;

    private Vocabulary(
        TokenizerDefinition definition,
        String[] pieces,
        List<AddedToken> addedTokens,
        int[] before,
        int[] after,
        int unknown,
        int @Nullable [] originalIds) {
      this.definition = definition;
      this.pieces = pieces;
      this.ids = new HashMap<>(pieces.length * 2);
      for (int id = 0; id < pieces.length; id++) {
        ids.put(pieces[id], id);
      }
      this.trie = PieceTrie.of(pieces, PREFIX);
      this.normalizer = BertNormalizer.of(definition.root().getAsJsonObject("normalizer"));
      this.addedTokens = addedTokens;
      this.before = before;
      this.after = after;
      this.unknown = unknown;
      JsonElement longest = definition.model().get("max_input_chars_per_word");
      this.longestWord = longest == null ? 100 : StrictJson.integer(longest);
      this.truncatesLeft = definition.truncatesLeft();
      this.originalIds = originalIds;
      this.specialIds = definition.specialIds();
    }

    static @Nullable Vocabulary of(TokenizerDefinition definition) {
      return of(definition, null);
    }

    static @Nullable Vocabulary of(TokenizerDefinition definition, int @Nullable [] originalIds) {
      JsonObject root = definition.root();
      JsonObject model = definition.model();
      if (!hasType(root.get("normalizer"), "BertNormalizer")
          || !hasType(root.get("pre_tokenizer"), "BertPreTokenizer")
          || !hasType(model, "WordPiece")
          || !(model.get("continuing_subword_prefix") instanceof JsonPrimitive prefix)
          || !prefix.getAsString().equals(PREFIX)) {
        return null;
      }
      String[] pieces = pieces(model.getAsJsonObject("vocab"));
      if (pieces == null) {
        return null;
      }
      List<AddedToken> addedTokens = addedTokens(definition, pieces);
      JsonElement unknownName = model.get("unk_token");
      int unknown =
          unknownName == null ? NONE : Arrays.asList(pieces).indexOf(unknownName.getAsString());
      List<List<Integer>> template = template(root.get("post_processor"));
      if (addedTokens == null || unknown == NONE || template == null) {
        return null;
      }
      for (List<Integer> part : template) {
        for (int id : part) {
          if (id < 0 || id >= pieces.length) {
            throw new IllegalStateException(
                "the special token "
                    + id
                    + " is outside of the vocabulary of "
                    + pieces.length
                    + " pieces");
          }
        }
      }
      return new Vocabulary(
          definition,
          pieces,
          addedTokens,
          template.get(0).stream().mapToInt(Integer::intValue).toArray(),
          template.get(1).stream().mapToInt(Integer::intValue).toArray(),
          unknown,
          originalIds);
    }

    private static boolean hasType(@Nullable JsonElement element, String type) {
      return element instanceof JsonObject object
          && object.get("type") instanceof JsonPrimitive actual
          && actual.getAsString().equals(type);
    }

    /** Returns the pieces by id, or null if ids are not dense. */
    private static String @Nullable [] pieces(JsonObject vocabulary) {
      @Nullable String[] pieces = new @Nullable String[vocabulary.size()];
      for (Map.Entry<String, JsonElement> entry : vocabulary.entrySet()) {
        int id = StrictJson.integer(entry.getValue());
        if (id < 0 || id >= pieces.length || pieces[id] != null) {
          return null;
        }
        pieces[id] = entry.getKey();
      }
      String[] result = new String[pieces.length];
      for (int id = 0; id < pieces.length; id++) {
        // every id is taken once, or the loop above would have met one twice
        result[id] = requireNonNull(pieces[id]);
      }
      return result;
    }

    /** Returns the added tokens, longest first, or null if one needs more than a plain search. */
    private static @Nullable List<AddedToken> addedTokens(
        TokenizerDefinition definition, String[] pieces) {
      List<AddedToken> result = new ArrayList<>();
      for (JsonObject token : definition.addedTokens()) {
        String content = token.get("content").getAsString();
        int id = StrictJson.integer(token.get("id"));
        // lstrip and rstrip take whitespace away, which yields no pieces anyway
        if (token.get("normalized").getAsBoolean()
            || token.get("single_word").getAsBoolean()
            || content.isEmpty()
            || content.chars().anyMatch(Character::isWhitespace)
            || id < 0
            || id >= pieces.length
            || !pieces[id].equals(content)) {
          return null;
        }
        result.add(new AddedToken(content, id));
      }
      result.sort(
          Comparator.comparingInt((AddedToken token) -> token.content().length()).reversed());
      return result;
    }

    /** Returns the ids before and after the text, or null if the post-processor is another. */
    private static @Nullable List<List<Integer>> template(@Nullable JsonElement element) {
      List<Integer> before = new ArrayList<>();
      List<Integer> after = new ArrayList<>();
      if (hasType(element, "BertProcessing")) {
        JsonObject processor = requireNonNull(element).getAsJsonObject();
        before.add(StrictJson.integer(processor.getAsJsonArray("cls").get(1)));
        after.add(StrictJson.integer(processor.getAsJsonArray("sep").get(1)));
      } else if (hasType(element, "TemplateProcessing")) {
        JsonObject processor = requireNonNull(element).getAsJsonObject();
        JsonObject tokens = processor.getAsJsonObject("special_tokens");
        int sequences = 0;
        for (JsonElement item : processor.getAsJsonArray("single")) {
          JsonObject part = item.getAsJsonObject();
          if (part.has("Sequence")) {
            sequences++;
            continue;
          }
          String name = part.getAsJsonObject("SpecialToken").get("id").getAsString();
          for (JsonElement id : tokens.getAsJsonObject(name).getAsJsonArray("ids")) {
            (sequences == 0 ? before : after).add(StrictJson.integer(id));
          }
        }
        if (sequences != 1) {
          return null;
        }
      } else if (element != null && !element.isJsonNull()) {
        return null;
      }
      return List.of(before, after);
    }
  }

  private record AddedToken(String content, int id) {}

  /** The ids of one text while they are found. */
  private static final class Encoding {

    int[] ids;
    int size;
    final int limit;
    final @Nullable BitSet used;

    Encoding(int capacity, int limit, @Nullable BitSet used) {
      this.ids = new int[capacity];
      this.limit = limit;
      this.used = used;
    }

    void add(int id) {
      if (size == ids.length) {
        ids = Arrays.copyOf(ids, size * 2);
      }
      ids[size++] = id;
      if (used != null) {
        used.set(id);
      }
    }

    boolean isFull() {
      return size >= limit;
    }
  }

  @Override
  public int[] encode(String text) {
    return encode(text, true);
  }

  @Override
  public int[] encode(String text, boolean specialTokens) {
    requireNonNull(text, "text");
    int[] before = specialTokens ? vocabulary.before : NO_IDS;
    int[] after = specialTokens ? vocabulary.after : NO_IDS;
    int room = maxLength - before.length - after.length;
    // what comes after the last token kept need not be looked at, unless the start is cut off
    Encoding encoding =
        new Encoding(
            text.length() / 4 + 8, vocabulary.truncatesLeft ? Integer.MAX_VALUE : room, null);
    encode(WellFormed.text(text), encoding);
    int kept = Math.min(encoding.size, room);
    int[] result = new int[before.length + kept + after.length];
    System.arraycopy(before, 0, result, 0, before.length);
    System.arraycopy(
        encoding.ids,
        vocabulary.truncatesLeft ? encoding.size - kept : 0,
        result,
        before.length,
        kept);
    System.arraycopy(after, 0, result, before.length + kept, after.length);
    return result;
  }

  private void encode(String text, Encoding encoding) {
    int start = 0;
    for (int i = nextCandidate(text, 0); i >= 0 && !encoding.isFull(); ) {
      AddedToken token = addedTokenAt(text, i);
      if (token == null) {
        i = nextCandidate(text, i + 1);
      } else {
        encodeWords(text, start, i, encoding);
        encoding.add(token.id());
        start = i + token.content().length();
        i = nextCandidate(text, start);
      }
    }
    encodeWords(text, start, text.length(), encoding);
  }

  /** Returns the next position where an added token may start, or -1. */
  private int nextCandidate(String text, int from) {
    int next = -1;
    char last = 0;
    for (AddedToken token : vocabulary.addedTokens) {
      char first = token.content().charAt(0);
      if (first != last) {
        int position = text.indexOf(first, from);
        next = (position < 0 || (next >= 0 && next < position)) ? next : position;
        last = first;
      }
    }
    return next;
  }

  private @Nullable AddedToken addedTokenAt(String text, int position) {
    for (AddedToken token : vocabulary.addedTokens) {
      if (text.startsWith(token.content(), position)) {
        return token;
      }
    }
    return null;
  }

  private void encodeWords(String text, int from, int to, Encoding encoding) {
    if (from == to) {
      return;
    }
    char[] characters = vocabulary.normalizer.normalize(text, from, to);
    int start = 0;
    for (int i = 0; i < characters.length && !encoding.isFull(); ) {
      int end = i + 1;
      int roles;
      char c = characters[i];
      if (Character.isHighSurrogate(c)) {
        end++;
        roles = BertCharacters.roles(Character.toCodePoint(c, characters[i + 1]));
      } else {
        roles = BertCharacters.roles(c);
      }
      if ((roles & (BertCharacters.WHITESPACE | BertCharacters.PUNCTUATION)) != 0) {
        encodeWord(characters, start, i, encoding);
        if ((roles & BertCharacters.WHITESPACE) == 0) {
          encodeWord(characters, i, end, encoding);
        }
        start = end;
      }
      i = end;
    }
    encodeWord(characters, start, characters.length, encoding);
  }

  private void encodeWord(char[] characters, int from, int to, Encoding encoding) {
    if (from == to || encoding.isFull()) {
      return;
    }
    int size = encoding.size;
    boolean known =
        to - from <= vocabulary.longestWord
            || Character.codePointCount(characters, from, to - from) <= vocabulary.longestWord;
    int root = PieceTrie.START;
    for (int i = from; known && i < to; ) {
      long found = vocabulary.trie.longest(root, characters, i, to);
      known = found >= 0;
      if (known) {
        encoding.add((int) (found >>> 32));
        i = (int) found;
        root = PieceTrie.CONTINUATION;
      }
    }
    if (!known) {
      // pieces found so far stay marked as used: without them a trimmed vocabulary could cut the
      // start of the word otherwise, and know the rest
      encoding.size = size;
      encoding.add(vocabulary.unknown);
    }
  }

  @Override
  public String decode(int[] ids, boolean skipSpecialTokens) {
    TokenizerDefinition.requireIds(ids);
    JsonElement decoder = vocabulary.definition.root().get("decoder");
    boolean joins = decoder == null || decoder.isJsonNull();
    boolean cleans = false;
    if (!joins) {
      if (!Vocabulary.hasType(decoder, "WordPiece")
          || !(decoder instanceof JsonObject object)
          || !(object.get("prefix") instanceof JsonPrimitive prefix)
          || !prefix.getAsString().equals(PREFIX)
          || !(object.get("cleanup") instanceof JsonPrimitive cleanup)) {
        return other().decode(ids, skipSpecialTokens);
      }
      cleans = cleanup.getAsBoolean();
    }
    StringBuilder text = new StringBuilder();
    boolean first = true;
    for (int id : ids) {
      if (id >= vocabulary.pieces.length
          || (skipSpecialTokens && vocabulary.specialIds.contains(id))) {
        continue;
      }
      String piece = vocabulary.pieces[id];
      if (!first) {
        piece = !joins && piece.startsWith(PREFIX) ? piece.substring(2) : " " + piece;
      }
      text.append(cleans ? cleaned(piece) : piece);
      first = false;
    }
    return text.toString();
  }

  /** Takes spaces out of one piece as the decoder of the tokenizers library does. */
  private static String cleaned(String piece) {
    return piece
        .replace(" .", ".")
        .replace(" ?", "?")
        .replace(" !", "!")
        .replace(" ,", ",")
        .replace(" ' ", "'")
        .replace(" n't", "n't")
        .replace(" 'm", "'m")
        .replace(" do not", " don't")
        .replace(" 's", "'s")
        .replace(" 've", "'ve")
        .replace(" 're", "'re");
  }

  /** Returns the native tokenizer of the same definition, for a decoder that is not BERT's. */
  private Tokenizer other() {
    Tokenizer result = other;
    if (result == null) {
      result = NativeTokenizer.of(vocabulary.definition, maxLength);
      other = result;
    }
    return result;
  }

  @Override
  public Optional<String> piece(int id) {
    return id >= 0 && id < vocabulary.pieces.length
        ? Optional.of(vocabulary.pieces[id])
        : Optional.empty();
  }

  @Override
  public Set<Integer> specialIds() {
    return vocabulary.specialIds;
  }

  @Override
  public int vocabularySize() {
    return vocabulary.pieces.length;
  }

  @Override
  public int maxLength() {
    return maxLength;
  }

  @Override
  public int padId() {
    return TokenizerDefinition.padId(this::id, vocabulary.definition.padIdOfFile());
  }

  @Override
  public OptionalInt id(String piece) {
    Integer id = vocabulary.ids.get(requireNonNull(piece, "piece"));
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  @Override
  public Tokenizer withMaxLength(int newMaxLength) {
    return newMaxLength == maxLength ? this : new WordPieceTokenizer(vocabulary, newMaxLength);
  }

  @Override
  public Tokenizer trimmedTo(Iterable<String> texts) {
    requireNonNull(texts, "texts");
    BitSet used = new BitSet(vocabulary.pieces.length);
    vocabulary.addedTokens.forEach(token -> used.set(token.id()));
    used.set(vocabulary.unknown);
    // a file may pad with an id that no piece has
    used.set(Math.min(padId(), vocabulary.pieces.length - 1));
    Arrays.stream(vocabulary.before).forEach(used::set);
    Arrays.stream(vocabulary.after).forEach(used::set);
    BitSet characters = new BitSet();
    characters.set('!', 0x7F);
    for (String text : texts) {
      String wellFormed = WellFormed.text(text);
      encode(wellFormed, new Encoding(text.length() / 4 + 8, Integer.MAX_VALUE, used));
      char[] normalized = vocabulary.normalizer.normalize(wellFormed, 0, wellFormed.length());
      new String(normalized).codePoints().forEach(characters::set);
    }
    for (int point = characters.nextSetBit(0); point >= 0; ) {
      String character = Character.toString(point);
      id(character).ifPresent(used::set);
      id(PREFIX + character).ifPresent(used::set);
      point = characters.nextSetBit(point + 1);
    }
    int[] originalIds = used.stream().toArray();
    TokenizerDefinition trimmed =
        new TokenizerDefinition(trimmedRoot(originalIds), vocabulary.definition.source());
    return new WordPieceTokenizer(requireNonNull(Vocabulary.of(trimmed, originalIds)), maxLength);
  }

  private JsonObject trimmedRoot(int[] originalIds) {
    JsonObject vocab = new JsonObject();
    for (int id = 0; id < originalIds.length; id++) {
      vocab.addProperty(vocabulary.pieces[originalIds[id]], id);
    }
    JsonObject model = vocabulary.definition.model();
    JsonObject newModel = new JsonObject();
    model.entrySet().forEach(entry -> newModel.add(entry.getKey(), entry.getValue()));
    newModel.add("vocab", vocab);
    JsonObject root =
        TrimmedVocabulary.renumbered(vocabulary.definition, newModel, id -> newId(originalIds, id));
    if (root.get("padding") instanceof JsonObject padding && padding.has("pad_id")) {
      padding.addProperty("pad_id", newId(originalIds, padId()));
    }
    return root;
  }

  private static int newId(int[] originalIds, int originalId) {
    int id = Arrays.binarySearch(originalIds, originalId);
    // a token of the pair template alone is no piece of a single text
    return id < 0 ? 0 : id;
  }

  @Override
  public int[] originalIds() {
    if (vocabulary.originalIds != null) {
      return vocabulary.originalIds.clone();
    }
    int[] result = new int[vocabulary.pieces.length];
    Arrays.setAll(result, id -> id);
    return result;
  }

  @Override
  public String json() {
    return TokenizerDefinition.canonicalJson(
        vocabulary.definition.root(), maxLength, vocabulary.truncatesLeft);
  }

  @Override
  public String fingerprint() {
    String result = fingerprint;
    if (result == null) {
      result = TokenizerDefinition.fingerprint(json());
      fingerprint = result;
    }
    return result;
  }

  @Override
  public void save(Path directory) {
    TokenizerDefinition.save(directory, json());
  }

  @Override
  public String toString() {
    return "Tokenizer[WordPiece, "
        + vocabulary.pieces.length
        + " pieces, maxLength "
        + maxLength
        + "]";
  }
}
