package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.nio.charset.StandardCharsets;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/**
 * What a source answered.
 *
 * @param text the completion, without the prompt; a source that gets the reasoning apart from the
 *     answer puts it before, such as between {@code <think>} and {@code </think>}
 * @param finishReason why it ends
 * @param promptTokens the number of tokens of the prompt; empty if unknown
 * @param tokens the number of tokens of the completion; empty if unknown
 * @param logProbability the sum of the log-probabilities of its tokens, natural logarithm; empty if
 *     unknown
 */
public record Answer(
    String text,
    FinishReason finishReason,
    OptionalInt promptTokens,
    OptionalInt tokens,
    OptionalDouble logProbability) {

  /**
   * Checks the numbers. Halves of surrogate pairs, which no file can hold, become question marks.
   *
   * @param text the completion
   * @param finishReason why it ends
   * @param promptTokens the number of tokens of the prompt, at least 0
   * @param tokens the number of tokens of the completion, at least 0
   * @param logProbability the sum of the log-probabilities of its tokens; finite
   * @throws IllegalArgumentException if a number is negative or the log-probability not finite
   */
  public Answer {
    text = new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8);
    requireNonNull(finishReason, "finishReason");
    checkArgument(
        promptTokens.orElse(0) >= 0, "promptTokens must not be negative but were %s", promptTokens);
    checkArgument(tokens.orElse(0) >= 0, "tokens must not be negative but were %s", tokens);
    checkArgument(
        Double.isFinite(logProbability.orElse(0)),
        "logProbability must be finite but was %s",
        logProbability);
  }

  /**
   * Returns an answer of which nothing but the text is known.
   *
   * @param text the completion
   * @return the answer; its reason to end is {@link FinishReason#UNKNOWN}
   */
  public static Answer of(String text) {
    return new Answer(
        text,
        FinishReason.UNKNOWN,
        OptionalInt.empty(),
        OptionalInt.empty(),
        OptionalDouble.empty());
  }

  /**
   * Returns an answer of a known number of tokens.
   *
   * @param text the completion
   * @param finishReason why it ends
   * @param promptTokens the number of tokens of the prompt
   * @param tokens the number of tokens of the completion
   * @return the answer
   * @throws IllegalArgumentException if a number is negative
   */
  public static Answer of(String text, FinishReason finishReason, int promptTokens, int tokens) {
    return new Answer(
        text,
        finishReason,
        OptionalInt.of(promptTokens),
        OptionalInt.of(tokens),
        OptionalDouble.empty());
  }

  /**
   * Returns this answer with its log-probability.
   *
   * @param logProbability the sum over its tokens; finite
   * @return a copy
   * @throws IllegalArgumentException if it is not finite
   */
  public Answer withLogProbability(double logProbability) {
    return new Answer(text, finishReason, promptTokens, tokens, OptionalDouble.of(logProbability));
  }
}
