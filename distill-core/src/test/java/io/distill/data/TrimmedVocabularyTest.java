package io.distill.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Vocabularies of language models with fewer pieces. */
class TrimmedVocabularyTest {

  private static final List<String> TEXTS =
      List.of("the world", "hello the caf\u00e9", "", "and is \uD83D\uDE00", "ing ing");

  @TempDir private Path directory;

  private static JsonObject json(String text) {
    return JsonParser.parseString(text).getAsJsonObject();
  }

  private static String changed(String definition, Consumer<JsonObject> change) {
    JsonObject root = json(definition);
    change.accept(root);
    return root.toString();
  }

  private static JsonObject model(JsonObject root) {
    return root.getAsJsonObject("model");
  }

  /** The same merges in the form of newer files. */
  private static void asPairs(JsonObject root) {
    JsonArray pairs = new JsonArray();
    for (JsonElement merge : model(root).getAsJsonArray("merges")) {
      JsonArray pair = new JsonArray();
      for (String part : merge.getAsString().split(" ", -1)) {
        pair.add(part);
      }
      pairs.add(pair);
    }
    model(root).add("merges", pairs);
  }

  /** Words that are pieces are taken whole, as by Llama 3: also one that no merge makes. */
  private static void ignoresMerges(JsonObject root) {
    model(root).addProperty("ignore_merges", true);
    JsonObject vocabulary = model(root).getAsJsonObject("vocab");
    JsonArray added = root.getAsJsonArray("added_tokens");
    int size = vocabulary.size();
    vocabulary.addProperty("\u0120caf\u00c3\u00a9", size);
    for (JsonElement token : added) {
      JsonObject object = token.getAsJsonObject();
      object.addProperty("id", object.get("id").getAsInt() + 1);
    }
  }

  /** A Unigram vocabulary with all bytes, as that of Gemma. */
  private static void fallsBackToBytes(JsonObject root) {
    model(root).addProperty("byte_fallback", true);
    JsonArray vocabulary = model(root).getAsJsonArray("vocab");
    for (int value = 0; value < 256; value++) {
      JsonArray pair = new JsonArray();
      pair.add(String.format("<0x%02X>", value));
      pair.add(-30);
      vocabulary.add(pair);
    }
    root.add(
        "decoder",
        json(
            "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":\"Metaspace\","
                + "\"replacement\":\"\u2581\",\"prepend_scheme\":\"always\",\"split\":true}]}"));
  }

  /** A character that is known within a piece alone. */
  private static void knowsAWordOfAStrangeCharacter(JsonObject root) {
    JsonArray pair = new JsonArray();
    pair.add("\u4e2dx");
    pair.add(-2);
    model(root).getAsJsonArray("vocab").add(pair);
  }

  private static void sequence(JsonObject root) {
    JsonArray processors = new JsonArray();
    processors.add(
        json(
            "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":false,\"use_regex\":true}"));
    int end = root.getAsJsonArray("added_tokens").get(0).getAsJsonObject().get("id").getAsInt();
    processors.add(
        json(
            "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<|end|>\",\"type_id\":0}},"
                + "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<|end|>\":"
                + "{\"id\":\"<|end|>\",\"ids\":["
                + end
                + "],\"tokens\":[\"<|end|>\"]}}}"));
    JsonObject all = new JsonObject();
    all.addProperty("type", "Sequence");
    all.add("processors", processors);
    root.add("post_processor", all);
  }

  static Stream<String> definitions() {
    return definitionsByName().values().stream();
  }

  private static Map<String, String> definitionsByName() {
    Map<String, String> all = new LinkedHashMap<>();
    all.put("byte-level", TinyTokenizers.byteLevel());
    all.put("pairs", changed(TinyTokenizers.byteLevel(), TrimmedVocabularyTest::asPairs));
    all.put("llama 3", changed(TinyTokenizers.byteLevel(), TrimmedVocabularyTest::ignoresMerges));
    all.put("sequence", changed(TinyTokenizers.byteLevel(), TrimmedVocabularyTest::sequence));
    all.put("byte fallback", TinyTokenizers.byteFallback());
    all.put("unigram", TinyTokenizers.unigram());
    all.put(
        "unigram with bytes",
        changed(TinyTokenizers.unigram(), TrimmedVocabularyTest::fallsBackToBytes));
    all.put(
        "unigram with a strange character",
        changed(TinyTokenizers.unigram(), TrimmedVocabularyTest::knowsAWordOfAStrangeCharacter));
    return all;
  }

  private static int[] original(Tokenizer trimmed, int[] ids) {
    int[] originalIds = trimmed.originalIds();
    return IntStream.of(ids).map(id -> originalIds[id]).toArray();
  }

