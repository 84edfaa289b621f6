package io.distill.report;

import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import java.util.List;

/**
 * One of the models that are compared.
 *
 * @param name what the user calls it
 * @param role what it is
 * @param models one for each seed, or a single one
 * @param runs how they were trained, in the same order; empty if unknown
 */
record Contender(String name, Role role, List<Teacher> models, List<TrainedStudent> runs) {

  Contender {
    models = List.copyOf(models);
    runs = List.copyOf(runs);
  }

  int seeds() {
    return models.size();
  }

  /** Returns the model of a seed; a single model is that of all seeds. */
  int index(int seed) {
    return models.size() == 1 ? 0 : seed;
  }

  /** Returns whether sizes and speeds can be measured. */
  boolean inThisProcess() {
    return models.get(0) instanceof ModelTeacher;
  }
}
