package io.distill.model;

/** The non-linear functions of the library's models. */
public enum Activation {
  /** {@code max(0, x)}. */
  RELU("torch.relu(%s)"),
  /** {@code x · Φ(x)} with the exact normal distribution function. */
  GELU("torch.gelu(%s)"),
  /** GELU by the tanh approximation. */
  GELU_TANH("torch.gelu(%s, approximate=\"tanh\")"),
  /** {@code x · sigmoid(x)}, also called swish. */
  SILU("torch.silu(%s)"),
  /** The hyperbolic tangent. */
  TANH("torch.tanh(%s)");

  private final String source;

  Activation(String source) {
    this.source = source;
  }

  String of(String argument) {
    return String.format(source, argument);
  }
}
