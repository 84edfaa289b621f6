package io.distill.data;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The tokenizer in Java gives the ids of the native one, token by token. */
class WordPieceTokenizerParityTest {

  private static final int UNTRUNCATED = 1 << 20;

  private static final List<String> WORDS =
      List.of(
          "invoice",
          "Refund",
          "PASSWORD",
          "unsubscribe",
          "the",
          "meeting-room",
          "e-mail",
          "don't",
          "it’s",
          "“quoted”",
          "café",
          "cafe\u0301",
          "NAÏVE",
          "Ångström",
          "A\u030angstro\u0308m",
          "İstanbul",
          "ΣΊΣΥΦΟΣ",
          "straße",
          "ﬁnance",
          "Ⅷ",
          "ｆｕｌｌ",
          "中文字",
          "你好world",
          "日本語テキスト",
          "한국어",
          "العربية",
          "مَرْحَبًا",
          "שָׁלוֹם",
          "हिन्दी",
          "ไทย",
          "Ελληνικά",
          "русский",
          "ЁЖИК",
          "й",
          "😀",
          "👩‍👩‍👧",
          "🇩🇪",
          "👍🏽",
          "1,234.56",
          "2024-01-31",
          "100%",
          "$5",
          "€7",
          "№9",
          "x²",
          "½",
          "#tag",
          "@user",
          "a_b",
          "http://example.com/?q=1&r=2",
          "C++",
          "[SEP]",
          "[MASK]",
          "[CLS]x",
          "x[PAD]",
          "[UNK]",
          "[sep]",
          "[",
          "]",
          "[MASK][MASK]",
          "[[SEP]]",
          "##ing",
          "...",
          "—",
          "\u00a0",
          "\u200b",
          "\u200d",
          "\ufeff",
          "\u00ad",
          "\u0000",
          "\u0007",
          "\u007f",
          "\u0085",
          "\u2028",
          "\u3000",
          "\ufffd",
          "\u0301",
          "\u0378",
          "\ue000",
          "\ud835\udc00",
          "\ud840\udc00",
          "\ud869\udfff",
          "\udbff\udfff",
          "\ud800",
          "\udc00",
          "ǅ",
          "ß",
          "ẞ",
          "ŉ",
          "ΐ",
          "Å",
          "Ω",
          "\u1e9b\u0323",
          "ꙮ",
          "𐐀",
          "𝒳",
          "ᏸ",
          "Ꭰ",
          "Ა",
          "\t",
          "\n",
          "\r\n",
          "\u000b",
          "\u001c",
          "`",
          "^",
          "~",
          "|",
          "¡",
          "§",
          "¶",
          "·",
          "¿",
          "٪",
          "۔",
          "、",
          "。",
          "「",
          "」",
          "𖩮",
          "־",
          "܊");

  private static List<String> varied() {
    List<String> texts = new ArrayList<>();
    texts.add("");
    texts.add(" ");
    texts.add(" \t\r\n  ");
    texts.add("\u3000\u00a0\u2003");
    texts.add("a".repeat(99));
    texts.add("a".repeat(100));
    texts.add("a".repeat(101));
    texts.add("x".repeat(5000));
    texts.add("é".repeat(100) + " " + "é".repeat(101));
    texts.add("e\u0301".repeat(100));
    texts.add("😀".repeat(100) + " " + "😀".repeat(101));
    texts.add("The Quick Brown Fox Jumps Over The Lazy Dog, twice.");
    texts.add("Hi [MASK] , this is a [MASK]test [SEP]and [SEP]\u0301more[SEP]");
    texts.add("word ".repeat(700));
    texts.addAll(WORDS);
    Random random = new Random(7);
    for (int i = 0; i < 600; i++) {
      StringBuilder text = new StringBuilder();
      for (int n = random.nextInt(14) + 1; n > 0; n--) {
        text.append(WORDS.get(random.nextInt(WORDS.size())));
        text.append(random.nextInt(4) == 0 ? "" : " ");
      }
      texts.add(text.toString());
    }
    return texts;
  }

  private static String randomUnicode(Random random) {
    StringBuilder text = new StringBuilder();
    for (int n = random.nextInt(40); n > 0; n--) {
      int point =
          switch (random.nextInt(8)) {
            case 0 -> random.nextInt(0x80);
            case 1 -> ' ';
            case 2 -> 0x80 + random.nextInt(0x780);
            case 3 -> 0x300 + random.nextInt(0x70);
            case 4 -> random.nextInt(0x3000);
            case 5 -> random.nextInt(0x10000);
            case 6 -> 0x1F000 + random.nextInt(0x1000);
            default -> random.nextInt(Character.MAX_CODE_POINT + 1);
          };
      text.appendCodePoint(point);
    }
    return text.toString();
  }

  private static void assertParity(String json, List<String> texts) {
    Tokenizer tokenizer = Tokenizer.parse(json).withMaxLength(UNTRUNCATED);
    assertThat(tokenizer).isInstanceOf(WordPieceTokenizer.class);
    try (HuggingFaceTokenizer reference = Tokenizers.reference(json)) {
      for (String text : texts) {
        long[] expected = reference.encode(WellFormed.text(text)).getIds();
        int[] actual = tokenizer.encode(text);
        assertThat(Arrays.stream(actual).asLongStream().toArray())
            .as("%s", escaped(text))
            .isEqualTo(expected);
      }
    }
  }

