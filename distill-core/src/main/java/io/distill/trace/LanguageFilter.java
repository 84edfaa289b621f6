package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.Sets;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Keeps answers that are written in some languages, and not in a mixture of them with others.
 *
 * <pre>{@code
 * share = words in pieces of these languages / words in pieces of any language
 * }</pre>
 *
 * <p>Code between backticks, formulas between dollars and addresses are left out; what remains is
 * cut into sentences, and these where the script changes, since a few ideographs say more than a
 * sentence of Latin letters. Short sentences are judged together with the next. A piece counts for
 * these languages where none is likelier; against them where another is {@value #DECISIVE} times as
 * likely; and not at all in between, or where it is too short to tell. This approximates the share
 * of words in the target language, the reward for language consistency of DeepSeek-R1.
 *
 * <p>An answer with no piece that counts is kept: one that has no words, such as a calculation, and
 * one too short to tell. The trace says so, and {@link #droppingUndecided} drops it by a reason of
 * its own. Details of the trace are {@code language}, the language of most words or {@value
 * #UNDECIDED} or {@value #NO_WORDS}, and {@code languageShare}, from 0 to 1.
 *
 * <p>Immutable and thread-safe.
 *
 * @see <a href="https://arxiv.org/abs/2501.12948">DeepSeek-AI, DeepSeek-R1, 2025</a>
 */
public final class LanguageFilter implements TraceFilter {

  /** The share of words that must be in the languages: {@value}. */
  public static final double DEFAULT_SHARE = 0.8;

  /** What stands for the language of an answer that is too short to tell. */
  public static final String UNDECIDED = "undecided";

  /** What stands for the language of an answer that has no words. */
  public static final String NO_WORDS = "no words";

  /** How many times as likely another language must be to count. */
  private static final double DECISIVE = 1.25;

  /** The share from which an answer that is dropped is a mixture. */
  private static final double MIXED = 0.2;

  private final LanguageDetector detector;
  private final Set<String> languages;
  private final Set<String> codes;
  private final double share;
  private final boolean undecidedKept;

  private LanguageFilter(
      LanguageDetector detector,
      Set<String> languages,
      Set<String> codes,
      double share,
      boolean undecidedKept) {
    this.detector = detector;
    this.languages = languages;
    this.codes = codes;
    this.share = share;
    this.undecidedKept = undecidedKept;
  }

  /** Starts with the defaults. */
  static LanguageFilter of(LanguageDetector detector, String... languages) {
    checkArgument(languages.length > 0, "languages must be at least one but were none");
    Set<String> known = detector.languages();
    Set<String> codes = new HashSet<>();
    for (String language : languages) {
      codes.addAll(LanguageCodes.of(language, known));
    }
    Set<String> named = Collections.unmodifiableSet(new TreeSet<>(Arrays.asList(languages)));
    return new LanguageFilter(detector, named, Set.copyOf(codes), DEFAULT_SHARE, true);
  }

  /**
   * Sets the share of words that must be in the languages.
   *
   * @param minimum the share, greater than 0 and at most 1; default {@value #DEFAULT_SHARE}
   * @return a filter with this share
   * @throws IllegalArgumentException if it is out of its range
   */
  public LanguageFilter share(double minimum) {
    checkArgument(
        minimum > 0 && minimum <= 1,
        "minimum must be greater than 0 and at most 1 but was %s",
        minimum);
    return new LanguageFilter(detector, languages, codes, minimum, undecidedKept);
  }

  /**
   * Drops answers without words and answers that are too short to tell, which are kept by default.
   *
   * @return a filter that does
   */
  public LanguageFilter droppingUndecided() {
    return new LanguageFilter(detector, languages, codes, share, false);
  }

  @Override
  public Verdict judge(Candidate candidate) {
    Map<String, Integer> words = new TreeMap<>();
    boolean any = false;
    for (LanguagePieces.Piece piece : LanguagePieces.of(candidate.text())) {
      any = true;
      words.merge(language(piece), piece.words(), Integer::sum);
    }
    words.remove(UNDECIDED);
    if (words.isEmpty()) {
      return Verdict.keepIf(undecidedKept, any ? "too short to tell" : NO_WORDS)
          .with("language", any ? UNDECIDED : NO_WORDS);
    }
    int all = words.values().stream().mapToInt(Integer::intValue).sum();
    int fitting = Sets.intersection(words.keySet(), codes).stream().mapToInt(words::get).sum();
    double actual = fitting / (double) all;
    String most = Collections.max(words.entrySet(), Map.Entry.comparingByValue()).getKey();
    String reason = actual >= MIXED ? "mixes languages" : "other language";
    return Verdict.keepIf(actual >= share, reason)
        .with("language", LanguageCodes.shortened(most))
        .with("languageShare", String.format(Locale.ROOT, "%.2f", actual));
  }

  private String language(LanguagePieces.Piece piece) {
    Map<String, Double> probabilities = detector.probabilities(piece.text());
    String likeliest =
        Collections.max(probabilities.entrySet(), Map.Entry.comparingByValue()).getKey();
    if (codes.contains(likeliest)) {
      return likeliest;
    }
    double own =
        codes.stream().mapToDouble(code -> probabilities.getOrDefault(code, 0.)).max().orElse(0);
    boolean other = probabilities.getOrDefault(likeliest, 0.) >= DECISIVE * own;
    return piece.enough() && other ? likeliest : UNDECIDED;
  }

  @Override
  public String name() {
    return "language";
  }

  @Override
  public String description() {
    return "language("
        + String.join(", ", languages)
        + ", share "
        + share
        + (undecidedKept ? ")" : ", dropping undecided)");
  }
}
