package io.distill.data;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.text.Normalizer;
import java.util.Arrays;

/**
 * BERT's normaliser: cleans text, sets ideographs apart, strips accents, lowers case, in this
 * order.
 *
 * @param cleansText whether control characters are removed and every whitespace becomes a space
 * @param separatesIdeographs whether spaces are put around ideographs
 * @param stripsAccents whether text is decomposed and loses its nonspacing marks
 * @param lowercases whether letters become lower case, each for itself
 */
record BertNormalizer(
    boolean cleansText, boolean separatesIdeographs, boolean stripsAccents, boolean lowercases) {

  /** Capital letters younger than JDK 17: first, last, distance to the lower case. */
  private static final int[][] YOUNG_CAPITALS = {
    {0x1C89, 0x1C89, 1},
    {0x2C2F, 0x2C2F, 48},
    {0xA7C0, 0xA7C0, 1},
    {0xA7CB, 0xA7CB, 0x264 - 0xA7CB},
    {0xA7CC, 0xA7CC, 1},
    {0xA7D0, 0xA7D0, 1},
    {0xA7D6, 0xA7D6, 1},
    {0xA7D8, 0xA7D8, 1},
    {0xA7DA, 0xA7DA, 1},
    {0xA7DC, 0xA7DC, 0x19B - 0xA7DC},
    {0x10570, 0x1057A, 39},
    {0x1057C, 0x1058A, 39},
    {0x1058C, 0x10592, 39},
    {0x10594, 0x10595, 39},
    {0x10D50, 0x10D65, 32},
  };

  static BertNormalizer of(JsonObject normalizer) {
    boolean lowercase = flag(normalizer, "lowercase", true);
    return new BertNormalizer(
        flag(normalizer, "clean_text", true),
        flag(normalizer, "handle_chinese_chars", true),
        // unless said otherwise, accents go where case goes
        flag(normalizer, "strip_accents", lowercase),
        lowercase);
  }

  private static boolean flag(JsonObject object, String key, boolean otherwise) {
    JsonElement element = object.get(key);
    return (element == null || element.isJsonNull()) ? otherwise : element.getAsBoolean();
  }

  /** Normalises a part of a text that has no unpaired surrogate. */
  char[] normalize(String text, int from, int to) {
    char[] result = new char[to - from];
    int size = 0;
    for (int i = from; i < to; i++) {
      char c = text.charAt(i);
      if (c >= 0x80) {
        return normalizeUnicode(text.substring(from, to));
      }
      if (cleansText) {
        if (c < ' ') {
          if (c != '\t' && c != '\n' && c != '\r') {
            continue;
          }
          c = ' ';
        } else if (c == 0x7F) {
          continue;
        }
      }
      result[size++] = lowercases && c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
    }
    return size == result.length ? result : Arrays.copyOf(result, size);
  }

  private char[] normalizeUnicode(String text) {
    StringBuilder cleaned = new StringBuilder(text.length() + 16);
    boolean decomposable = false;
    for (int i = 0; i < text.length(); ) {
      int point = text.codePointAt(i);
      i += Character.charCount(point);
      int roles = BertCharacters.roles(point);
      if (cleansText) {
        // tab and line ends are control characters too, but not in the table of removed ones
        if ((roles & BertCharacters.REMOVED) != 0) {
          continue;
        }
        if ((roles & BertCharacters.WHITESPACE) != 0) {
          point = ' ';
        }
      }
      if (separatesIdeographs && (roles & BertCharacters.IDEOGRAPH) != 0) {
        cleaned.append(' ').appendCodePoint(point).append(' ');
      } else {
        cleaned.appendCodePoint(point);
      }
      // nothing below decomposes, nor do dashes, quotes and dots of general punctuation
      decomposable |= point >= 0xC0 && (point < 0x2010 || point > 0x205E);
    }
    CharSequence result = cleaned;
    if (stripsAccents && decomposable) {
      result = withoutMarks(Normalizer.normalize(cleaned, Normalizer.Form.NFD));
    }
    return lowercases ? lowercase(result) : result.toString().toCharArray();
  }

  private static CharSequence withoutMarks(String decomposed) {
    StringBuilder result = new StringBuilder(decomposed.length());
    for (int i = 0; i < decomposed.length(); ) {
      int point = decomposed.codePointAt(i);
      i += Character.charCount(point);
      if ((BertCharacters.roles(point) & BertCharacters.MARK) == 0) {
        result.appendCodePoint(point);
      }
    }
    return result;
  }

  /** Lowers each code point for itself: a final sigma is not recognised, as in the original. */
  private static char[] lowercase(CharSequence text) {
    StringBuilder result = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); ) {
      int point = Character.codePointAt(text, i);
      i += Character.charCount(point);
      if (point == 0x130) {
        // the one letter whose lower case is two characters
        result.append("i\u0307");
      } else {
        result.appendCodePoint(lowercase(point));
      }
    }
    return result.toString().toCharArray();
  }

  private static int lowercase(int point) {
    if (point >= YOUNG_CAPITALS[0][0]) {
      for (int[] range : YOUNG_CAPITALS) {
        if (point >= range[0] && point <= range[1]) {
          return point + range[2];
        }
      }
    }
    return Character.toLowerCase(point);
  }
}
