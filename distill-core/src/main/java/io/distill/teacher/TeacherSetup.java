package io.distill.teacher;

import static java.util.Objects.requireNonNull;

import io.distill.data.DistillationDataset;
import io.distill.signal.SignalKind;
import java.util.Set;

/**
 * What a teacher learns about a run before it is asked.
 *
 * @param dataset the training data; batches of other data, such as a validation set, may come too
 * @param kinds what will be asked for
 */
public record TeacherSetup(DistillationDataset dataset, Set<SignalKind> kinds) {

  /**
   * Copies the set.
   *
   * @param dataset the training data; batches of other data, such as a validation set, may come too
   * @param kinds what will be asked for
   */
  public TeacherSetup {
    requireNonNull(dataset, "dataset");
    kinds = Set.copyOf(kinds);
  }
}
