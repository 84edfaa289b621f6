package io.distill.training.internal;

import io.distill.model.DeployableModel;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import java.util.List;

/** What a run leaves behind. */
public record FinishedRun(
    DeployableModel student,
    List<TrainingListener.Epoch> history,
    List<GradientScales> gradientScales,
    TrainingListener.RunEnd end) {

  /** Copies the lists. */
  public FinishedRun {
    history = List.copyOf(history);
    gradientScales = List.copyOf(gradientScales);
  }
}
