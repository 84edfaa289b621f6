package io.distill.loss;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.schedule.Progress;
import io.distill.schedule.WeightSchedule;

/**
 * One summand of a loss.
 *
 * @param name the name in events and reports
 * @param weight the factor as a pure function of progress
 * @param loss the loss before weighting
 */
public record LossTerm(String name, WeightSchedule weight, DistillationLoss loss) {

  /**
   * Checks the parts.
   *
   * @param name the name in events and reports
   * @param weight the factor as a pure function of progress
   * @param loss the loss before weighting
   * @throws IllegalArgumentException if the name is blank
   */
  public LossTerm {
    checkArgument(!requireNonNull(name, "name").isBlank(), "name must not be blank");
    requireNonNull(weight, "weight");
    requireNonNull(loss, "loss");
  }

  LossTerm times(WeightSchedule factor) {
    return new LossTerm(name, weight.times(factor), loss);
  }

  /**
   * Returns the factor at a point of the run.
   *
   * @param progress where the run stands
   * @return the factor; finite and at least 0
   * @throws IllegalArgumentException if the weight function returned something else
   */
  public double weightAt(Progress progress) {
    double value = weight.at(progress);
    checkArgument(
        Double.isFinite(value) && value >= 0,
        "weight must be finite and at least 0 but was %s",
        value);
    return value;
  }
}
