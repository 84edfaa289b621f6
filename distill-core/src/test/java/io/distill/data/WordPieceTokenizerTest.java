package io.distill.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

class WordPieceTokenizerTest {

  private static final List<String> MAILS =
      List.of(
          "Please cancel my subscription, I no longer need the service.",
          "Où est ma facture? It’s for order №12345 — thanks!",
          "The parcel hasn't arrived… supercalifragilistic [SEP] ok",
          "abcdefghijklmnopqrstuvwxyz☃ 中文 \ud83d\ude00",
          "ab☃cd");

  private static final Tokenizer SMALL = Tokenizers.small();
  private static final Tokenizer LARGE = Tokenizer.parse(Tokenizers.MINILM_JSON);

  private static String[] pieces(Tokenizer tokenizer, int[] ids) {
    JsonObject vocabulary =
        Tokenizers.object(tokenizer.json()).getAsJsonObject("model").getAsJsonObject("vocab");
    String[] pieces = vocabulary.keySet().toArray(String[]::new);
    return Arrays.stream(ids).mapToObj(id -> pieces[id]).toArray(String[]::new);
  }

  @Test
  void encode_knownWords_givesPieces() {
    assertThat(pieces(SMALL, SMALL.encode("The invoice, unsubscribes!")))
        .containsExactly(
            "[CLS]", "The", "invoice", ",", "un", "##sub", "##scribe", "##s", "!", "[SEP]");
    assertThat(LARGE.encode("hello world")).containsExactly(101, 7592, 2088, 102);
  }

  @Test
  void encode_wordWithoutPieces_isUnknownAsAWhole() {
    assertThat(pieces(SMALL, SMALL.encode("hello☃ he")))
        .containsExactly("[CLS]", "[UNK]", "he", "[SEP]");
  }

  @Test
  void encode_tooLongWord_isUnknown() {
    assertThat(pieces(SMALL, SMALL.encode("a".repeat(20)))).hasSize(22);
    assertThat(pieces(SMALL, SMALL.encode("a".repeat(21))))
        .containsExactly("[CLS]", "[UNK]", "[SEP]");
  }

  @Test
  void encode_emptyText_isSpecialTokens() {
    assertThat(pieces(SMALL, SMALL.encode(""))).containsExactly("[CLS]", "[SEP]");
  }

  @Test
  void encode_unpairedSurrogate_isDropped() {
    assertThat(SMALL.encode("he\ud83d \ude00llo")).isEqualTo(SMALL.encode("he llo"));
  }

  @Test
  void encode_longText_keepsStartAndSpecialTokens() {
    Tokenizer five = SMALL.withMaxLength(5);

    assertThat(five.maxLength()).isEqualTo(5);
    assertThat(pieces(five, five.encode("refund the password invoice mail")))
        .containsExactly("[CLS]", "refund", "the", "password", "[SEP]");
    assertThat(five.encode("[MASK]".repeat(9))).hasSize(5);
  }

  @Test
  void encode_leftTruncation_keepsEndLikeNative() {
    JsonObject definition = Tokenizers.object(Tokenizers.SMALL_JSON);
    JsonObject truncation = new JsonObject();
    truncation.addProperty("direction", "Left");
    truncation.addProperty("max_length", 5);
    truncation.addProperty("strategy", "LongestFirst");
    truncation.addProperty("stride", 0);
    definition.add("truncation", truncation);
    Tokenizer tokenizer = Tokenizer.parse(definition.toString());
    String text = "refund the password invoice mail";

    assertThat(pieces(tokenizer, tokenizer.encode(text)))
        .containsExactly("[CLS]", "password", "invoice", "mail", "[SEP]");
    assertThat(NativeTokenizer.of(TokenizerDefinition.parse(definition.toString(), "x"), 5))
        .satisfies(nat -> assertThat(nat.encode(text)).isEqualTo(tokenizer.encode(text)));
  }

  @Test
  void maxLength_ofFile_isDefaultAndExplicitOverrides() {
    assertThat(LARGE.maxLength()).isEqualTo(128);
    assertThat(LARGE.withMaxLength(256).maxLength()).isEqualTo(256);
    assertThat(LARGE.withMaxLength(256).encode("word ".repeat(300))).hasSize(256);
    assertThat(SMALL.maxLength()).isEqualTo(512);
    assertThat(SMALL.withMaxLength(512)).isSameAs(SMALL);
  }

  @Test
  void withMaxLength_withoutRoom_isRejected() {
    assertThatThrownBy(() -> SMALL.withMaxLength(2))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("maxLength must be greater than the 2 special tokens of a text but was 2");
  }

  @Test
  void id_ofPieces_isFoundOrEmpty() {
    assertThat(LARGE.id("[CLS]")).hasValue(101);
    assertThat(LARGE.id("##ing")).hasValue(2075);
    assertThat(LARGE.id("no such piece")).isEqualTo(OptionalInt.empty());
    assertThat(LARGE.padId()).isZero();
    assertThat(LARGE.vocabularySize()).isEqualTo(30522);
    assertThat(LARGE.originalIds()).hasSize(30522).startsWith(0, 1, 2).endsWith(30521);
  }

  @Test
  void json_readAgain_isTheSameTokenizer() {
    Tokenizer again = Tokenizer.parse(LARGE.withMaxLength(64).json());

    assertThat(again.maxLength()).isEqualTo(64);
    assertThat(again.json()).isEqualTo(LARGE.withMaxLength(64).json());
    assertThat(again.fingerprint()).isEqualTo(LARGE.withMaxLength(64).fingerprint());
    assertThat(again.encode(MAILS.get(1))).isEqualTo(LARGE.encode(MAILS.get(1)));
    assertThat(Tokenizers.object(again.json()).get("padding")).isEqualTo(JsonNull.INSTANCE);
  }

