package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.math.BigDecimal;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds the final answer in a completion; a lambda is one.
 *
 * <p>Answers are compared in their {@linkplain #normalForm normal form}, in which {@code 1,234.0}
 * and {@code 1234} are the same.
 */
@FunctionalInterface
public interface AnswerExtractor {

  /**
   * Finds the answer.
   *
   * @param completion what was written
   * @return the answer; empty if none can be found
   */
  Optional<String> extract(String completion);

  /**
   * Takes the whole text.
   *
   * @return finds the text without surrounding blanks, unless it is blank
   */
  static AnswerExtractor whole() {
    return completion -> Optional.of(completion.strip()).filter(text -> !text.isEmpty());
  }

  /**
   * Takes the last number, such as {@code -1,234.5}. A minus is part of it unless it follows a
   * letter, digit or closing bracket, as in {@code 7-5}.
   *
   * @return finds numbers
   */
  static AnswerExtractor lastNumber() {
    return FinalAnswers::lastNumber;
  }

  /**
   * Takes what follows the last of some markers, such as {@code ####} or {@code Answer:}, up to the
   * end of the line, or the next line that is not blank.
   *
   * @param markers the markers, at least one; the one that stands last in the text counts
   * @return finds what follows
   * @throws IllegalArgumentException if there is no marker, or an empty one
   */
  static AnswerExtractor after(String... markers) {
    List<String> all = List.of(markers);
    checkArgument(!all.isEmpty(), "markers must be at least one but were none");
    checkArgument(all.stream().noneMatch(String::isEmpty), "markers must not be empty");
    return completion -> FinalAnswers.after(completion, all);
  }

  /**
   * Takes what stands in the last {@code \boxed{...}}, with whatever braces are inside.
   *
   * @return finds what is boxed
   */
  static AnswerExtractor boxed() {
    return FinalAnswers::boxed;
  }

  /**
   * Takes what the last match of an expression has in its first group, or all of it if it has no
   * group.
   *
   * @param pattern the expression
   * @return finds the last match
   */
  static AnswerExtractor lastMatch(Pattern pattern) {
    requireNonNull(pattern, "pattern");
    return completion -> {
      Matcher matcher = pattern.matcher(completion);
      String last = null;
      while (matcher.find()) {
        last = matcher.group(matcher.groupCount() > 0 ? 1 : 0);
      }
      return Optional.ofNullable(last);
    };
  }

  /**
   * Returns this extractor, and another one for texts in which this one finds nothing.
   *
   * @param other the other one
   * @return both
   */
  default AnswerExtractor or(AnswerExtractor other) {
    requireNonNull(other, "other");
    return completion -> extract(completion).or(() -> other.extract(completion));
  }

  /**
   * Applies this extractor to what another one found, such as {@code after("####")} and then {@link
   * #lastNumber()}.
   *
   * @param next what is applied to the text that this one finds
   * @return both, one after the other
   */
  default AnswerExtractor then(AnswerExtractor next) {
    requireNonNull(next, "next");
    return completion -> extract(completion).flatMap(next::extract);
  }

  /**
   * Reads only what follows the last of some tag, such as {@code </think>}; nothing is found where
   * it is missing.
   *
   * @param tag the tag; not empty
   * @return this extractor on the rest
   * @throws IllegalArgumentException if the tag is empty
   */
  default AnswerExtractor afterLast(String tag) {
    checkArgument(!tag.isEmpty(), "tag must not be empty");
    return completion -> {
      int place = completion.lastIndexOf(tag);
      return place < 0 ? Optional.empty() : extract(completion.substring(place + tag.length()));
    };
  }

  /**
   * Returns whether a completion has the right answer.
   *
   * @param completion what was written
   * @param reference the right answer
   * @return whether an answer was found whose normal form is that of the reference
   */
  default boolean matches(String completion, String reference) {
    String right = normalForm(reference);
    return extract(completion).map(AnswerExtractor::normalForm).filter(right::equals).isPresent();
  }

  /**
   * Writes an answer in one form only. Of a number: no thousands separators, no zeros at the end,
   * no sign before zero, no currency sign before and no full stop after it. Of other text: blanks
   * as one space. {@code $} around a formula is dropped. Case counts.
   *
   * @param answer such as {@code $1,234.00}
   * @return such as {@code 1234}
   */
  static String normalForm(String answer) {
    return FinalAnswers.normalForm(answer);
  }

  /**
   * Reads a text as a number.
   *
   * @param answer such as {@code 1,234.0}
   * @return its value; empty if it is no number
   */
  static Optional<BigDecimal> number(String answer) {
    return FinalAnswers.number(answer);
  }
}
