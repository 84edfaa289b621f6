package io.distill.losses.training;

import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.loss.DistillationLoss;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.util.List;

/** A short run of any loss on one of the small tasks. */
public final class SmallRun {

  private static final int EPOCHS = 8;

  private SmallRun() {}

  /** Returns the mean losses of the epochs. */
  public static List<Double> onSentences(DistillationLoss loss) {
    return losses(TextTask.task(), loss);
  }

  /** Returns the mean losses of the epochs. */
  public static List<Double> onNextWords(DistillationLoss loss) {
    return losses(TokenTask.task(), loss);
  }

  private static List<Double> losses(Task task, DistillationLoss loss) {
    try (DistillationResult result =
        Distiller.builder()
            .teacher(task.teacher())
            .student(task.student())
            .loss(loss)
            .optimizer(Optimizer.adamW().withLearningRate(0.01))
            .batchSize(16)
            .epochs(EPOCHS)
            .seed(5)
            .fit(task.train())) {
      return result.history().stream().map(TrainingListener.Epoch::loss).toList();
    }
  }
}
