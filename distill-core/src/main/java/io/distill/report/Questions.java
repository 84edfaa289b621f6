package io.distill.report;

import io.distill.data.DistillationDataset;
import io.distill.teacher.Teacher;
import java.util.IdentityHashMap;

/** Asks each model about each data set once. */
final class Questions {

  private final IdentityHashMap<Teacher, IdentityHashMap<DistillationDataset, Answers>> answered =
      new IdentityHashMap<>();

  Answers ask(Teacher model, DistillationDataset dataset) {
    return answered
        .computeIfAbsent(model, key -> new IdentityHashMap<>())
        .computeIfAbsent(dataset, key -> Answers.of(model, key));
  }
}
