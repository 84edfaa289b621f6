package io.distill.trace;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Cuts text of any script into words: runs of letters and digits, and every other visible character
 * on its own. An ideograph is a word, and a run has at most {@value #LONGEST} characters, so that a
 * loop shows even where nothing separates words.
 */
final class Words {

  private static final int LONGEST = 16;

  private Words() {}

  /** Returns all words and signs, in lower case. */
  static List<String> of(String text) {
    List<String> words = new ArrayList<>();
    StringBuilder word = new StringBuilder();
    int length = 0;
    String lower = text.toLowerCase(Locale.ROOT);
    for (int i = 0; i < lower.length(); ) {
      int point = lower.codePointAt(i);
      i += Character.charCount(point);
      boolean alone = !isPartOfWord(point) || Character.isIdeographic(point);
      if (alone || length == LONGEST) {
        flush(word, words);
        length = 0;
      }
      if (alone) {
        if (!Character.isWhitespace(point)) {
          words.add(Character.toString(point));
        }
      } else {
        word.appendCodePoint(point);
        length++;
      }
    }
    flush(word, words);
    return words;
  }

  /** Returns how many words there are, signs not counted, long words once. */
  static int count(String text) {
    int count = 0;
    boolean inside = false;
    for (int i = 0; i < text.length(); ) {
      int point = text.codePointAt(i);
      i += Character.charCount(point);
      if (Character.isIdeographic(point)) {
        count++;
        inside = false;
      } else {
        boolean part = isPartOfWord(point);
        count += part && !inside ? 1 : 0;
        inside = part;
      }
    }
    return count;
  }

  private static boolean isPartOfWord(int point) {
    return Character.isLetterOrDigit(point)
        || Character.getType(point) == Character.NON_SPACING_MARK;
  }

  private static void flush(StringBuilder word, List<String> words) {
    if (word.length() > 0) {
      words.add(word.toString());
      word.setLength(0);
    }
  }
}
