package io.distill;

import io.distill.model.DeployableModel;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import io.distill.training.internal.FinishedRun;
import java.util.List;

/**
 * What a run gave: the trained student, how the losses went, and what it cost. The teacher is not
 * part of it.
 *
 * <p>Closing the result closes the student.
 */
public final class DistillationResult implements AutoCloseable {

  private final FinishedRun run;

  DistillationResult(FinishedRun run) {
    this.run = run;
  }

  /**
   * Returns the trained student: ask it, save it, or make it the next teacher.
   *
   * @return the student, in inference mode; closed with this result
   */
  public DeployableModel student() {
    return run.student();
  }

  /**
   * Returns how the run went.
   *
   * @return one entry an epoch, first to last
   */
  public List<TrainingListener.Epoch> history() {
    return run.history();
  }

  /**
   * Returns how strongly each term of the loss pulled at the student.
   *
   * @return the first comparison of each epoch in which there was one, first to last; empty if the
   *     loss has one term only, or comparisons were switched off
   */
  public List<GradientScales> gradientScales() {
    return run.gradientScales();
  }

  /**
   * Returns why the run ended.
   *
   * @return whether all steps were taken, early stopping ended it, or someone stopped it
   */
  public TrainingListener.EndReason endReason() {
    return run.end().reason();
  }

  /**
   * Returns the number of optimizer steps.
   *
   * @return the steps taken
   */
  public long steps() {
    return run.end().steps();
  }

  /**
   * Returns how long the run took.
   *
   * @return the time in seconds, from the first check to the last step
   */
  public double seconds() {
    return run.end().seconds();
  }

  /**
   * Returns how long the teacher took.
   *
   * @return the part of {@link #seconds()} in which the teacher answered
   */
  public double teacherSeconds() {
    return run.end().teacherSeconds();
  }

  @Override
  public void close() {
    run.student().close();
  }
}
