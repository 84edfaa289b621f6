package io.distill.training.internal;

import ai.djl.Device;
import io.distill.data.DistillationDataset;
import io.distill.loss.DistillationLoss;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.TemperatureSchedule;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** Everything that defines a run besides its data; exactly one of epochs and steps is set. */
public record Recipe(
    Teacher teacher,
    Student student,
    DistillationLoss loss,
    TemperatureSchedule temperature,
    LayerMapping layerMapping,
    OptionalInt epochs,
    OptionalLong steps,
    int batchSize,
    int gradientAccumulation,
    double gradientClipping,
    Optimizer optimizer,
    LearningRateSchedule learningRateSchedule,
    long seed,
    Device device,
    List<TrainingListener> listeners,
    @Nullable DistillationDataset validation) {

  /** Copies the list. */
  public Recipe {
    listeners = List.copyOf(listeners);
  }
}
