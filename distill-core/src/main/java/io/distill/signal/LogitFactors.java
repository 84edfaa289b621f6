package io.distill.signal;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import java.util.function.UnaryOperator;

/**
 * The logits of a language model as two factors: {@code logits = states · weightᵀ}.
 *
 * <p>With a vocabulary of 128,000 entries the logits of one long batch fill gigabytes; a loss that
 * reads the factors can work through them in chunks.
 *
 * @param states the last hidden states, {@code [N, L, D]}
 * @param weight the output embedding, {@code [V, D]}
 */
public record LogitFactors(NDArray states, NDArray weight) {

  /**
   * Checks that both are present.
   *
   * @param states the last hidden states, {@code [N, L, D]}
   * @param weight the output embedding, {@code [V, D]}
   */
  public LogitFactors {
    requireNonNull(states, "states");
    requireNonNull(weight, "weight");
  }

  LogitFactors map(UnaryOperator<NDArray> operation) {
    return new LogitFactors(operation.apply(states), operation.apply(weight));
  }
}
