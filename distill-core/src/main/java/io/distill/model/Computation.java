package io.distill.model;

import static java.util.Objects.requireNonNull;

/**
 * How a live model of this library computes what its configuration and weights define. It is no
 * part of the model: a saved one answers in float32, however it was trained.
 *
 * @param training the precision of forward and backward passes in training
 * @param inference the precision of answers
 * @param activationCheckpointing whether a training pass keeps only what goes into each layer and
 *     computes the rest of a layer's activations again in the backward pass: less memory, about a
 *     third more time
 */
public record Computation(
    Precision training, Precision inference, boolean activationCheckpointing) {

  private static final Computation STANDARD =
      new Computation(Precision.FLOAT32, Precision.FLOAT32, false);

  /**
   * Checks the parts.
   *
   * @param training the precision of forward and backward passes in training
   * @param inference the precision of answers
   * @param activationCheckpointing whether a training pass keeps only what goes into each layer
   */
  public Computation {
    requireNonNull(training, "training");
    requireNonNull(inference, "inference");
  }

  /**
   * Returns what every model can do.
   *
   * @return float32, and all activations kept
   */
  public static Computation standard() {
    return STANDARD;
  }

  /**
   * Returns a copy with another precision in training.
   *
   * @param training the precision
   * @return a copy
   */
  public Computation withTraining(Precision training) {
    return new Computation(training, inference, activationCheckpointing);
  }

  /**
   * Returns a copy with another precision of answers.
   *
   * @param inference the precision
   * @return a copy
   */
  public Computation withInference(Precision inference) {
    return new Computation(training, inference, activationCheckpointing);
  }

  /**
   * Returns a copy that keeps activations or computes them again.
   *
   * @param activationCheckpointing whether to compute them again
   * @return a copy
   */
  public Computation withActivationCheckpointing(boolean activationCheckpointing) {
    return new Computation(training, inference, activationCheckpointing);
  }

  /** Returns the TorchScript condition under which matrix products are bfloat16; empty if never. */
  String reduced() {
    boolean always = inference == Precision.BFLOAT16;
    if (training == Precision.BFLOAT16) {
      return always ? "True" : "self.training";
    }
    return always ? "not self.training" : "";
  }
}
