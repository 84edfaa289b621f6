package io.distill.generation;

import static java.util.Objects.requireNonNull;

import java.util.List;

/**
 * What a model wrote after a prompt.
 *
 * @param text the text, without special tokens and without what stopped it
 * @param tokenIds the ids of all tokens that were written, the end token and those of a stop string
 *     included
 * @param end why it ended
 * @param promptTokens the number of tokens of the prompt
 * @param logProbabilities the natural logarithm of the probability of each token that was written,
 *     by the model's own distribution at temperature 1, before penalties and cuts; empty unless
 *     asked for
 */
public record Generation(
    String text, List<Integer> tokenIds, End end, int promptTokens, List<Double> logProbabilities) {

  /** Why a text ended. */
  public enum End {
    /** The model wrote an end token. */
    END_TOKEN,
    /** A stop string was written. */
    STOP_STRING,
    /** As many tokens were written as were allowed, or the context is full. */
    LENGTH
  }

  /**
   * Copies the lists.
   *
   * @param text the text
   * @param tokenIds the ids of all tokens that were written
   * @param end why it ended
   * @param promptTokens the number of tokens of the prompt
   * @param logProbabilities the logarithm of the probability of each token; may be empty
   */
  public Generation {
    requireNonNull(text, "text");
    tokenIds = List.copyOf(tokenIds);
    requireNonNull(end, "end");
    logProbabilities = List.copyOf(logProbabilities);
  }

  /**
   * Adds up the logarithms of the probabilities.
   *
   * @return that of the whole text given the prompt; 0 if none were asked for
   */
  public double logProbability() {
    return logProbabilities.stream().mapToDouble(Double::doubleValue).sum();
  }
}
