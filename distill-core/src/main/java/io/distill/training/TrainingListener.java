package io.distill.training;

import io.distill.schedule.Progress;
import java.nio.file.Path;
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
   * The student was tried on the validation set; at the end of an epoch before {@link #onEpoch} of
   * that epoch.
   *
   * @param event what it reached
   */
  default void onEvaluation(Evaluation event) {}

  /**
   * The state of the run is safe on disk.
   *
   * @param event where it is
   */
  default void onCheckpoint(Checkpoint event) {}

  /**
   * The run has taken its last step; the student has the weights that the result will have.
   *
   * @param event what it took
   */
  default void onRunEnd(RunEnd event) {}

  /**
   * The run was broken off by an exception, which {@code fit} throws afterwards. The last event
   * instead of {@link #onRunEnd}; told only if {@link #onRunStart} or {@link #onTeacherPass} was.
   *
   * @param event what went wrong
   */
  default void onRunFailure(RunFailure event) {}

  /**
   * The start of a run.
   *
   * @param rows the number of training rows
   * @param epochs the number of epochs
   * @param totalSteps the number of optimizer steps
   * @param firstStep the number of steps that were taken before, greater than 0 for a run that goes
   *     on from a checkpoint
   * @param studentParameters the number of parameters of the student
   */
  record RunStart(int rows, int epochs, long totalSteps, long firstStep, long studentParameters) {}

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
   * @param weights the weight of each term at the step, by name
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
      Map<String, Double> weights,
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
     * @param weights the weight of each term at the step, by name
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
      weights = EventMaps.copy(weights);
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
   * A trial of the student on the validation set.
   *
   * @param progress where the run stands: the step that comes next
   * @param metrics the values by name, as in {@link Epoch}
   * @param best whether early stopping counts them as the best so far; false without early stopping
   * @param seconds how long the trial took
   */
  record Evaluation(Progress progress, Map<String, Double> metrics, boolean best, double seconds) {
    /**
     * Copies the map.
     *
     * @param progress where the run stands: the step that comes next
     * @param metrics the values by name, as in {@link Epoch}
     * @param best whether early stopping counts them as the best so far; false without early
     *     stopping
     * @param seconds how long the trial took
     */
    public Evaluation {
      metrics = EventMaps.copy(metrics);
    }
  }

  /**
   * A checkpoint.
   *
   * @param directory the directory that holds it
   * @param step the number of steps that were taken
   * @param bytes its size
   * @param seconds how long it took to write
   */
  record Checkpoint(Path directory, long step, long bytes, double seconds) {}

  /** Why a run ended. */
  enum EndReason {
    /** All steps were taken. */
    COMPLETED,
    /** Early stopping saw no improvement any more. */
    EARLY_STOPPED,
    /** Someone asked for it: {@code stop()}, an interrupt, or the end of the process. */
    STOPPED
  }

  /**
   * The end of a run.
   *
   * @param steps the number of optimizer steps taken, those before a checkpoint that the run went
   *     on from included
   * @param seconds the time from the first check to the last step, summed over all parts of a run
   *     that was resumed
   * @param teacherSeconds the part of it in which the teacher answered
   * @param reason why the run ended
   */
  record RunEnd(long steps, double seconds, double teacherSeconds, EndReason reason) {}

  /**
   * The failure of a run.
   *
   * @param steps the number of optimizer steps taken before
   * @param cause the exception
   */
  record RunFailure(long steps, Throwable cause) {}
}
