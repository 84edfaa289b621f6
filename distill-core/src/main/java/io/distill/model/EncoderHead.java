package io.distill.model;

import org.jspecify.annotations.Nullable;

/** What a {@link TransformerEncoder} makes of its last layer. */
public enum EncoderHead {
  /** A linear classifier on the pooled vector, which is the embedding. */
  LINEAR(null),

  /**
   * A dense layer of the same width with the hyperbolic tangent on the pooled vector; its output is
   * the embedding, and a linear classifier reads that. The pooler of BERT and the classifier of
   * RoBERTa.
   */
  DENSE_TANH(Activation.TANH),

  /** The same with {@code max(0, x)}: the classifier of DistilBERT. */
  DENSE_RELU(Activation.RELU),

  /**
   * A score for each word piece at each position, {@code [N, L, V]}: a dense layer of the same
   * width with the activation of the encoder, layer norm, and the product with the word embeddings
   * plus a bias. The embedding is the pooled vector.
   */
  MASKED_LANGUAGE_MODEL(null);

  private final @Nullable Activation dense;

  EncoderHead(@Nullable Activation dense) {
    this.dense = dense;
  }

  /** Returns the activation of the dense layer on the pooled vector; null if there is none. */
  @Nullable Activation dense() {
    return dense;
  }
}