  @ParameterizedTest
  @MethodSource("definitions")
  void trimmed_onItsTexts_givesTheSamePieces(String definition) {
    Tokenizer whole = Tokenizer.parse(definition);
    Tokenizer trimmed = whole.trimmedTo(TEXTS);

    assertThat(trimmed.vocabularySize()).isLessThan(whole.vocabularySize());
    assertThat(trimmed.originalIds()).hasSize(trimmed.vocabularySize()).isSorted();
    assertThat(trimmed.maxLength()).isEqualTo(whole.maxLength());
    for (int id = 0; id < trimmed.vocabularySize(); id++) {
      assertThat(trimmed.piece(id)).isPresent().isEqualTo(whole.piece(trimmed.originalIds()[id]));
    }
    for (String text : TEXTS) {
      assertThat(original(trimmed, trimmed.encode(text))).isEqualTo(whole.encode(text));
      assertThat(trimmed.decode(trimmed.encode(text))).isEqualTo(whole.decode(whole.encode(text)));
    }
    assertThat(trimmed.specialIds().stream().map(id -> trimmed.originalIds()[id]))
        .containsExactlyElementsOf(whole.specialIds());
    assertThat(whole.piece(whole.padId())).isEqualTo(trimmed.piece(trimmed.padId()));
  }

  /** Texts that are made of all kinds of pieces. */
  @ParameterizedTest
  @MethodSource("definitions")
  void trimmed_onAnyTexts_givesTheSamePieces(String definition) {
    Tokenizer whole = Tokenizer.parse(definition);
    Random random = new Random(11);
    for (int i = 0; i < 25; i++) {
      List<String> texts = new ArrayList<>();
      for (int j = random.nextInt(4); j >= 0; j--) {
        texts.add(whole.decode(random.ints(6, 0, whole.vocabularySize()).toArray(), false));
        texts.add(text(random));
      }
      Tokenizer trimmed = whole.trimmedTo(texts);
      for (String text : texts) {
        assertThat(original(trimmed, trimmed.encode(text))).isEqualTo(whole.encode(text));
      }
    }
  }

  /** Letters, signs, control characters, characters of other scripts, emoji, all mixed. */
  private static String text(Random random) {
    StringBuilder text = new StringBuilder();
    for (int i = random.nextInt(20); i > 0; i--) {
      text.appendCodePoint(
          switch (random.nextInt(6)) {
            case 0 -> random.nextInt(0x20);
            case 1 -> 0x1f600 + random.nextInt(80);
            case 2 -> 0x4e00 + random.nextInt(0x100);
            case 3 -> 0x20 + random.nextInt(0x60);
            case 4 -> random.nextInt(0xd800);
            default -> 'a' + random.nextInt(26);
          });
    }
    return text.toString();
  }

  @ParameterizedTest
  @MethodSource("definitions")
  void trimmed_anyOtherText_decodesAsBefore(String definition) {
    Tokenizer whole = Tokenizer.parse(definition);
    Tokenizer trimmed = whole.trimmedTo(List.of("the"));
    Random random = new Random(13);
    for (int i = 0; i < 500; i++) {
      String text = text(random) + (i % 5 == 0 ? " hello \u4e2dx worlds" : "");
      assertThat(trimmed.decode(trimmed.encode(text), false))
          .isEqualTo(whole.decode(whole.encode(text), false));
    }
  }

  @Test
  void trimmed_savedAndLoaded_isTheSame() {
    definitionsByName()
        .forEach(
            (name, definition) -> {
              Tokenizer trimmed = Tokenizer.parse(definition).trimmedTo(TEXTS);
              trimmed.save(directory.resolve(name));
              Tokenizer loaded = Tokenizer.load(directory.resolve(name));
              assertThat(loaded.json()).isEqualTo(trimmed.json());
              assertThat(loaded.encode("hello \uD83D\uDE00 x"))
                  .isEqualTo(trimmed.encode("hello \uD83D\uDE00 x"));
              assertThat(trimmed.withMaxLength(9).originalIds()).isEqualTo(trimmed.originalIds());
              assertThat(trimmed.withMaxLength(9).maxLength()).isEqualTo(9);
            });
  }

  @Test
  void trimmed_keepsTheMergesOfKeptPiecesAlone() {
    Tokenizer trimmed = Tokenizer.parse(TinyTokenizers.byteLevel()).trimmedTo(List.of(" the"));
    JsonArray merges = model(json(trimmed.json())).getAsJsonArray("merges");
    assertThat(merges)
        .extracting(JsonElement::getAsString)
        .containsExactly("\u0120 t", "h e", "\u0120t he");
    // 256 bytes, three pieces and two added tokens
    assertThat(trimmed.vocabularySize()).isEqualTo(261);
    assertThat(trimmed.id("<tool>")).hasValue(260);
    assertThat(trimmed.encode(" the<tool>")).containsExactly(258, 260);
    assertThat(trimmed.encode("world")).hasSize(5);
    assertThat(trimmed.trimmedTo(List.of("x")).originalIds())
        .isEqualTo(IntStream.range(0, 261).filter(id -> id < 256 || id > 258).toArray());
  }

