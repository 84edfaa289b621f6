package io.distill.trace;

import java.lang.Character.UnicodeScript;
import java.text.BreakIterator;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;

/** Cuts a text into pieces that are of one language each, as far as its signs tell. */
final class LanguagePieces {

  /** What is of no language: fenced and inline code, formulas, addresses, tags. */
  private static final Pattern NO_LANGUAGE =
      Pattern.compile(
          "```.*?(```|\\z)"
              + "|`[^`\\n]*`"
              + "|\\$\\$.*?\\$\\$"
              + "|\\$[^$\\n]*\\$"
              + "|\\\\\\[.*?\\\\\\]"
              + "|\\\\\\(.*?\\\\\\)"
              + "|\\\\[A-Za-z]+"
              + "|[a-z]{2,6}://\\S+"
              + "|</?[A-Za-z][^<>\\n]*>",
          Pattern.DOTALL);

  /** The share of letters among visible signs below which a sentence is code or a calculation. */
  private static final double LETTERS = 0.65;

  /** The letters that a sentence needs to be judged alone. */
  private static final int ALONE = 40;

  /** The letters that tell a language from another; half a short sentence. */
  private static final int ENOUGH = 20;

  /** How many letters an ideograph or a syllable is worth. */
  private static final int SYLLABLE = 4;

  private static final Set<UnicodeScript> SYLLABLES =
      EnumSet.of(
          UnicodeScript.HAN, UnicodeScript.HIRAGANA, UnicodeScript.KATAKANA, UnicodeScript.HANGUL);

  private final Map<UnicodeScript, StringBuilder> open = new LinkedHashMap<>();
  private final List<Piece> pieces = new ArrayList<>();

  private LanguagePieces() {}

  /**
   * A piece of a text.
   *
   * @param text what is to be judged
   * @param letters its letters, those of syllabic scripts for several
   */
  record Piece(String text, int letters) {

    int words() {
      return Words.count(text);
    }

    /** Returns whether it is long enough to count against a language. */
    boolean enough() {
      return letters >= ENOUGH;
    }
  }

  /** Returns the pieces that have words. */
  static List<Piece> of(String text) {
    LanguagePieces pieces = new LanguagePieces();
    NO_LANGUAGE.matcher(text).replaceAll(" ").lines().forEach(pieces::addLine);
    pieces.open.values().forEach(pieces::close);
    return pieces.pieces;
  }

  private void addLine(String line) {
    BreakIterator sentences = BreakIterator.getSentenceInstance(Locale.ROOT);
    sentences.setText(line);
    int start = sentences.first();
    for (int end = sentences.next(); end != BreakIterator.DONE; end = sentences.next()) {
      add(line.substring(start, end));
      start = end;
    }
  }

  private void add(String sentence) {
    long visible = sentence.codePoints().filter(c -> !Character.isWhitespace(c)).count();
    long letters = sentence.codePoints().filter(Character::isLetter).count();
    if (letters < LETTERS * visible) {
      return;
    }
    UnicodeScript script = UnicodeScript.COMMON;
    for (int i = 0; i < sentence.length(); ) {
      int point = sentence.codePointAt(i);
      i += Character.charCount(point);
      UnicodeScript own = Character.isLetter(point) ? family(point, script) : script;
      if (own != script) {
        script = own;
        StringBuilder piece = open.computeIfAbsent(script, each -> new StringBuilder());
        piece.append(piece.length() == 0 ? "" : " ");
      }
      if (script != UnicodeScript.COMMON) {
        open.computeIfAbsent(script, each -> new StringBuilder()).appendCodePoint(point);
      }
    }
    open.values().stream().filter(piece -> letters(piece) >= ALONE).forEach(this::close);
  }

  private void close(StringBuilder piece) {
    int letters = letters(piece);
    if (letters > 0) {
      pieces.add(new Piece(piece.toString().strip(), letters));
    }
    piece.setLength(0);
  }

  /** Returns the script of a letter; Japanese writes one sentence in three. */
  private static UnicodeScript family(int letter, UnicodeScript before) {
    UnicodeScript script = UnicodeScript.of(letter);
    return switch (script) {
      case HIRAGANA, KATAKANA -> UnicodeScript.HAN;
      // letters of all scripts, such as the mark that makes a Japanese vowel long
      case COMMON, INHERITED -> before;
      default -> script;
    };
  }

  private static int letters(CharSequence text) {
    return text.codePoints()
        .filter(Character::isLetter)
        .map(letter -> SYLLABLES.contains(UnicodeScript.of(letter)) ? SYLLABLE : 1)
        .sum();
  }
}
