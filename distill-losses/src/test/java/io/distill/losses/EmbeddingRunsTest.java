package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.training.dataset.ArrayDataset;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.loss.DistillationLoss;
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
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Relations and contrast alone train a student whose embedding has another width. */
class EmbeddingRunsTest {

  private static final int ROWS = 48;

  /**
   * Puts the two numbers of a row on a surface in three dimensions, all positive as the student's
   * activations are: negative cosines would be beyond it.
   */
  private record CurveTeacher() implements Teacher {
    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      NDArray inputs = batch.inputs().head();
      NDArray product = inputs.get(":, :1").mul(inputs.get(":, 1:"));
      return Signals.builder()
          .embedding(inputs.mul(2f).exp().concat(product.add(1f), 1))
          .logits(inputs.mul(2f).concat(product, 1))
          .build();
    }

    @Override
    public Set<SignalKind> provides() {
      return Set.of(SignalKind.EMBEDDING, SignalKind.LOGITS);
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return Optional.empty();
    }
  }

  private static List<Double> train(DistillationLoss loss) {
    return train(loss, 16, 1);
  }

  private static List<Double> train(DistillationLoss loss, int batchSize, int accumulation) {
    List<Double> losses = new ArrayList<>();
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray labels = manager.arange(0f, ROWS).mod(3);
      ArrayDataset rows =
          new ArrayDataset.Builder()
              .setData(manager.arange(0f, 2f * ROWS).mul(0.7f).sin().reshape(ROWS, 2))
              .optLabels(labels)
              .setSampling(8, false)
              .build();
      try (DistillationResult result =
          Distiller.builder()
              .teacher(new CurveTeacher())
              .student(Student.multilayerPerceptron().hiddenSizes(16, 8).build())
              .loss(loss)
              .optimizer(Optimizer.adamW().withLearningRate(0.02))
              .batchSize(batchSize)
              .gradientAccumulation(accumulation)
              .epochs(30)
              .seed(1)
              .listener(
                  new TrainingListener() {
                    @Override
                    public void onStep(Step event) {
                      losses.add(event.loss());
                    }
                  })
              .fit(rows)) {
        assertThat(result.student().parameterCount())
            .isEqualTo(2 * 16 + 16 + 16 * 8 + 8 + 8 * 3 + 3);
      }
    }
    assertThat(losses).hasSize(30 * ROWS / batchSize / accumulation);
    return losses;
  }

  private static double mean(List<Double> losses) {
    return losses.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }

  static Stream<Named<Supplier<DistillationLoss>>> relations() {
    return Stream.of(
        Named.of("relationalDistance", Losses::relationalDistance),
        Named.of("relationalAngle", Losses::relationalAngle),
        Named.of("relationalKd", Losses::relationalKd),
        Named.of("similarityPreserving", Losses::similarityPreserving),
        Named.of("correlationCongruence", Losses::correlationCongruence),
        Named.of("probabilisticTransfer", Losses::probabilisticTransfer),
        Named.of("cka", Losses::cka));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("relations")
  void relation_trains(Supplier<DistillationLoss> loss) {
    List<Double> losses = train(loss.get());
    assertThat(mean(losses.subList(81, 90))).isLessThan(mean(losses.subList(0, 9)) / 3);
  }

  private static DistillationLoss contrast(int negatives, boolean otherClasses) {
    return Losses.contrastiveRepresentation(negatives, 0.2, 0.5, 6, otherClasses);
  }

  @ParameterizedTest(name = "negatives={0}")
  @ValueSource(ints = {4, 20, 1000})
  void contrast_trains(int negatives) {
    List<Double> losses = train(contrast(negatives, false));
    assertThat(mean(losses.subList(81, 90))).isLessThan(0.8 * mean(losses.subList(0, 9)));
  }

  @Test
  void contrast_accumulated_isTheSameRun() {
    // one step sees all rows: other batch sizes shuffle into other batches
    for (boolean otherClasses : new boolean[] {false, true}) {
      List<Double> whole = train(contrast(20, otherClasses), ROWS, 1);
      List<Double> parts = train(contrast(20, otherClasses), 8, 6);
      for (int step = 0; step < 30; step++) {
        assertThat(parts.get(step)).isCloseTo(whole.get(step), within(1e-4 * whole.get(step)));
      }
    }
  }

  @Test
  void contrast_again_isTheSameRunToTheBit() {
    assertThat(train(contrast(20, true))).isEqualTo(train(contrast(20, true)));
  }

  @Test
  void contrast_ofOtherClasses_isAnotherRunOnceClassesAreKnown() {
    List<Double> all = train(contrast(20, false));
    List<Double> others = train(contrast(20, true));
    assertThat(others.get(0)).isEqualTo(all.get(0));
    assertThat(others.get(10)).isNotEqualTo(all.get(10));
  }
}
