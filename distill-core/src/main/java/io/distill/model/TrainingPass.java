package io.distill.model;

import io.distill.signal.Signals;

/** One forward pass of a training step, and the way back from its signals to the parameters. */
public interface TrainingPass {

  /**
   * Returns what the model says.
   *
   * @return the signals; gradients can be taken with respect to them
   */
  Signals signals();

  /**
   * Carries gradients on where the graph ends at the signals instead of the parameters: call it
   * after each backward pass that started from something computed from the signals. Afterwards the
   * gradients of the parameters are complete, and those of the signals are zero again.
   *
   * <p>Parts of the model may run again, with the dropout of the first time; so it sets libtorch's
   * random state, as the forward pass did.
   */
  void backward();
}