  @Test
  void fingerprint_differsByMaxLengthAndVocabulary() {
    assertThat(SMALL.fingerprint()).hasSize(64).isEqualTo(Tokenizers.small().fingerprint());
    assertThat(SMALL.fingerprint())
        .isNotEqualTo(SMALL.withMaxLength(100).fingerprint())
        .isNotEqualTo(LARGE.fingerprint());
  }

  @Test
  void trimmed_onItsTexts_givesTheSamePieces() {
    Tokenizer trimmed = LARGE.trimmedTo(MAILS);

    assertThat(trimmed.vocabularySize()).isBetween(190, 400);
    for (String mail : MAILS) {
      assertThat(pieces(trimmed, trimmed.encode(mail)))
          .isEqualTo(pieces(LARGE, LARGE.encode(mail)));
    }
  }

  @Test
  void trimmed_originalIds_leadToTheSamePieces() {
    Tokenizer trimmed = LARGE.trimmedTo(MAILS);
    int[] originalIds = trimmed.originalIds();

    assertThat(originalIds).hasSize(trimmed.vocabularySize()).isSorted();
    for (String mail : MAILS) {
      int[] ids = trimmed.encode(mail);
      assertThat(Arrays.stream(ids).map(id -> originalIds[id]).toArray())
          .isEqualTo(LARGE.encode(mail));
    }
    originalIds[0] = 99;
    assertThat(trimmed.originalIds()[0]).isZero();
  }

  @Test
  void trimmed_unseenWords_fallApartInsteadOfUnknown() {
    Tokenizer trimmed = LARGE.trimmedTo(MAILS);

    assertThat(pieces(trimmed, trimmed.encode("zebra 7 %"))).doesNotContain("[UNK]");
    assertThat(trimmed.encode("zebra")).hasSizeGreaterThan(LARGE.encode("zebra").length);
  }

  @Test
  void trimmed_unknownWordWithKnownStart_staysUnknown() {
    // "in", then nothing for "☃": without the piece of the start another cut could succeed
    Tokenizer trimmed = SMALL.trimmedTo(List.of("invoice☃", "longe☃r"));

    assertThat(pieces(trimmed, trimmed.encode("invoice☃ longe☃r")))
        .containsExactly("[CLS]", "[UNK]", "[UNK]", "[SEP]");
    assertThat(trimmed.id("invoice")).isPresent();
    assertThat(trimmed.id("password")).isEmpty();
  }

  @Test
  void trimmed_textBeyondMaxLength_countsToo() {
    Tokenizer trimmed = SMALL.withMaxLength(4).trimmedTo(List.of("the the the the invoice"));

    assertThat(trimmed.id("invoice")).isPresent();
    assertThat(trimmed.maxLength()).isEqualTo(4);
  }

  @Test
  void trimmed_json_readsInNativeTokenizerToo() {
    Tokenizer trimmed = LARGE.trimmedTo(MAILS);

    try (HuggingFaceTokenizer reference = Tokenizers.reference(trimmed.json())) {
      for (String mail : MAILS) {
        assertThat(Arrays.stream(trimmed.encode(mail)).asLongStream().toArray())
            .isEqualTo(reference.encode(mail).getIds());
      }
    }
    assertThat(Tokenizer.parse(trimmed.json()).fingerprint()).isEqualTo(trimmed.fingerprint());
    assertThat(trimmed.padId()).isZero();
    assertThat(trimmed.id("[MASK]")).hasValue(4);
  }

  @Test
  void trimmed_withBertProcessing_renumbersSpecialTokens() {
    JsonObject definition = Tokenizers.object(Tokenizers.SMALL_JSON);
    JsonObject vocabulary = definition.getAsJsonObject("model").getAsJsonObject("vocab");
    // special tokens at the end of the vocabulary
    int last = vocabulary.size() - 1;
    for (String name : List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")) {
      int id = vocabulary.get(name).getAsInt();
      String other =
          vocabulary.entrySet().stream()
              .filter(entry -> entry.getValue().getAsInt() == last - id)
              .findFirst()
              .orElseThrow()
              .getKey();
      vocabulary.addProperty(name, last - id);
      vocabulary.addProperty(other, id);
      definition
          .getAsJsonArray("added_tokens")
          .get(id)
          .getAsJsonObject()
          .addProperty("id", last - id);
    }
    JsonObject processor = definition.getAsJsonObject("post_processor");
    processor.getAsJsonArray("cls").set(1, vocabulary.get("[CLS]"));
    processor.getAsJsonArray("sep").set(1, vocabulary.get("[SEP]"));
    JsonObject padding = Tokenizers.object("{\"pad_id\": " + last + "}");
    definition.add("padding", padding);
    Tokenizer tokenizer = Tokenizer.parse(definition.toString());
    Tokenizer trimmed = tokenizer.trimmedTo(List.of("refund the mail"));

    assertThat(tokenizer.padId()).isEqualTo(last);
    assertThat(trimmed.padId()).isEqualTo(trimmed.vocabularySize() - 1);
    assertThat(pieces(trimmed, trimmed.encode("refund the mail [MASK]")))
        .containsExactly("[CLS]", "refund", "the", "mail", "[MASK]", "[SEP]");
  }

  @Test
  void toString_ofTokenizer_namesKindAndSizes() {
    assertThat(SMALL).hasToString("Tokenizer[WordPiece, 234 pieces, maxLength 512]");
  }
}
