package io.distill.signal;

/** The kinds of signals that a model can give and a loss can ask for. */
public enum SignalKind {
  /**
   * Unnormalised class scores, {@code [N, C]}; of a language model a score a token and vocabulary
   * entry, {@code [N, L, V]}.
   */
  LOGITS,
  /** One vector a row, the representation that a classifier stands on, {@code [N, D]}. */
  EMBEDDING,
  /**
   * The outputs of the layers, first to last, {@code [N, L, D]} each ({@code [N, D]} where a layer
   * has no tokens, {@code [N, C, H, W]} where it is convolutional).
   */
  HIDDEN_STATES,
  /** Scaled scores before the attention softmax, a layer each, {@code [N, H, L, L]}. */
  ATTENTION_SCORES,
  /** The queries of self-attention, a layer each, {@code [N, H, L, D / H]}. */
  QUERIES,
  /** The keys of self-attention, a layer each, {@code [N, H, L, D / H]}. */
  KEYS,
  /** The values of self-attention, a layer each, {@code [N, H, L, D / H]}. */
  VALUES,
  /**
   * The logits of a language model as two factors that are never multiplied out: the last hidden
   * states {@code [N, L, D]} and the output embedding {@code [V, D]}.
   */
  LOGIT_FACTORS
}
