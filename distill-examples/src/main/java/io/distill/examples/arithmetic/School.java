package io.distill.examples.arithmetic;

import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.tokenLevel;

import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.conversation.ConversationDataset;
import io.distill.listener.ConsoleProgress;
import io.distill.schedule.LearningRateSchedule;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import java.io.PrintStream;

/** Fine-tunes language models on texts, all in the same way. */
final class School {

  private static final int BATCH_SIZE = 32;
  private static final double WARM_UP = 0.05;
  private static final double LAST_SHARE = 0.02;

  private final PrintStream out;
  private final long seed;

  School(PrintStream out, long seed) {
    this.out = out;
    this.seed = seed;
  }

  /** Trains for about so many optimizer steps: whole passes, at least one. */
  DistillationResult teach(
      String name, Student student, ConversationDataset texts, int steps, double learningRate) {
    int stepsPerEpoch = Math.max(1, (texts.size() + BATCH_SIZE - 1) / BATCH_SIZE);
    int epochs = Math.max(1, Math.round((float) steps / stepsPerEpoch));
    out.printf("%n%s: %s, %d passes%n", name, texts.report(), epochs);
    try (ConsoleProgress progress = ConsoleProgress.to(out)) {
      Distiller.Builder recipe =
          Distiller.builder()
              .teacher(Teacher.none())
              .student(student)
              .loss(tokenLevel(hardLabels()))
              .epochs(epochs)
              .listener(progress);
      prepare(recipe, learningRate);
      return recipe.fit(texts);
    }
  }

  /** Sets how everyone is trained. */
  void prepare(Distiller.Builder recipe, double learningRate) {
    recipe
        .optimizer(
            Optimizer.adamW()
                .withLearningRate(learningRate)
                .withBetas(0.9, 0.98)
                .withWeightDecay(0.01))
        .learningRateSchedule(warmUpAndCosine())
        .gradientClipping(1)
        .batchSize(BATCH_SIZE)
        .seed(seed);
  }

  private static LearningRateSchedule warmUpAndCosine() {
    LearningRateSchedule cosine = LearningRateSchedule.cosine(LAST_SHARE);
    return progress ->
        cosine.factor(progress)
            * Math.min(1, (progress.step() + 1) / (WARM_UP * progress.totalSteps()));
  }
}
