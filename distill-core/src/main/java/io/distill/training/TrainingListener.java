package io.distill.training;

import io.distill.schedule.Progress;
import java.util.Map;

/**
 * Is told what happens in a run. All methods do nothing by default.
 *
 * <p>Events are immutable and arrive on the training thread, in order. A listener that throws is
 * logged and never stops a run.
 */
public interface TrainingListener {

  /**
   * A run is about to take its first step; all checks have passed.
   *
   * @param event what the run is
   */
  default void onRunStart(RunStart event) {}

  /**
   * The teacher has answered for some more rows, before the first step.
   *
   * @param event how far it is
   */
  default void onTeacherPass(TeacherPass event) {}

  /**
   * The weights have changed.
   *
   * @param event the losses and settings of the step
   */
  default void onStep(Step event) {}

  /**
   * The gradients of the terms of the loss have been compared; before {@link #onStep} of the same
   * step. Not told if the loss has one term only.
   *
   * @param event how strongly each term pulls at the student
   */
  default void onGradientScales(GradientScales event) {}

  /**
   * All rows have been seen once more.
   *
   * @param event the mean losses of the epoch, and validation metrics
   */
  default void onEpoch(Epoch event) {}

  /**
   * The run has taken its last step.
   *
   * @param event what it took
   */
  default void onRunEnd(RunEnd event) {}

  /**
   * The start of a run.
   *
   * @param rows the number of training rows
   * @param epochs the number of epochs
   * @param totalSteps the number of optimizer steps
   * @param studentParameters the number of parameters of the student
   */
  record RunStart(int rows, int epochs, long totalSteps, long studentParameters) {}

  /**
   * The progress of the teacher's pass over the data.
   *
   * @param rowsDone the number of rows answered for
   * @param rows the number of all rows
   */
  record TeacherPass(long rowsDone, int rows) {}

  /**
   * One optimizer step.
   *
   * @param progress where the run stands
   * @param loss the weighted sum of the terms
   * @param terms the value of each term before weighting, by name
   * @param learningRate the learning rate of the step
   * @param temperature the run's temperature at the step; if it differs row by row or is learned,
   *     its mean over the rows of the step, and NaN if no term read it
   * @param gradientNorm the L2 norm of all gradients before clipping
   * @param gradientNorms the L2 norm of the gradient of each weighted term in the student's
   *     parameters, over the first batch of the step, by name; empty where it was not measured
   * @param rows the number of rows of the step
   */
  record Step(
      Progress progress,
      double loss,
      Map<String, Double> terms,
      double learningRate,
      double temperature,
      double gradientNorm,
      Map<String, Double> gradientNorms,
      int rows) {
    /**
     * Copies the maps.
     *
     * @param progress where the run stands
     * @param loss the weighted sum of the terms
     * @param terms the value of each term before weighting, by name
     * @param learningRate the learning rate of the step
     * @param temperature the run's temperature at the step; if it differs row by row or is learned,
     *     its mean over the rows of the step, and NaN if no term read it
     * @param gradientNorm the L2 norm of all gradients before clipping
     * @param gradientNorms the L2 norm of the gradient of each weighted term in the student's
     *     parameters, over the first batch of the step, by name; empty where it was not measured
     * @param rows the number of rows of the step
     */
    public Step {
      terms = EventMaps.copy(terms);
      gradientNorms = EventMaps.copy(gradientNorms);
    }
  }

  /**
   * One epoch.
   *
   * @param epoch the epoch, counted from 1
   * @param epochs the number of all epochs
   * @param loss the mean weighted loss over the rows
   * @param terms the mean value of each term before weighting, by name
   * @param learningRate the learning rate of the last step
   * @param temperature the run's temperature at the last step, as in {@link Step}
   * @param metrics what the validation set gave: {@code accuracy} if it has labels, {@code
   *     agreement} with the teacher if it gives logits; empty without a validation set
   * @param seconds the time since the run's first step
   */
  record Epoch(
      int epoch,
      int epochs,
      double loss,
      Map<String, Double> terms,
      double learningRate,
      double temperature,
      Map<String, Double> metrics,
      double seconds) {
    /**
     * Copies the maps.
     *
     * @param epoch the epoch, counted from 1
     * @param epochs the number of all epochs
     * @param loss the mean weighted loss over the rows
     * @param terms the mean value of each term before weighting, by name
     * @param learningRate the learning rate of the last step
     * @param temperature the run's temperature at the last step, as in {@link Step}
     * @param metrics what the validation set gave: {@code accuracy} if it has labels, {@code
     *     agreement} with the teacher if it gives logits; empty without a validation set
     * @param seconds the time since the run's first step
     */
    public Epoch {
      terms = EventMaps.copy(terms);
      metrics = EventMaps.copy(metrics);
    }
  }

  /**
   * The end of a run.
   *
   * @param steps the number of optimizer steps taken
   * @param seconds the time from the first check to the last step
   * @param teacherSeconds the part of it in which the teacher answered
   */
  record RunEnd(long steps, double seconds, double teacherSeconds) {}
}
