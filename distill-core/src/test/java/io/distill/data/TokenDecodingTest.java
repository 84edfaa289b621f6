package io.distill.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** From ids back to text, whole and one by one. */
class TokenDecodingTest {

  private static final List<String> TEXTS =
      List.of(
          "",
          " ",
          "hello the world",
          "  two  spaces and the end ",
          "café €5 \uD83D\uDE00\uD83D\uDE01 中文",
          "line\nbreak\ttab\u0000null",
          "</s> and <|end|> [SEP] <tool>x",
          "it's, the. world? ' n't 's");

  private static final Tokenizer BYTE_LEVEL = Tokenizer.parse(TinyTokenizers.byteLevel());
  private static final Tokenizer BYTE_FALLBACK = Tokenizer.parse(TinyTokenizers.byteFallback());
  private static final Tokenizer UNIGRAM = Tokenizer.parse(TinyTokenizers.unigram());

  static String wordPieceJson() throws IOException {
    try (InputStream in =
        Objects.requireNonNull(
            TokenDecodingTest.class.getResourceAsStream("small-tokenizer.json"))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  static Stream<Tokenizer> tokenizers() throws IOException {
    return Stream.of(BYTE_LEVEL, BYTE_FALLBACK, UNIGRAM, Tokenizer.parse(wordPieceJson()));
  }

  @Test
  void decode_byteLevel_givesTheTextBack() {
    for (String text : TEXTS) {
      assertThat(BYTE_LEVEL.decode(BYTE_LEVEL.encode(text), false)).isEqualTo(text);
    }
    assertThat(BYTE_LEVEL.decode(BYTE_LEVEL.encode("a<|end|>b<tool>"))).isEqualTo("ab<tool>");
    assertThat(BYTE_LEVEL.encode("\uD83D\uDE00")).hasSize(1);
  }

  @Test
  void decode_byteFallback_givesTheTextBack() {
    for (String text : TEXTS) {
      if (!text.contains("</s>")) {
        assertThat(BYTE_FALLBACK.decode(BYTE_FALLBACK.encode(text, false), false)).isEqualTo(text);
      }
    }
    int[] ids = BYTE_FALLBACK.encode("hello the</s>");
    assertThat(BYTE_FALLBACK.decode(ids)).isEqualTo("hello the");
    assertThat(BYTE_FALLBACK.decode(ids, false)).isEqualTo("<s> hello the</s>");
    // a run of bytes with one too few is no text at all, as in the library
    int euro = BYTE_FALLBACK.id("<0xE2>").orElseThrow();
    assertThat(BYTE_FALLBACK.decode(new int[] {euro, euro})).isEqualTo("\uFFFD\uFFFD");
  }

  @Test
  void encode_withoutSpecialTokens_addsNoneAndReadsTheirNames() {
    int[] with = BYTE_FALLBACK.encode("<s>the");
    assertThat(with).startsWith(1, 1);
    assertThat(BYTE_FALLBACK.encode("<s>the", true)).isEqualTo(with);
    assertThat(BYTE_FALLBACK.encode("<s>the", false))
        .isEqualTo(IntStream.of(with).skip(1).toArray());
    Tokenizer three = BYTE_FALLBACK.withMaxLength(3);
    assertThat(three.encode("a b c d e", false)).hasSize(3).doesNotContain(1);
    assertThat(three.encode("a b c d e", true)).hasSize(3).startsWith(1);
  }

  @Test
  void encode_wordPieceWithoutSpecialTokens_isThatOfTheNativeOne() throws IOException {
    Tokenizer fast = Tokenizer.parse(wordPieceJson());
    Tokenizer slow = slow(wordPieceJson());
    for (String text : TEXTS) {
      assertThat(fast.encode(text, false)).isEqualTo(slow.encode(text, false));
      assertThat(fast.withMaxLength(4).encode(text.repeat(3), false))
          .isEqualTo(slow.withMaxLength(4).encode(text.repeat(3), false));
    }
    assertThat(fast.specialIds()).isEqualTo(slow.specialIds()).isNotEmpty();
    assertThat(fast.piece(0)).isEqualTo(slow.piece(0)).isPresent();
    assertThat(fast.piece(-1)).isEmpty();
    assertThat(fast.piece(fast.vocabularySize())).isEqualTo(slow.piece(fast.vocabularySize()));
  }

  private static Tokenizer slow(String json) {
    return NativeTokenizer.of(TokenizerDefinition.parse(json, "test"), 512);
  }

  static Stream<Consumer<JsonObject>> decoders() {
    return Stream.of(
        root -> {},
        root -> root.add("decoder", null),
        root ->
            root.add(
                "decoder",
                JsonParser.parseString(
                    "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":false}")),
        root ->
            root.add(
                "decoder",
                JsonParser.parseString(
                    "{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true}")),
        root ->
            root.add(
                "decoder",
                JsonParser.parseString(
                    "{\"type\":\"WordPiece\",\"prefix\":\"#\",\"cleanup\":true}")),
        root -> root.add("decoder", JsonParser.parseString("{\"type\":\"Fuse\"}")));
  }

  @ParameterizedTest
  @MethodSource("decoders")
  void decode_wordPiece_isThatOfTheNativeOne(Consumer<JsonObject> change) throws IOException {
    JsonObject root = JsonParser.parseString(wordPieceJson()).getAsJsonObject();
    change.accept(root);
    Tokenizer fast = Tokenizer.parse(root.toString());
    Tokenizer slow = slow(root.toString());
    assertThat(fast).isInstanceOf(WordPieceTokenizer.class);
    Random random = new Random(5);
    for (int i = 0; i < 200; i++) {
      // some ids have no piece
      int[] ids = random.ints(random.nextInt(12), 0, fast.vocabularySize() + 3).toArray();
      assertThat(fast.decode(ids, true)).isEqualTo(slow.decode(ids, true));
      assertThat(fast.decode(ids, false)).isEqualTo(slow.decode(ids, false));
    }
    for (String text : TEXTS) {
      assertThat(fast.decode(fast.encode(text))).isEqualTo(slow.decode(slow.encode(text)));
    }
  }

  @ParameterizedTest
  @MethodSource("tokenizers")
  void stream_ofAnyIds_isDecodeInPieces(Tokenizer tokenizer) {
    Random random = new Random(7);
    TokenStream all = new TokenStream(tokenizer);
    TokenStream withSpecial = new TokenStream(tokenizer, false);
    for (int i = 0; i < 300; i++) {
      int[] ids = random.ints(random.nextInt(30), 0, tokenizer.vocabularySize() + 2).toArray();
      assertThat(streamed(all, ids)).isEqualTo(tokenizer.decode(ids));
      assertThat(streamed(withSpecial, ids)).isEqualTo(tokenizer.decode(ids, false));
    }
  }

  @ParameterizedTest
  @MethodSource("tokenizers")
  void stream_ofTexts_isDecodeInPieces(Tokenizer tokenizer) {
    TokenStream stream = new TokenStream(tokenizer);
    for (String text : TEXTS) {
      int[] ids = tokenizer.encode(text);
      assertThat(streamed(stream, ids)).isEqualTo(tokenizer.decode(ids));
    }
  }

  private static String streamed(TokenStream stream, int[] ids) {
    StringBuilder text = new StringBuilder();
    for (int id : ids) {
      text.append(stream.append(id));
    }
    return text.append(stream.finish()).toString();
  }

  @Test
  void stream_ofBytes_waitsForWholeCharacters() {
    TokenStream stream = new TokenStream(BYTE_LEVEL);
    List<String> texts = new ArrayList<>();
    for (byte each : "a\u20ac!".getBytes(StandardCharsets.UTF_8)) {
      String piece = Character.toString(TinyTokenizers.character(each & 0xff));
      texts.add(stream.append(BYTE_LEVEL.id(piece).orElseThrow()));
    }
    assertThat(texts).containsExactly("a", "", "", "\u20ac", "!");
    // and without end
    stream.append(BYTE_LEVEL.id(Character.toString(TinyTokenizers.character(0xe2))).orElseThrow());
    assertThat(stream.finish()).isEqualTo("\uFFFD");
    assertThat(stream.finish()).isEmpty();
  }

  @Test
  void stream_ofWords_keepsTheirSpaces() {
    TokenStream stream = new TokenStream(BYTE_FALLBACK);
    List<String> texts = new ArrayList<>();
    for (int id : BYTE_FALLBACK.encode("the world the \uD83D\uDE00 a")) {
      texts.add(stream.append(id));
    }
    texts.add(stream.finish());
    assertThat(texts)
        .containsExactly("", "the", " world", " the", " ", "", "", "", "", "\uD83D\uDE00 a", "");
  }

  @Test
  void unknownIds_areNothingAndNegativeOnesAreRefused() {
    for (Tokenizer tokenizer : List.of(BYTE_LEVEL, UNIGRAM)) {
      assertThat(tokenizer.decode(new int[] {tokenizer.vocabularySize()})).isEmpty();
      assertThat(tokenizer.piece(tokenizer.vocabularySize())).isEmpty();
      assertThatThrownBy(() -> tokenizer.decode(new int[] {0, -1}))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("ids must not be negative but one was -1");
      assertThatThrownBy(() -> new TokenStream(tokenizer).append(-1))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void pieces_areThoseOfTheVocabulary() {
    assertThat(BYTE_FALLBACK.specialIds()).containsExactly(0, 1, 2);
    assertThat(BYTE_LEVEL.specialIds()).containsExactly(BYTE_LEVEL.id("<|end|>").orElseThrow());
    for (int id = 0; id < BYTE_LEVEL.vocabularySize(); id++) {
      assertThat(BYTE_LEVEL.id(BYTE_LEVEL.piece(id).orElseThrow())).hasValue(id);
    }
  }

  @Test
  void ownTokenizer_saysWhatItCannotDo() {
    Tokenizer own = new OwnTokenizer();
    assertThat(own.encode("x", true)).containsExactly(7);
    assertThat(own.piece(7)).isEmpty();
    assertThat(own.specialIds()).isEmpty();
    assertThatThrownBy(() -> own.encode("x", false))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("OwnTokenizer")
        .hasMessageContaining("add encode(String, boolean)");
    assertThatThrownBy(() -> own.decode(new int[] {7}))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("add decode(int[], boolean)");
  }

  /** A user's own, written before tokenizers could decode. */
  private static final class OwnTokenizer implements Tokenizer {

    @Override
    public int[] encode(String text) {
      return new int[] {7};
    }

    @Override
    public int vocabularySize() {
      return 8;
    }

    @Override
    public int maxLength() {
      return 1;
    }

    @Override
    public int padId() {
      return 0;
    }

    @Override
    public OptionalInt id(String piece) {
      return OptionalInt.empty();
    }

    @Override
    public Tokenizer withMaxLength(int maxLength) {
      return this;
    }

    @Override
    public Tokenizer trimmedTo(Iterable<String> texts) {
      return this;
    }

    @Override
    public int[] originalIds() {
      return IntStream.range(0, 8).toArray();
    }

    @Override
    public String json() {
      return "{}";
    }

    @Override
    public String fingerprint() {
      return "own";
    }

    @Override
    public void save(Path directory) {}
  }
}
