package io.distill.report;

import io.distill.model.DeployableModel;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import java.util.List;

/**
 * A student together with the record of the run that trained it, as a {@code DistillationResult} is
 * one.
 */
public interface TrainedStudent {

  /**
   * Returns the student.
   *
   * @return the student, in inference mode
   */
  DeployableModel student();

  /**
   * Returns how the run went.
   *
   * @return one entry an epoch, first to last
   */
  List<TrainingListener.Epoch> history();

  /**
   * Returns how strongly each term of the loss pulled at the student.
   *
   * @return comparisons, first to last; may be empty
   */
  List<GradientScales> gradientScales();

  /**
   * Returns the number of optimizer steps.
   *
   * @return the steps taken
   */
  long steps();

  /**
   * Returns how long the run took.
   *
   * @return the time in seconds, from the first check to the last step
   */
  double seconds();

  /**
   * Returns how long the teacher took.
   *
   * @return the part of {@link #seconds()} in which the teacher answered
   */
  double teacherSeconds();

  /**
   * Returns the curves of the run.
   *
   * @return what happened step by step
   */
  RunRecord runRecord();
}
