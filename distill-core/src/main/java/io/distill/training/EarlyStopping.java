package io.distill.training;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

/**
 * Ends a run that does not get better any more, and gives back the best student that it saw.
 *
 * <p>After each trial on the validation set (or each epoch, if there is no such set) the run looks
 * at one metric. What counts is an improvement on the best value so far by more than {@code
 * minimumImprovement}; after {@code patience} trials in a row without one the run ends. Whether it
 * ends so or after all its steps, the student of the result is the one of the best trial.
 *
 * @param metric the name of the metric, as {@link TrainingListener.Epoch#metrics()} reports it, or
 *     {@code trainingLoss}: the mean weighted loss over the epoch so far
 * @param maximise whether larger values are better
 * @param patience how many trials without improvement end the run; at least 1; default 3
 * @param minimumImprovement by how much a value has to be better to count; at least 0; default 0
 */
public record EarlyStopping(
    String metric, boolean maximise, int patience, double minimumImprovement) {

  /** The default number of trials without improvement that end a run. */
  public static final int DEFAULT_PATIENCE = 3;

  /** The name of the mean weighted loss of an epoch, which every run reports. */
  public static final String TRAINING_LOSS = "trainingLoss";

  /**
   * Checks the values.
   *
   * @param metric the name of the metric
   * @param maximise whether larger values are better
   * @param patience how many trials without improvement end the run; at least 1
   * @param minimumImprovement by how much a value has to be better to count; at least 0
   * @throws IllegalArgumentException if a value is out of range
   */
  public EarlyStopping {
    requireNonNull(metric, "metric");
    checkArgument(!metric.isBlank(), "metric must have a name but was blank");
    checkArgument(patience >= 1, "patience must be at least 1 but was %s", patience);
    checkArgument(
        Double.isFinite(minimumImprovement) && minimumImprovement >= 0,
        "minimumImprovement must be finite and at least 0 but was %s",
        minimumImprovement);
  }

  /**
   * Keeps the student with the largest value.
   *
   * @param metric the name of the metric, such as {@code accuracy} or {@code agreement}
   * @return the rule, with a patience of 3
   */
  public static EarlyStopping maximising(String metric) {
    return new EarlyStopping(metric, true, DEFAULT_PATIENCE, 0);
  }

  /**
   * Keeps the student with the smallest value.
   *
   * @param metric the name of the metric, such as {@code crossEntropy}, {@code kl} or {@code
   *     trainingLoss}
   * @return the rule, with a patience of 3
   */
  public static EarlyStopping minimising(String metric) {
    return new EarlyStopping(metric, false, DEFAULT_PATIENCE, 0);
  }

  /**
   * Returns this rule with another patience.
   *
   * @param trials how many trials without improvement end the run; at least 1
   * @return a copy
   * @throws IllegalArgumentException if it is below 1
   */
  public EarlyStopping patience(int trials) {
    return new EarlyStopping(metric, maximise, trials, minimumImprovement);
  }

  /**
   * Returns this rule with another threshold.
   *
   * @param minimumImprovement by how much a value has to be better to count; at least 0
   * @return a copy
   * @throws IllegalArgumentException if it is out of range
   */
  public EarlyStopping minimumImprovement(double minimumImprovement) {
    return new EarlyStopping(metric, maximise, patience, minimumImprovement);
  }

  /**
   * Returns whether a value counts as an improvement.
   *
   * @param value the new value; NaN never counts
   * @param best the best value so far; NaN if there is none
   * @return whether it is better by more than the threshold
   */
  public boolean improves(double value, double best) {
    if (Double.isNaN(value) || Double.isNaN(best)) {
      return !Double.isNaN(value);
    }
    return maximise ? value > best + minimumImprovement : value < best - minimumImprovement;
  }
}
