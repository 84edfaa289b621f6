package io.distill.teacher;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.data.DistillationDataset;
import io.distill.signal.SignalKind;
import java.util.Set;

/**
 * What a teacher learns about a run before it is asked.
 *
 * @param dataset the training data; batches of other data, such as a validation set, may come too
 * @param kinds what will be asked for
 * @param highestTemperature the highest softmax temperature at which the loss reads logits; greater
 *     than 0, infinite if it is not known
 */
public record TeacherSetup(
    DistillationDataset dataset, Set<SignalKind> kinds, double highestTemperature) {

  /**
   * Copies the set.
   *
   * @param dataset the training data; batches of other data, such as a validation set, may come too
   * @param kinds what will be asked for
   * @param highestTemperature the highest softmax temperature at which the loss reads logits;
   *     greater than 0, infinite if it is not known
   * @throws IllegalArgumentException if the temperature is not greater than 0
   */
  public TeacherSetup {
    requireNonNull(dataset, "dataset");
    kinds = Set.copyOf(kinds);
    checkArgument(
        highestTemperature > 0,
        "highestTemperature must be greater than 0 but was %s",
        highestTemperature);
  }

  /**
   * Describes a run at temperature 1.
   *
   * @param dataset the training data; batches of other data, such as a validation set, may come too
   * @param kinds what will be asked for
   */
  public TeacherSetup(DistillationDataset dataset, Set<SignalKind> kinds) {
    this(dataset, kinds, 1);
  }
}
