package io.distill.training;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.RowTemperature;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import java.util.Set;

/**
 * A run with everything that has a state: dropout, a loss with learned parameters and a buffer, a
 * learned temperature, moments of the optimizer, schedules, accumulated batches, a validation set.
 */
public final class ResumableRun {

  private ResumableRun() {}

  /** Draws the logits to a learned vector, and to a running mean of what the student said. */
  private record Wandering() implements DistillationLoss {
    @Override
    public void prepare(LossSetup setup) {
      setup.parameter("goal", new Shape(setup.student().classes().orElseThrow()));
      setup.buffer("mean", new Shape(setup.student().classes().orElseThrow()), 0);
    }

    @Override
    public NDArray compute(LossContext context) {
      NDArray logits = context.student().logits();
      NDArray mean = context.buffer("mean");
      context.update(
          "mean", mean.mul(0.9f).add(logits.stopGradient().mean(new int[] {0}).mul(0.1f)));
      NDArray temperature = context.temperatures().reshape(-1, 1);
      return context.meanOverRows(
          logits
              .div(temperature)
              .sub(context.parameter("goal"))
              .add(mean)
              .square()
              .sum(new int[] {1}));
    }

    @Override
    public Set<SignalKind> requires() {
      return Set.of(SignalKind.LOGITS);
    }

    @Override
    public Set<SignalKind> requiresOfTeacher() {
      return Set.of();
    }

    @Override
    public String name() {
      return "wandering";
    }
  }

  /** Starts a recipe of 3 epochs of 4 steps on 24 rows. */
  public static Distiller.Builder recipe(TextDataset validation) {
    return recipe(validation, 3, 5);
  }

  /** Starts a recipe of 4 steps an epoch on 24 rows. */
  public static Distiller.Builder recipe(TextDataset validation, int epochs, long seed) {
    return withoutSchedule(validation, epochs, seed)
        .learningRateSchedule(LearningRateSchedule.cosine(0.1));
  }

  /** The same with a learning rate that is still to be scheduled. */
  public static Distiller.Builder withoutSchedule(TextDataset validation) {
    return withoutSchedule(validation, 3, 5);
  }

  private static Distiller.Builder withoutSchedule(TextDataset validation, int epochs, long seed) {
    Tokenizer tokenizer = TinyRuns.tokenizer();
    return Distiller.builder()
        .teacher(Teacher.none())
        .student(
            Student.encoder()
                .layers(1)
                .hiddenSize(8)
                .heads(2)
                .dropout(0.2)
                .tokenizer(tokenizer)
                .build())
        .loss(
            new Wandering()
                .weighted(WeightSchedule.linear(1, 0.2))
                .plus(TinyRuns.crossEntropy().weighted(0.5)))
        .temperature(RowTemperature.learned())
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .gradientClipping(1)
        .batchSize(3)
        .gradientAccumulation(2)
        .epochs(epochs)
        .seed(seed)
        .validation(validation);
  }
}
