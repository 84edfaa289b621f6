package io.distill.teacher;

import ai.djl.ndarray.NDArray;
import io.distill.model.DeployableModel;
import java.util.Map;

/**
 * What a teacher that learns from its student, such as a moving average of it, is told by a run.
 *
 * <p>All calls come from the thread of the run. A follower belongs to one run: {@link
 * Teacher#forRun} makes it.
 */
public interface StudentFollower {

  /**
   * Is given the student, with its initial weights, before the teacher is asked for anything. A run
   * that goes on from a checkpoint calls this once more when the student has its weights of then;
   * {@link #state} is overwritten afterwards.
   *
   * @param student the student of the run; it stays the run's to close
   */
  void start(DeployableModel student);

  /**
   * Is told after each optimizer step.
   *
   * @param step the number of steps taken so far, at least 1; those before a checkpoint included
   */
  void afterStep(long step);

  /**
   * Returns the arrays that, with the student and the number of the step, make up all that the
   * follower is: a checkpoint keeps them, and a run that goes on writes them back in place.
   *
   * @return live arrays by name, the same names in every run of the recipe
   */
  Map<String, NDArray> state();
}
