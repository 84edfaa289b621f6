package io.distill.loss;

import ai.djl.ndarray.NDArray;

/**
 * A softmax temperature that depends on more than training progress: on each row's teacher, or on
 * parameters that are learned with the student.
 */
public interface RowTemperature {

  /**
   * Declares learned parameters, once, before the first step.
   *
   * @param setup the widths of the signals, and where parameters are declared
   */
  void prepare(LossSetup setup);

  /**
   * Returns the temperatures of a batch.
   *
   * @param context the batch
   * @return float32, one for all rows {@code []} or one a row {@code [N, 1]}; finite and greater
   *     than 0
   */
  NDArray of(LossContext context);
}
