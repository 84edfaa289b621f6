package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.lang.Character.UnicodeScript;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Judges answers: verifies that they are right, or selects among those that are; a lambda is one.
 *
 * <p>Answers are judged one at a time, in the order of prompts and of answers to a prompt, by the
 * filters in their order; the first that drops an answer is the one that is counted. A filter that
 * throws drops the answer with the reason {@value #ERROR}. A verdict must depend on the candidate
 * alone, or on what was kept before (see {@link #kept}): otherwise a run that was killed and
 * resumed could end in other traces.
 */
@FunctionalInterface
public interface TraceFilter {

  /** The reason that is counted if a filter throws. */
  String ERROR = "error";

  /**
   * Judges an answer.
   *
   * @param candidate the answer and its prompt
   * @return whether it may stay
   * @throws Exception if it cannot be judged; the answer is dropped
   */
  Verdict judge(Candidate candidate) throws Exception;

  /**
   * Returns the name under which drops are counted.
   *
   * @return a name; that of the class by default
   */
  default String name() {
    return getClass().isHidden() ? "filter" : getClass().getSimpleName();
  }

  /**
   * Describes the settings: a directory is refused whose answers were judged by filters with
   * another description. Of a lambda nothing is known but its name, so give it another name when it
   * changes.
   *
   * @return a description on one line; the name by default
   */
  default String description() {
    return name();
  }

  /**
   * Tells whether a drop says nothing against the answer, as with duplicates: such a drop does not
   * count against the prompt in the report.
   *
   * @return false by default
   */
  default boolean selects() {
    return false;
  }

  /**
   * Begins a run.
   *
   * @return a filter that has seen nothing yet; by default this one, which has no memory
   */
  default TraceFilter begin() {
    return this;
  }

  /**
   * Hears of an answer that all filters keep. A run that is resumed tells all that were kept
   * before, in the same order, so that a filter can remember them.
   *
   * @param candidate the answer that is kept
   */
  default void kept(Candidate candidate) {
    // most filters remember nothing
  }

  /**
   * Returns this filter under another name.
   *
   * @param name the name; not blank
   * @return the same verdicts
   * @throws IllegalArgumentException if it is blank
   */
  default TraceFilter named(String name) {
    return new NamedFilter(name, this);
  }

  /**
   * Keeps what a condition keeps.
   *
   * @param name the name under which drops are counted; not blank
   * @param reason why the others are dropped; not blank
   * @param condition the condition
   * @return the filter
   * @throws IllegalArgumentException if a text is blank
   */
  static TraceFilter when(String name, String reason, Condition condition) {
    requireNonNull(condition, "condition");
    checkArgument(!reason.isBlank(), "reason must not be blank");
    TraceFilter filter = candidate -> Verdict.keepIf(condition.holds(candidate), reason);
    return filter.named(name);
  }

  /** A condition on a candidate. */
  @FunctionalInterface
  interface Condition {
    /**
     * Checks a candidate.
     *
     * @param candidate the answer and its prompt
     * @return whether it may stay
     * @throws Exception if it cannot be checked
     */
    boolean holds(Candidate candidate) throws Exception;
  }

  /**
   * Keeps answers whose final answer is the reference of the prompt; both are compared in
   * {@linkplain AnswerExtractor#normalForm normal form}. A prompt without a reference drops its
   * answers.
   *
   * @param extractor finds the final answer
   * @return the filter {@code exactAnswer}; its details have what was "extracted"
   */
  static TraceFilter exactAnswer(AnswerExtractor extractor) {
    return exactAnswer(extractor, AnswerExtractor.whole());
  }

  /**
   * Keeps answers whose final answer is that of the reference, which may be a worked solution.
   *
   * @param extractor finds the final answer in a completion
   * @param referenceExtractor finds the final answer in the reference
   * @return the filter {@code exactAnswer}
   */
  static TraceFilter exactAnswer(AnswerExtractor extractor, AnswerExtractor referenceExtractor) {
    requireNonNull(extractor, "extractor");
    requireNonNull(referenceExtractor, "referenceExtractor");
    TraceFilter filter =
        candidate -> {
          String right =
              candidate.prompt().reference().flatMap(referenceExtractor::extract).orElse(null);
          if (right == null) {
            return Verdict.drop("no reference");
          }
          String found = extractor.extract(candidate.text()).orElse(null);
          return found == null
              ? Verdict.drop("no answer found")
              : Verdict.keepIf(
                      AnswerExtractor.normalForm(found).equals(AnswerExtractor.normalForm(right)),
                      "wrong answer")
                  .with("extracted", found);
        };
    return filter.named("exactAnswer");
  }

  /**
   * Keeps answers that the teacher ended itself.
   *
   * @return the filter {@code finished}; it drops those cut off at the largest number of tokens,
   *     refusals, and those of which the source does not say why they end
   */
  static TraceFilter finished() {
    TraceFilter filter =
        candidate ->
            switch (candidate.answer().finishReason()) {
              case STOP -> Verdict.keep();
              case LENGTH -> Verdict.drop("cut off");
              case REFUSED -> Verdict.drop("refused");
              case UNKNOWN -> Verdict.drop("unknown finish reason");
            };
    return filter.named("finished");
  }

  /**
   * Keeps answers of some length in characters (Unicode code points).
   *
   * @param minimum the least number
   * @param maximum the largest number
   * @return the filter {@code characters}
   * @throws IllegalArgumentException unless {@code 0 <= minimum <= maximum}
   */
  static TraceFilter characters(int minimum, int maximum) {
    return Filters.length(
        "characters",
        minimum,
        maximum,
        candidate -> candidate.text().codePointCount(0, candidate.text().length()));
  }

  /**
   * Keeps answers of some length in words; an ideograph counts as a word.
   *
   * @param minimum the least number
   * @param maximum the largest number
   * @return the filter {@code words}
   * @throws IllegalArgumentException unless {@code 0 <= minimum <= maximum}
   */
  static TraceFilter words(int minimum, int maximum) {
    return Filters.length("words", minimum, maximum, candidate -> Words.count(candidate.text()));
  }

  /**
   * Keeps answers of some length in tokens, as the source counts them. Answers whose source does
   * not count are errors.
   *
   * @param minimum the least number
   * @param maximum the largest number
   * @return the filter {@code tokens}
   * @throws IllegalArgumentException unless {@code 0 <= minimum <= maximum}
   */
  static TraceFilter tokens(int minimum, int maximum) {
    return Filters.length(
        "tokens",
        minimum,
        maximum,
        candidate ->
            candidate
                .answer()
                .tokens()
                .orElseThrow(
                    () ->
                        new IllegalStateException(
                            "source must count tokens to filter by them but does not; filter by"
                                + " words(...) or characters(...)")));
  }

  /**
   * Keeps answers in which an expression is found.
   *
   * @param pattern the expression
   * @return the filter {@code contains}
   */
  static TraceFilter contains(Pattern pattern) {
    requireNonNull(pattern, "pattern");
    return new NamedFilter(
        "contains",
        "contains(" + pattern.pattern() + ", flags " + pattern.flags() + ")",
        candidate ->
            Verdict.keepIf(pattern.matcher(candidate.text()).find(), "expression not found"));
  }

  /**
   * Keeps answers that an expression matches as a whole.
   *
   * @param pattern the expression
   * @return the filter {@code matches}
   */
  static TraceFilter matches(Pattern pattern) {
    requireNonNull(pattern, "pattern");
    return new NamedFilter(
        "matches",
        "matches(" + pattern.pattern() + ", flags " + pattern.flags() + ")",
        candidate ->
            Verdict.keepIf(pattern.matcher(candidate.text()).matches(), "expression not matched"));
  }

  /**
   * Keeps answers that begin with their reasoning in a tag such as {@code <think>...</think>} and
   * go on with an answer: the tag is opened and closed once, in this order, nothing stands before
   * it, and neither reasoning nor answer is blank.
   *
   * @param tag the name of the tag, such as {@code think}; not blank
   * @return the filter {@code reasoning}
   * @throws IllegalArgumentException if the name is blank
   */
  static TraceFilter reasoning(String tag) {
    checkArgument(!tag.isBlank(), "tag must not be blank");
    return new NamedFilter(
        "reasoning",
        "reasoning(" + tag + ")",
        candidate -> Filters.reasoning(candidate.text(), "<" + tag + ">", "</" + tag + ">"));
  }

  /**
   * Drops answers that repeat themselves, as models do that are caught in a loop.
   *
   * <pre>{@code
   * repeated share = 1 - different n-grams / all n-grams
   * }</pre>
   *
   * @param n the number of words of an n-gram, at least 1; usual 3 to 10
   * @param maximum the largest share that may be repeated, from 0 to 1; usual 0.2 to 0.5, and more
   *     for long reasoning, which returns to the same words
   * @return the filter {@code repetition}; answers of fewer than 2 n words are kept
   * @throws IllegalArgumentException if a number is out of its range
   */
  static TraceFilter repetition(int n, double maximum) {
    checkArgument(n >= 1, "n must be at least 1 but was %s", n);
    checkArgument(maximum >= 0 && maximum <= 1, "maximum must be from 0 to 1 but was %s", maximum);
    return new NamedFilter(
        "repetition",
        "repetition(" + n + ", " + maximum + ")",
        candidate -> {
          List<String> words = Words.of(candidate.text());
          if (words.size() < 2 * n) {
            return Verdict.keep();
          }
          Set<List<String>> different = new HashSet<>();
          int all = words.size() - n + 1;
          for (int i = 0; i < all; i++) {
            different.add(words.subList(i, i + n));
          }
          return Verdict.keepIf(1 - different.size() / (double) all <= maximum, "repeats itself");
        });
  }

  /**
   * Keeps answers written in some scripts. This tells Latin from Chinese or Cyrillic letters, not
   * English from French; see {@link #language}.
   *
   * @param share how many of all letters must be of these scripts, from 0 to 1
   * @param scripts the scripts, at least one; Japanese has HAN, HIRAGANA and KATAKANA
   * @return the filter "script"; answers without any letter are kept
   * @throws IllegalArgumentException if the share is out of its range or there is no script
   */
  static TraceFilter script(double share, UnicodeScript... scripts) {
    checkArgument(share >= 0 && share <= 1, "share must be from 0 to 1 but was %s", share);
    checkArgument(scripts.length > 0, "scripts must be at least one but were none");
    Set<UnicodeScript> allowed = EnumSet.copyOf(Arrays.asList(scripts));
    return new NamedFilter(
        "script",
        "script(" + share + ", " + new TreeSet<>(allowed) + ")",
        candidate -> {
          long letters = candidate.text().codePoints().filter(Character::isLetter).count();
          long fitting =
              candidate
                  .text()
                  .codePoints()
                  .filter(Character::isLetter)
                  .filter(point -> allowed.contains(UnicodeScript.of(point)))
                  .count();
          return Verdict.keepIf(fitting >= share * letters, "other script");
        });
  }

  /**
   * Keeps answers in some languages, as Apache OpenNLP tells them, which an application adds to its
   * class path:
   *
   * <pre>{@code
   * <dependency><groupId>org.apache.opennlp</groupId><artifactId>opennlp-tools</artifactId></dependency>
   * <dependency><groupId>org.apache.opennlp</groupId><artifactId>opennlp-models-langdetect</artifactId></dependency>
   * }</pre>
   *
   * @param languages codes of ISO 639-1 such as {@code en}, or of ISO 639-3; at least one
   * @return the filter "language"; its details have the "language" and, unless there was nothing to
   *     tell, the "languageShare"
   * @throws IllegalArgumentException if there is no language or one is unknown
   * @throws IllegalStateException if OpenNLP or its model is absent
   */
  static LanguageFilter language(String... languages) {
    return LanguageFilter.of(LanguageDetector.openNlp(), languages);
  }

  /**
   * Keeps answers in some languages, as a detector of your choice tells them. With Lingua, for
   * instance:
   *
   * <pre>{@code
   * LanguageDetector lingua = LanguageDetectorBuilder.fromLanguages(ENGLISH, GERMAN).build();
   * TraceFilter.language(text -> lingua.detectLanguageOf(text).name(), "ENGLISH")
   * }</pre>
   *
   * @param detector says the language of a text
   * @param languages what it may say, at least one
   * @return the filter "language"; its details have the "language"
   * @throws IllegalArgumentException if there is no language
   */
  static TraceFilter language(Function<String, String> detector, String... languages) {
    requireNonNull(detector, "detector");
    Set<String> allowed = new TreeSet<>(Arrays.asList(languages));
    checkArgument(!allowed.isEmpty(), "languages must be at least one but were none");
    return new NamedFilter(
        "language",
        "language(" + allowed.stream().collect(Collectors.joining(", ")) + ")",
        candidate -> {
          String language = detector.apply(candidate.text());
          return Verdict.keepIf(allowed.contains(language), "other language")
              .with("language", language);
        });
  }

  /**
   * Keeps the first answers to each prompt that all filters before keep. It is best the last
   * filter.
   *
   * @param count how many, at least 1
   * @return the filter {@code atMostPerPrompt}
   * @throws IllegalArgumentException if {@code count} is below 1
   */
  static TraceFilter atMostPerPrompt(int count) {
    checkArgument(count >= 1, "count must be at least 1 but was %s", count);
    return new Filters.AtMostPerPrompt(count);
  }

  /**
   * Drops near-duplicates of what was kept before: texts whose runs of three words are the same to
   * 80 %.
   *
   * @return the filter {@code nearDuplicates}
   * @see NearDuplicates#words
   */
  static NearDuplicates nearDuplicates() {
    return NearDuplicates.words(NearDuplicates.DEFAULT_WORDS);
  }
}
