package io.distill.trace;

import static java.util.Objects.requireNonNull;

import com.google.gson.JsonObject;
import io.distill.trace.AnswerEvaluation.Score;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * How well a source answers prompts whose right answers are known.
 *
 * @param overall the first answer to each prompt, with Wilson's interval; the accuracy where each
 *     prompt is asked once
 * @param groups the same of each group; empty unless prompts were grouped
 * @param samples how many answers each prompt got
 * @param passAtK the share of prompts that k answers solve, for k = 1, 2, 4, ... and all samples;
 *     empty if each prompt was asked once
 * @param majorityVote the prompts whose most frequent answer is right; empty if each was asked once
 * @param answers the number of answers
 * @param cutOff how many of them were cut off at the largest number of tokens
 * @param withoutAnswer in how many of them no final answer was found; they count as wrong
 * @param meanTokens the mean number of tokens of an answer; NaN if the source does not count
 * @param complete whether all prompts were answered; nothing is counted before
 * @param scores what was extracted from each answer, JSON Lines in the order of the prompts
 */
public record EvaluationResult(
    Score overall,
    Map<String, Score> groups,
    int samples,
    List<PassAtK> passAtK,
    Optional<Score> majorityVote,
    long answers,
    long cutOff,
    long withoutAnswer,
    double meanTokens,
    boolean complete,
    Path scores) {

  /**
   * Copies the collections.
   *
   * @param overall the first answer to each prompt
   * @param groups the same of each group
   * @param samples how many answers each prompt got
   * @param passAtK the share of prompts that k answers solve
   * @param majorityVote the prompts whose most frequent answer is right
   * @param answers the number of answers
   * @param cutOff how many of them were cut off
   * @param withoutAnswer in how many of them no final answer was found
   * @param meanTokens the mean number of tokens of an answer
   * @param complete whether all prompts were answered
   * @param scores what was extracted from each answer
   */
  public EvaluationResult {
    requireNonNull(overall, "overall");
    groups = Collections.unmodifiableMap(new TreeMap<>(groups));
    passAtK = List.copyOf(passAtK);
    requireNonNull(majorityVote, "majorityVote");
    requireNonNull(scores, "scores");
  }

  /**
   * The share of prompts of which at least one of k answers is right: the mean over prompts of
   *
   * <pre>{@code
   * pass@k = 1 - C(n-c, k) / C(n, k)
   * }</pre>
   *
   * <p>of which n answers were sampled and c are right. This is free of bias, as {@code 1 -
   * (1-c/n)^k} is not.
   *
   * @param k how many answers may be tried
   * @param value the mean, from 0 to 1
   * @param standardError its standard error over prompts; NaN of a single prompt
   * @see <a href="https://arxiv.org/abs/2107.03374">Chen et al., Evaluating Large Language Models
   *     Trained on Code, 2021</a>
   */
  public record PassAtK(int k, double value, double standardError) {

    /**
     * Estimates pass@k of one prompt, as a product, since the binomials overflow.
     *
     * @param n how many answers were sampled
     * @param c how many of them are right
     * @param k how many may be tried, from 1 to n
     * @return from 0 to 1
     */
    static double estimate(int n, int c, int k) {
      double noneRight = n - c < k ? 0 : 1;
      for (int i = n - c + 1; noneRight > 0 && i <= n; i++) {
        noneRight *= 1 - (double) k / i;
      }
      return 1 - noneRight;
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT, "pass@%d %.1f %% (+- %.1f)", k, 100 * value, 100 * standardError);
    }
  }

  /**
   * Returns all figures.
   *
   * @return a new object
   */
  public JsonObject json() {
    JsonObject json = new JsonObject();
    json.add("accuracy", json(overall));
    json.addProperty("samples", samples);
    if (!groups.isEmpty()) {
      JsonObject each = new JsonObject();
      groups.forEach((group, score) -> each.add(group, json(score)));
      json.add("groups", each);
    }
    if (!passAtK.isEmpty()) {
      JsonObject shares = new JsonObject();
      for (PassAtK each : passAtK) {
        JsonObject share = new JsonObject();
        share.addProperty("value", each.value);
        addFinite(share, "standardError", each.standardError);
        shares.add(Integer.toString(each.k), share);
      }
      json.add("passAtK", shares);
    }
    majorityVote.ifPresent(score -> json.add("majorityVote", json(score)));
    json.addProperty("answers", answers);
    json.addProperty("cutOff", cutOff);
    json.addProperty("withoutAnswer", withoutAnswer);
    addFinite(json, "meanTokens", meanTokens);
    json.addProperty("complete", complete);
    return json;
  }

  private static JsonObject json(Score score) {
    JsonObject json = new JsonObject();
    json.addProperty("right", score.right());
    json.addProperty("count", score.count());
    addFinite(json, "accuracy", score.accuracy());
    addFinite(json, "lower", score.lower());
    addFinite(json, "upper", score.upper());
    return json;
  }

  private static void addFinite(JsonObject json, String name, double value) {
    if (Double.isFinite(value)) {
      json.addProperty(name, value);
    }
  }

  /**
   * Returns a line for people.
   *
   * @return the accuracy and, of several samples, pass@k and majority vote
   */
  @Override
  public String toString() {
    if (!complete) {
      return "not complete; run it again to go on";
    }
    StringBuilder text = new StringBuilder(overall.toString());
    groups.forEach((group, score) -> text.append("; ").append(group).append(": ").append(score));
    passAtK.forEach(each -> text.append("; ").append(each));
    majorityVote.ifPresent(score -> text.append("; majority vote ").append(score));
    text.append(
        String.format(
            Locale.ROOT,
            "; %d of %d answers cut off, %d without a final answer",
            cutOff,
            answers,
            withoutAnswer));
    return text.toString();
  }
}
