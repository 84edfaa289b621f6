package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.Lists;
import io.distill.exception.DistillationException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * How many prompts a model answers right, by exact match of the extracted answer, counted in
 * memory; {@link EvaluationPipeline} keeps the answers and goes on where it was ended.
 *
 * @param overall all prompts
 * @param groups the prompts of each group; empty unless prompts were grouped
 * @param meanTokens the mean number of tokens of an answer; NaN if the source does not count
 * @param tokensPerSecond tokens that were written in a second; NaN if the source does not count
 */
public record AnswerEvaluation(
    Score overall, Map<String, Score> groups, double meanTokens, double tokensPerSecond) {

  private static final int BATCH = 256;

  /** The 97.5 % point of the normal distribution. */
  private static final double Z = 1.959963984540054;

  /**
   * Copies the map.
   *
   * @param overall all prompts
   * @param groups the prompts of each group
   * @param meanTokens the mean number of tokens of an answer
   * @param tokensPerSecond tokens that were written in a second
   */
  public AnswerEvaluation {
    requireNonNull(overall, "overall");
    groups = Collections.unmodifiableMap(new TreeMap<>(groups));
  }

  /**
   * Right answers.
   *
   * @param right how many
   * @param count of how many
   */
  public record Score(int right, int count) {

    /**
     * Checks the counts.
     *
     * @param right how many
     * @param count of how many
     * @throws IllegalArgumentException if there are more right ones than there are
     */
    public Score {
      checkArgument(
          right >= 0 && right <= count, "right must be from 0 to %s but was %s", count, right);
    }

    /**
     * Returns the share of right answers.
     *
     * @return from 0 to 1; NaN if there was no prompt
     */
    public double accuracy() {
      return count == 0 ? Double.NaN : (double) right / count;
    }

    /**
     * Returns the lower end of Wilson's 95 % interval.
     *
     * @return from 0 to the accuracy
     */
    public double lower() {
      return centre() - radius();
    }

    /**
     * Returns the upper end of Wilson's 95 % interval.
     *
     * @return from the accuracy to 1
     */
    public double upper() {
      return centre() + radius();
    }

    private double centre() {
      return (right + Z * Z / 2) / (count + Z * Z);
    }

    private double radius() {
      double wrong = count - (double) right;
      return count == 0
          ? Double.NaN
          : Z / (count + Z * Z) * Math.sqrt(right * wrong / count + Z * Z / 4);
    }

    Score plus(boolean more) {
      return new Score(right + (more ? 1 : 0), count + 1);
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT,
          "%.1f %% (%.1f to %.1f, %d of %d)",
          100 * accuracy(),
          100 * lower(),
          100 * upper(),
          right,
          count);
    }
  }

  /**
   * Asks every prompt once and compares with its reference.
   *
   * @param source who answers; greedy options make the figure repeatable
   * @param prompts the prompts, each with a reference
   * @param extractor finds the answer in what was written
   * @return the accuracy
   * @throws DistillationException if a prompt has no reference, or the source fails
   */
  public static AnswerEvaluation of(
      AnswerSource source, Prompts prompts, AnswerExtractor extractor) {
    return of(source, prompts, extractor, prompt -> "");
  }

  /**
   * Asks every prompt once and compares with its reference, group by group.
   *
   * @param source who answers; greedy options make the figure repeatable
   * @param prompts the prompts, each with a reference
   * @param extractor finds the answer in what was written
   * @param grouping the name of a prompt's group, such as its number of digits; empty for none
   * @return the accuracy
   * @throws DistillationException if a prompt has no reference, or the source fails
   */
  public static AnswerEvaluation of(
      AnswerSource source,
      Prompts prompts,
      AnswerExtractor extractor,
      Function<Prompt, String> grouping) {
    requireNonNull(source, "source");
    requireNonNull(extractor, "extractor");
    List<Prompt> all;
    try (Stream<Prompt> opened = prompts.open()) {
      all = opened.toList();
    }
    Score overall = new Score(0, 0);
    Map<String, Score> groups = new TreeMap<>();
    long tokens = 0;
    boolean counted = true;
    long nanos = 0;
    for (List<Prompt> batch : Lists.partition(all, BATCH)) {
      long start = System.nanoTime();
      List<Answer> answers = ask(source, batch);
      nanos += System.nanoTime() - start;
      for (int i = 0; i < batch.size(); i++) {
        Prompt prompt = batch.get(i);
        String reference = prompt.reference().orElseThrow(() -> noReference(prompt));
        boolean right = extractor.matches(answers.get(i).text(), reference);
        overall = overall.plus(right);
        String group = grouping.apply(prompt);
        if (!group.isEmpty()) {
          groups.merge(group, new Score(right ? 1 : 0, 1), (old, one) -> old.plus(one.right() > 0));
        }
        counted &= answers.get(i).tokens().isPresent();
        tokens += answers.get(i).tokens().orElse(0);
      }
    }
    return new AnswerEvaluation(
        overall,
        groups,
        counted && !all.isEmpty() ? (double) tokens / all.size() : Double.NaN,
        counted && nanos > 0 ? tokens / (nanos / 1e9) : Double.NaN);
  }

  static DistillationException noReference(Prompt prompt) {
    return new DistillationException(
        "prompts must have a reference to be marked but '"
            + prompt.id()
            + "' has none; add an \"answer\"");
  }

  private static List<Answer> ask(AnswerSource source, List<Prompt> batch) {
    try {
      @Nullable Answer[] answers = new @Nullable Answer[batch.size()];
      source.answers(
          batch.stream()
              .map(prompt -> new Question(prompt.id(), prompt.text(), prompt.messages(), 0, 0))
              .toList(),
          (position, answer) -> answers[position] = answer);
      List<Answer> all = new ArrayList<>(answers.length);
      for (int i = 0; i < answers.length; i++) {
        Answer answer = answers[i];
        if (answer == null) {
          throw new IllegalStateException("no answer to prompt '" + batch.get(i).id() + "'");
        }
        all.add(answer);
      }
      return all;
    } catch (DistillationException e) {
      throw e;
    } catch (Exception e) {
      throw new DistillationException("source must answer but failed (" + e + ")", e);
    }
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(overall.toString());
    groups.forEach((group, score) -> text.append("; ").append(group).append(": ").append(score));
    return text.toString();
  }
}
