package io.distill.data;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NativeTokenizerCheckTest {

  private static JsonObject regex(String expression) {
    JsonObject pattern = new JsonObject();
    pattern.addProperty("Regex", expression);
    JsonObject split = new JsonObject();
    split.addProperty("type", "Split");
    split.add("pattern", pattern);
    JsonObject root = new JsonObject();
    root.add("pre_tokenizer", split);
    return root;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
            + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
        "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}]*[\\p{Ll}\\p{Lm}]+(?i:'s|'t)?|\\p{N}{1,3}",
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+| ?[\\p{P}\\p{S}]+[\\r\\n]*",
        " ?[^(\\s|[.,!?\u2026])]+",
        "(?:\\r?\\n)+",
        "(\\p{L})+",
        " {2,}",
        "[0-9][0-9][0-9]"
      })
  void expressions_ofRealTokenizers_areAllowed(String expression) {
    assertThatCode(() -> NativeTokenizerCheck.require(regex(expression)))
        .doesNotThrowAnyException();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "(x+x+)+y",
        "(a|b)*c",
        "(?:x*)*",
        "((a{2,})b){3,}",
        "(a)\\1",
        "(?<n>a)\\k<n>",
        "a{100000}",
        "(",
        ")",
        "(?~a)"
      })
  void expressions_withoutEnd_areRefused(String expression) {
    assertThatThrownBy(() -> NativeTokenizerCheck.require(regex(expression)))
        .isInstanceOf(IllegalStateException.class)
        .hasMessageStartingWith("an expression");
  }

  /** A trie that turns one letter into another: a root, and a leaf of one label. */
  private static JsonObject characters(int leafValue, int units) {
    int[] trie = new int[units];
    int child = 256;
    trie[0] = 0; // the root's children start at 0
    trie['A'] = ('A' ^ child) << 10 | 1 << 8 | 'A';
    if (units > child) {
      trie[child] = leafValue | 1 << 31;
    }
    byte[] texts = "a\0\u00e4\0".getBytes(StandardCharsets.UTF_8);
    ByteBuffer table = ByteBuffer.allocate(4 + 4 * units + texts.length);
    table.order(ByteOrder.LITTLE_ENDIAN).putInt(4 * units);
    Arrays.stream(trie).forEach(table::putInt);
    table.put(texts);
    JsonObject part = new JsonObject();
    part.addProperty("type", "Precompiled");
    part.addProperty("precompiled_charsmap", Base64.getEncoder().encodeToString(table.array()));
    JsonObject root = new JsonObject();
    root.add("normalizer", part);
    return root;
  }

  @Test
  void characters_insideTheirTable_areAllowed() {
    assertThatCode(() -> NativeTokenizerCheck.require(characters(0, 512)))
        .doesNotThrowAnyException();
    assertThatCode(() -> NativeTokenizerCheck.require(characters(2, 512)))
        .doesNotThrowAnyException();
  }

  @Test
  void characters_outsideOfTheirTable_areRefused() {
    assertThatThrownBy(() -> NativeTokenizerCheck.require(characters(0, 256)))
        .hasMessage("the table of characters points outside of its texts");
    assertThatThrownBy(() -> NativeTokenizerCheck.require(characters(0, 64)))
        .isInstanceOf(RuntimeException.class);
    assertThatThrownBy(() -> NativeTokenizerCheck.require(characters(6, 512)))
        .hasMessage("the table of characters points outside of its texts");
    // within the two bytes of a letter
    assertThatThrownBy(() -> NativeTokenizerCheck.require(characters(3, 512)))
        .hasMessage("the table of characters points outside of its texts");
  }
}
