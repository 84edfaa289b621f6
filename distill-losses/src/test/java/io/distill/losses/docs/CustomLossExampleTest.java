package io.distill.losses.docs;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.dataset.ArrayDataset;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.loss.DistillationLoss;
import io.distill.losses.Losses;
import io.distill.losses.docs.CustomLossExample.ScaledLogits;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CustomLossExampleTest {

  private static final int ROWS = 48;

  /** Answers with twice the two numbers of a row and their difference. */
  private record LinearTeacher() implements Teacher {
    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      NDArray inputs = batch.inputs().head();
      NDArray difference = inputs.get(":, :1").sub(inputs.get(":, 1:"));
      return Signals.builder().logits(inputs.mul(2f).concat(difference, 1)).build();
    }

    @Override
    public Set<SignalKind> provides() {
      return Set.of(SignalKind.LOGITS);
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return Optional.empty();
    }
  }

  private static List<TrainingListener.Step> train(DistillationLoss loss, int accumulation) {
    List<TrainingListener.Step> steps = new ArrayList<>();
    try (NDManager manager = NDManager.newBaseManager()) {
      ArrayDataset rows =
          new ArrayDataset.Builder()
              .setData(manager.arange(0f, 2f * ROWS).mul(0.7f).sin().reshape(ROWS, 2))
              .setSampling(8, false)
              .build();
      try (DistillationResult result =
          Distiller.builder()
              .teacher(new LinearTeacher())
              .student(Student.multilayerPerceptron().hiddenSizes(8).build())
              .loss(loss)
              .optimizer(Optimizer.adamW().withLearningRate(0.03))
              .batchSize(16 / accumulation)
              .gradientAccumulation(accumulation)
              .epochs(15)
              .seed(1)
              .listener(
                  new TrainingListener() {
                    @Override
                    public void onStep(Step event) {
                      steps.add(event);
                    }
                  })
              .fit(rows)) {
        // scale and perceptron: only the latter is the student
        assertThat(result.student().parameterCount()).isEqualTo(2 * 8 + 8 + 8 * 3 + 3);
      }
    }
    return steps;
  }

  @Test
  void scaledLogits_train() {
    List<TrainingListener.Step> steps = train(new ScaledLogits(), 1);

    assertThat(steps).hasSize(45);
    assertThat(steps.get(44).loss()).isLessThan(steps.get(0).loss() / 10);
  }

  @Test
  void learnedScale_changesTheRun() {
    double learned = train(new ScaledLogits(), 1).get(44).loss();
    DistillationLoss fixed =
        context ->
            context.meanOverRows(
                context
                    .student()
                    .logits()
                    .sub(context.teacher().logits())
                    .square()
                    .mean(new int[] {1}));
    List<TrainingListener.Step> steps = train(fixed, 1);
    assertThat(steps.get(0).loss()).isEqualTo(train(new ScaledLogits(), 1).get(0).loss());
    assertThat(steps.get(44).loss()).isNotEqualTo(learned);
  }

  @Test
  void twoTermsOfOneParameterName_areReportedApart() {
    List<TrainingListener.Step> steps =
        train(
            new ScaledLogits()
                .named("own")
                .plus(new ScaledLogits().weighted(0.5))
                .plus(Losses.softTargets().weighted(0.1).atTemperature(progress -> 2)),
            2);

    assertThat(steps.get(0).terms().keySet()).containsExactly("own", "loss", "softTargets");
    assertThat(steps.get(44).loss()).isLessThan(steps.get(0).loss() / 5);
  }
}