  private static String escaped(String text) {
    StringBuilder result = new StringBuilder();
    text.chars()
        .forEach(c -> result.append(c >= ' ' && c < 127 ? (char) c : String.format("\\u%04x", c)));
    return result.toString();
  }

  private static String withNormalizer(String json, String key, boolean value) {
    JsonObject definition = Tokenizers.object(json);
    definition.getAsJsonObject("normalizer").addProperty(key, value);
    return definition.toString();
  }

  @Test
  void ids_ofVariedTexts_equalNative() {
    assertThat(varied()).hasSizeGreaterThan(700);
    assertParity(Tokenizers.MINILM_JSON, varied());
    assertParity(Tokenizers.SMALL_JSON, varied());
  }

  @ParameterizedTest(name = "{0}")
  @ValueSource(strings = {"clean_text", "handle_chinese_chars", "strip_accents", "lowercase"})
  void ids_withNormalizerOption_equalNative(String option) {
    assertParity(withNormalizer(Tokenizers.SMALL_JSON, option, true), varied());
    assertParity(withNormalizer(Tokenizers.SMALL_JSON, option, false), varied());
  }

  @Test
  void ids_lowercaseWithAccentsKept_equalNative() {
    String json = withNormalizer(Tokenizers.SMALL_JSON, "lowercase", true);
    assertParity(withNormalizer(json, "strip_accents", false), varied());
  }

  @Test
  void ids_withoutPostProcessor_equalNative() {
    JsonObject definition = Tokenizers.object(Tokenizers.SMALL_JSON);
    definition.add("post_processor", JsonNull.INSTANCE);
    assertParity(definition.toString(), varied());
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void ids_ofRandomUnicode_equalNative(long seed) {
    Random random = new Random(seed);
    List<String> texts = IntStream.range(0, 2000).mapToObj(i -> randomUnicode(random)).toList();
    assertParity(Tokenizers.MINILM_JSON, texts);
    assertParity(Tokenizers.SMALL_JSON, texts.subList(0, 500));
  }

  /** Bytes of the normalised text become tokens, so that every code point can be compared. */
  private static String byteTokenizer(boolean stripsAccents, boolean lowercases) {
    JsonObject vocabulary = new JsonObject();
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      // the byte-level alphabet: printable bytes stand for themselves, the rest follows U+0100
      int point = printable ? b : 0x100 + rankOfUnprintable(b);
      vocabulary.addProperty(Character.toString(point), b);
    }
    JsonObject definition =
        Tokenizers.object(
            """
            {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
             "normalizer":{"type":"BertNormalizer","clean_text":true,
               "handle_chinese_chars":true},
             "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,
               "use_regex":false},
             "post_processor":null,"decoder":null,
             "model":{"type":"BPE","merges":[]}}""");
    definition.getAsJsonObject("normalizer").addProperty("strip_accents", stripsAccents);
    definition.getAsJsonObject("normalizer").addProperty("lowercase", lowercases);
    definition.getAsJsonObject("model").add("vocab", vocabulary);
    return definition.toString();
  }

  private static int rankOfUnprintable(int b) {
    return b <= ' ' ? b : b <= 0xA0 ? b - 0x7F + 33 : 67;
  }

  @ParameterizedTest(name = "stripsAccents={0}")
  @ValueSource(booleans = {true, false})
  void normalizer_ofCodePoints_equalsNative(boolean stripsAccents) {
    BertNormalizer normalizer = new BertNormalizer(true, true, stripsAccents, true);
    List<Integer> different = new ArrayList<>();
    try (HuggingFaceTokenizer reference =
        Tokenizers.reference(byteTokenizer(stripsAccents, true))) {
      for (int page = 0; page <= Character.MAX_CODE_POINT >> 8; page++) {
        // beyond the two assigned planes a sample will do
        if ((page >= 0xD8 && page < 0xE0) || (page >= 0x200 && page % 32 != 7)) {
          continue;
        }
        StringBuilder text = new StringBuilder();
        for (int point = page << 8; point < (page + 1) << 8; point++) {
          text.append("<").appendCodePoint(point).append(">");
        }
        long[] ids = reference.encode(text.toString()).getIds();
        byte[] bytes = new byte[ids.length];
        for (int i = 0; i < bytes.length; i++) {
          bytes[i] = (byte) ids[i];
        }
        String expected = new String(bytes, StandardCharsets.UTF_8);
        String actual = new String(normalizer.normalize(text.toString(), 0, text.length()));
        if (!expected.equals(actual)) {
          String[] one = expected.split("(?<=>)(?=<)", -1);
          String[] other = actual.split("(?<=>)(?=<)", -1);
          for (int i = 0; i < 256; i++) {
            if (one.length != 256 || other.length != 256 || !one[i].equals(other[i])) {
              different.add((page << 8) + i);
            }
          }
        }
      }
    }
    // letters that Unicode 13 to 16 gave a decomposition: the native tables are older, and which of
    // these a JDK knows depends on its version
    different.removeAll(
        List.of(
            0x11938, 0x105C9, 0x105E4, 0x11383, 0x11385, 0x1138E, 0x11391, 0x113C5, 0x113C7,
            0x113C8, 0x16121, 0x16122, 0x16123, 0x16124, 0x16125, 0x16126, 0x16127, 0x16128,
            0x16D68, 0x16D69, 0x16D6A));
    assertThat(different).extracting(Integer::toHexString).isEmpty();
  }
}
