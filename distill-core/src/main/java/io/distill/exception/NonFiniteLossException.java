package io.distill.exception;

import java.io.Serial;

/**
 * A loss term, or the gradient, became NaN or infinite; the run stopped before the weights changed.
 */
public final class NonFiniteLossException extends DistillationException {

  @Serial private static final long serialVersionUID = 1L;

  /** The name of the loss term, or {@code "gradient"}. */
  private final String term;

  /** The epoch, counted from 1. */
  private final int epoch;

  /** The optimizer step, counted from 1. */
  private final long step;

  /**
   * Creates an exception.
   *
   * @param term the name of the loss term, or {@code "gradient"}
   * @param value the value found
   * @param epoch the epoch, counted from 1
   * @param step the optimizer step, counted from 1
   */
  public NonFiniteLossException(String term, double value, int epoch, long step) {
    super(
        "loss term '"
            + term
            + "' must be finite but was "
            + value
            + " at epoch "
            + epoch
            + ", step "
            + step
            + "; the weights of the step before are kept; lower the learning rate, clip gradients"
            + " (gradientClipping), or look for NaN in the data and in the teacher's outputs");
    this.term = term;
    this.epoch = epoch;
    this.step = step;
  }

  /**
   * Returns the name of the term.
   *
   * @return the name of the loss term, or {@code "gradient"}
   */
  public String term() {
    return term;
  }

  /**
   * Returns the epoch.
   *
   * @return the epoch, counted from 1
   */
  public int epoch() {
    return epoch;
  }

  /**
   * Returns the step.
   *
   * @return the optimizer step of the run, counted from 1
   */
  public long step() {
    return step;
  }
}
