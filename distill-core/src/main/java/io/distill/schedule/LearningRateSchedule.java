package io.distill.schedule;

/**
 * The learning rate as a pure function of training progress: a factor by which the optimizer's own
 * rate is multiplied; a lambda is one.
 */
@FunctionalInterface
public interface LearningRateSchedule {

  /**
   * Returns the factor at a point of the run.
   *
   * @param progress where the run stands
   * @return the factor; finite and at least 0
   */
  double factor(Progress progress);

  /**
   * Returns the optimizer's own rate throughout.
   *
   * @return the schedule 1
   */
  static LearningRateSchedule constant() {
    return new LearningRateShapes.Constant();
  }

  /**
   * Returns a straight line from 1 to a last factor.
   *
   * @param last the factor at the last step; between 0 and 1
   * @return the schedule {@code 1 + (last - 1) · fraction}
   * @throws IllegalArgumentException if {@code last} is out of range
   */
  static LearningRateSchedule linear(double last) {
    return new LearningRateShapes.Linear(last);
  }

  /**
   * Returns half a cosine wave from 1 to a last factor.
   *
   * @param last the factor at the last step; between 0 and 1
   * @return the schedule {@code last + (1 - last) · (1 + cos(π · fraction)) / 2}
   * @throws IllegalArgumentException if {@code last} is out of range
   * @see <a href="https://arxiv.org/abs/1608.03983">Loshchilov and Hutter, SGDR, 2017</a>
   */
  static LearningRateSchedule cosine(double last) {
    return new LearningRateShapes.Cosine(last);
  }

  /**
   * Returns a staircase: the rate is multiplied by a factor every so many epochs.
   *
   * @param epochs the number of epochs on one stair; at least 1
   * @param factor the factor from stair to stair; between 0 and 1
   * @return the schedule {@code factor ^ floor(epoch / epochs)}
   * @throws IllegalArgumentException if an argument is out of range
   */
  static LearningRateSchedule step(int epochs, double factor) {
    return new LearningRateShapes.Step(epochs, factor);
  }

  /**
   * Returns this schedule after a linear warm-up. The schedule then runs over the steps that are
   * left.
   *
   * @param steps the number of optimizer steps of the warm-up; at least 0. Step {@code i} (from 0)
   *     gets {@code (i + 1) / (steps + 1)}
   * @return the schedule
   * @throws IllegalArgumentException if {@code steps} is negative
   */
  default LearningRateSchedule withWarmUp(long steps) {
    return new LearningRateShapes.WarmUp(this, steps);
  }
}
