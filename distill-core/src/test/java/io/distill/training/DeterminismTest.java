package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.loss.DistillationLoss;
import io.distill.model.Precision;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** One seed, one outcome; every student here has dropout. */
class DeterminismTest {

  private static final TextDataset TEXTS = TinyRuns.texts(24);

  private static Distiller.Builder recipe(Student student, long seed) {
    return Distiller.builder()
        .teacher(Teacher.none())
        .student(student)
        .loss(TinyRuns.logitsToOne().plus(TinyRuns.crossEntropy()))
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .batchSize(7)
        .gradientAccumulation(2)
        .epochs(4)
        .seed(seed);
  }

  private static Student student(String kind) {
    return kind.equals("bag")
        ? Student.bagOfEmbeddings().tokenizer(TinyRuns.tokenizer()).embeddingSize(8).build()
        : Student.encoder()
            .layers(1)
            .hiddenSize(16)
            .heads(2)
            .dropout(0.2)
            .tokenizer(TinyRuns.tokenizer())
            .build();
  }

  private static void assertSame(Map<String, float[]> first, Map<String, float[]> second) {
    assertThat(second).containsOnlyKeys(first.keySet());
    first.forEach((name, values) -> assertThat(second.get(name)).as(name).isEqualTo(values));
  }

  private static boolean same(Map<String, float[]> first, Map<String, float[]> second) {
    return first.keySet().stream()
        .allMatch(name -> Arrays.equals(first.get(name), second.get(name)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"bag", "encoder"})
  void oneSeed_givesTheSameWeights_anotherGivesOthers(String kind) {
    Map<String, float[]> first = TinyRuns.train(recipe(student(kind), 5), TEXTS);
    Map<String, float[]> second = TinyRuns.train(recipe(student(kind), 5), TEXTS);
    Map<String, float[]> other = TinyRuns.train(recipe(student(kind), 6), TEXTS);
    assertSame(first, second);
    first.forEach(
        (name, values) -> assertThat(Arrays.equals(values, other.get(name))).as(name).isFalse());
  }

  @ParameterizedTest
  @ValueSource(strings = {"bag", "encoder"})
  void oneSeed_givesTheSameWeights_inBfloat16Too(String kind) {
    Map<String, float[]> exact = TinyRuns.train(recipe(student(kind), 5), TEXTS);
    Map<String, float[]> first =
        TinyRuns.train(recipe(student(kind), 5).precision(Precision.BFLOAT16), TEXTS);
    Map<String, float[]> second =
        TinyRuns.train(recipe(student(kind), 5).precision(Precision.BFLOAT16), TEXTS);
    assertSame(first, second);
    assertThat(same(exact, first)).isFalse();
  }

  @Test
  void oneRecipe_fitTwice_givesTheSame() {
    Distiller recipe = recipe(student("bag"), 5).build();
    try (DistillationResult first = recipe.fit(TEXTS);
        DistillationResult second = recipe.fit(TEXTS)) {
      assertSame(TinyRuns.weights(first.student()), TinyRuns.weights(second.student()));
      assertThat(second.history())
          .extracting(TrainingListener.Epoch::loss)
          .isEqualTo(first.history().stream().map(TrainingListener.Epoch::loss).toList());
    }
  }

  @Test
  void twoRunsAtTheSameTime_giveWhatTheyGiveAlone() throws Exception {
    Map<String, float[]> alone = TinyRuns.train(recipe(student("bag"), 5), TEXTS);
    CyclicBarrier barrier = new CyclicBarrier(2);
    ExecutorService threads = Executors.newFixedThreadPool(2);
    try {
      // both wait for each other before every step, so that they truly run side by side
      TrainingListener meet =
          TinyRuns.onStep(
              event -> {
                try {
                  barrier.await(30, TimeUnit.SECONDS);
                } catch (InterruptedException | BrokenBarrierException | TimeoutException e) {
                  throw new IllegalStateException(e);
                }
              });
      List<Future<Map<String, float[]>>> runs =
          List.of(
              threads.submit(() -> TinyRuns.train(recipe(student("bag"), 5).listener(meet), TEXTS)),
              threads.submit(
                  () -> TinyRuns.train(recipe(student("bag"), 6).listener(meet), TEXTS)));
      assertSame(alone, runs.get(0).get());
      assertThat(same(alone, runs.get(1).get())).isFalse();
    } finally {
      threads.shutdownNow();
    }
  }

  @Test
  void dropout_isAnotherInEachBatchOfEachStep() {
    // the same row again and again, and no learning: only dropout can change what it gives
    TextDataset twins = TEXTS.subset(new int[] {8, 8});
    List<Float> seen = new ArrayList<>();
    DistillationLoss watching =
        TinyRuns.alone(
            context -> {
              NDArray value = TinyRuns.logitsToOne().compute(context);
              seen.add(value.getFloat());
              return value;
            });
    Distiller.builder()
        .teacher(Teacher.none())
        .student(student("bag"))
        .loss(watching)
        .learningRateSchedule(progress -> 0)
        .batchSize(1)
        .gradientAccumulation(2)
        .steps(5)
        .fit(twins)
        .close();
    assertThat(seen).hasSize(10).doesNotHaveDuplicates();
  }

  @Test
  void student_isInInferenceModeAfterwards() {
    try (DistillationResult result = recipe(student("bag"), 5).fit(TEXTS)) {
      assertThat(result.student().logits(TEXTS)).isDeepEqualTo(result.student().logits(TEXTS));
    }
  }
}
