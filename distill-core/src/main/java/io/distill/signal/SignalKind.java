package io.distill.signal;

/** The kinds of signals that a model can give and a loss can ask for. */
public enum SignalKind {
  /** Unnormalised class scores, {@code [N, C]}. */
  LOGITS,
  /** One vector a row, the representation that a classifier stands on, {@code [N, D]}. */
  EMBEDDING,
  /**
   * The outputs of the layers, first to last, {@code [N, L, D]} each ({@code [N, D]} where a layer
   * has no tokens).
   */
  HIDDEN_STATES,
  /** Scaled scores before the attention softmax, a layer each, {@code [N, H, L, L]}. */
  ATTENTION_SCORES
}
