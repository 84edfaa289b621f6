package io.distill.schedule;

import static com.google.common.base.Preconditions.checkArgument;

/**
 * How far a run has come. Schedules and mappings are functions of it alone, so a resumed run
 * continues exactly.
 *
 * @param epoch the epoch, counted from 0
 * @param step the optimizer step of the run, counted from 0
 * @param totalSteps the number of optimizer steps of the whole run, at least 1
 * @param seed the run's seed
 */
public record Progress(int epoch, long step, long totalSteps, long seed) {

  /**
   * Checks the ranges.
   *
   * @param epoch the epoch, counted from 0
   * @param step the optimizer step of the run, counted from 0
   * @param totalSteps the number of optimizer steps of the whole run, at least 1
   * @param seed the run's seed
   * @throws IllegalArgumentException if a count is out of range
   */
  public Progress {
    checkArgument(epoch >= 0, "epoch must be at least 0 but was %s", epoch);
    checkArgument(totalSteps >= 1, "totalSteps must be at least 1 but was %s", totalSteps);
    checkArgument(
        step >= 0 && step <= totalSteps,
        "step must be between 0 and totalSteps %s but was %s",
        totalSteps,
        step);
  }

  /**
   * Returns the share of the run that lies behind the current step.
   *
   * @return {@code step / (totalSteps - 1)}: 0 at the first step and 1 at the last
   */
  public double fraction() {
    return totalSteps == 1 ? 0 : Math.min(1.0, (double) step / (totalSteps - 1));
  }
}
