package io.distill.model;

/** How a decoder brings its hidden states to a common scale. */
public enum Normalization {
  /**
   * {@code x / sqrt(mean(x²) + epsilon) · weight}.
   *
   * @see <a href="https://arxiv.org/abs/1910.07467">Zhang and Sennrich, Root Mean Square Layer
   *     Normalization, 2019</a>
   */
  ROOT_MEAN_SQUARE,
  /** {@code (x - mean(x)) / sqrt(var(x) + epsilon) · weight + bias}. */
  LAYER_NORM
}