  @Test
  void trimmed_byteFallback_cutsUnseenCharactersIntoBytes() {
    Tokenizer whole = Tokenizer.parse(TinyTokenizers.byteFallback());
    Tokenizer trimmed = whole.trimmedTo(List.of("the"));
    assertThat(whole.id("\u20ac")).isPresent();
    assertThat(trimmed.id("\u20ac")).isEmpty();
    assertThat(trimmed.encode("\u20ac", false)).hasSize(4);
    assertThat(trimmed.decode(trimmed.encode("\u20ac"))).isEqualTo("\u20ac");
    assertThat(whole.trimmedTo(List.of("\u20ac")).id("\u20ac")).isPresent();
  }

  @Test
  void trimmed_unigram_keepsTheScoreOfTheUnknown() {
    // the unknown is worse than the lowest score by 10: without cd, an unknown x and yz would win
    String definition =
        """
        {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
         "pre_tokenizer":null,"post_processor":null,"decoder":null,
         "model":{"type":"Unigram","unk_id":2,"vocab":[["c",-5],["dc",-20],["<unk>",0],["xy",-45],["z",-30],
           ["yz",-1],["d",-5],["cd",-90]]}}
        """;
    Tokenizer whole = Tokenizer.parse(definition);
    Tokenizer trimmed = whole.trimmedTo(List.of("xyz"));
    assertThat(whole.encode("xyz")).containsExactly(3, 4);
    assertThat(original(trimmed, trimmed.encode("xyz"))).containsExactly(3, 4);
    // a piece before the unknown is gone, so it has another id
    assertThat(trimmed.encode("?")).containsExactly(1);
    assertThat(original(trimmed, trimmed.encode("?"))).isEqualTo(whole.encode("?"));
  }

  @Test
  void trimmed_keepsWhatATemplateOfTwoTextsNames() {
    String definition =
        changed(
            TinyTokenizers.byteFallback(),
            root -> {
              JsonObject tokens =
                  root.getAsJsonObject("post_processor").getAsJsonObject("special_tokens");
              int id = model(root).getAsJsonObject("vocab").get("caf").getAsInt();
              tokens.add("caf", json("{\"id\":\"caf\",\"ids\":[" + id + "],\"tokens\":[\"caf\"]}"));
            });
    Tokenizer trimmed = Tokenizer.parse(definition).trimmedTo(List.of("the"));
    JsonObject token =
        json(trimmed.json())
            .getAsJsonObject("post_processor")
            .getAsJsonObject("special_tokens")
            .getAsJsonObject("caf");
    assertThat(trimmed.id("caf")).hasValue(token.getAsJsonArray("ids").get(0).getAsInt());
  }

  @Test
  void trimmedTo_whatCannotBeTrimmed_isRefusedWithTheReason() {
    Map<Consumer<JsonObject>, String> refused = new LinkedHashMap<>();
    refused.put(
        root -> model(root).addProperty("end_of_word_suffix", "</w>"),
        "must have no end_of_word_suffix to be trimmed but has \"</w>\"");
    refused.put(
        root -> model(root).addProperty("dropout", 0.5),
        "must have no dropout to be trimmed but has 0.5");
    refused.put(
        root -> model(root).getAsJsonObject("vocab").addProperty("other", 5),
        "must have one id for each piece to be trimmed but has 'other' as 5, and '\u0105' too");
    refused.forEach(
        (change, reason) -> {
          Tokenizer tokenizer = Tokenizer.parse(changed(TinyTokenizers.byteLevel(), change));
          assertThatThrownBy(() -> tokenizer.trimmedTo(TEXTS))
              .isInstanceOf(DistillationException.class)
              .hasMessageContaining(reason)
              .hasMessageEndingWith("; use it untrimmed");
        });
    Tokenizer words =
        Tokenizer.parse(
            """
            {"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":null,
             "post_processor":null,"decoder":null,
             "model":{"type":"WordLevel","unk_token":"?","vocab":{"?":0,"a":1}}}""");
    assertThatThrownBy(() -> words.trimmedTo(TEXTS))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "tokenizer tokenizerJson must be a BERT-style WordPiece, byte-pair (BPE) or Unigram"
                + " tokenizer to be trimmed but its model was \"WordLevel\"; use it untrimmed");
  }

  @Test
  void definitionsThatLie_areRefused() {
    List<Consumer<JsonObject>> lies =
        List.of(
            root -> model(root).getAsJsonArray("merges").add("nospace"),
            root -> model(root).getAsJsonArray("merges").add(3),
            root -> model(root).getAsJsonArray("merges").add(new JsonArray()),
            root -> model(root).getAsJsonArray("merges").add((String) null),
            root -> model(root).getAsJsonObject("vocab").addProperty("x y z", -1),
            root -> model(root).getAsJsonObject("vocab").addProperty("x y z", 1.5),
            root -> model(root).add("vocab", new JsonPrimitive("x")),
            root -> root.getAsJsonArray("added_tokens").add(new JsonObject()));
    for (Consumer<JsonObject> lie : lies) {
      TokenizerDefinition definition =
          new TokenizerDefinition(json(changed(TinyTokenizers.byteLevel(), lie)), "test");
      assertThatThrownBy(() -> TrimmedVocabulary.trim(definition, new BitSet(), false))
          .isInstanceOf(DistillationException.class)
          .hasMessageStartingWith("tokenizer test must");
    }
  }
}
