package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.evaluation.Evaluation;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.provenance.Terms;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs whose teacher is the moving average of their student. */
class MovingAverageTest {

  private static final TextDataset TEXTS = TinyRuns.texts(24);

  private static Distiller.Builder recipe(Teacher teacher) {
    return Distiller.builder()
        .teacher(teacher)
        .student(
            Student.encoder()
                .layers(1)
                .hiddenSize(8)
                .heads(2)
                .dropout(0.2)
                .tokenizer(TinyRuns.tokenizer())
                .build())
        .loss(TinyRuns.divergence().plus(TinyRuns.crossEntropy()))
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .batchSize(3)
        .gradientAccumulation(2)
        .validation(TinyRuns.texts(9))
        .seed(7)
        .epochs(3);
  }

  private static void assertSame(Map<String, float[]> actual, Map<String, float[]> expected) {
    assertThat(actual).containsOnlyKeys(expected.keySet());
    expected.forEach(
        (name, values) -> assertThat(actual.get(name)).as(name).containsExactly(values));
  }

  private static boolean same(Map<String, float[]> first, Map<String, float[]> second) {
    return first.keySet().stream()
        .allMatch(name -> Arrays.equals(first.get(name), second.get(name)));
  }

  @Test
  void meanTeacher_trains_andHasSomethingToSay() {
    List<Double> divergences = new ArrayList<>();
    try (DistillationResult result =
        recipe(Teacher.movingAverage(0.99))
            .listener(TinyRuns.onStep(step -> divergences.add(step.terms().get("divergence"))))
            .fit(TEXTS)) {
      assertThat(divergences).allMatch(value -> value > 0);
      List<TrainingListener.Epoch> history = result.history();
      assertThat(history.get(2).terms().get("labels"))
          .isLessThan(history.get(0).terms().get("labels"));
      // the average is asked anew at each trial
      assertThat(history).allMatch(epoch -> epoch.metrics().containsKey("kl"));
      assertThat(history.get(0).metrics().get("kl"))
          .isNotEqualTo(history.get(2).metrics().get("kl"));
    }
  }

  @Test
  void meanTeacher_trainsARowOfNumbers_fromFewLabels() {
    FloatRows all = FloatRows.random(240, 4, 3);
    int[] labels = IntStream.range(0, 240).map(row -> row < 24 ? all.label(row) : -1).toArray();
    FloatRows test = FloatRows.random(400, 4, 4);
    Distiller.Builder recipe =
        Distiller.builder()
            .teacher(Teacher.movingAverage(0.95))
            .student(Student.multilayerPerceptron().hiddenSizes(16).dropout(0.3).build())
            .loss(TinyRuns.crossEntropy().plus(TinyRuns.divergence()))
            .optimizer(Optimizer.adamW().withLearningRate(0.01))
            .batchSize(16)
            .epochs(20)
            .device(Device.cpu());
    try (DistillationResult result = recipe.fit(all.withLabels(labels))) {
      // a guess is right in a quarter of the rows
      assertThat(Evaluation.of(result.student(), test).accuracy()).isGreaterThan(0.65);
    }
  }

  @Test
  void recipe_runsAgainAndAtTheSameTime_withAnAverageOfItsOwn() throws Exception {
    Distiller distiller = recipe(Teacher.movingAverage(0.9)).build();
    Map<String, float[]> expected;
    try (DistillationResult result = distiller.fit(TEXTS)) {
      expected = TinyRuns.weights(result.student());
    }
    ExecutorService threads = Executors.newFixedThreadPool(2);
    try {
      Callable<Map<String, float[]>> run =
          () -> {
            try (DistillationResult result = distiller.fit(TEXTS)) {
              return TinyRuns.weights(result.student());
            }
          };
      for (Future<Map<String, float[]>> each : threads.invokeAll(List.of(run, run))) {
        assertSame(each.get(), expected);
      }
    } finally {
      threads.shutdownNow();
    }
    assertThat(same(TinyRuns.train(recipe(Teacher.movingAverage(0.5)), TEXTS), expected)).isFalse();
    assertThat(
            same(
                TinyRuns.train(recipe(Teacher.movingAverage(0.9).withoutWarmUp()), TEXTS),
                expected))
        .isFalse();
  }

  @Test
  void resumedRun_goesOnWithItsAverage(@TempDir Path directory) {
    Teacher teacher = Teacher.movingAverage(0.9);
    Map<String, float[]> whole = TinyRuns.train(recipe(teacher), TEXTS);
    Thread trainer = Thread.currentThread();
    recipe(teacher)
        .checkpoint(directory, Every.steps(1000))
        .listener(
            TinyRuns.onStep(
                step -> {
                  if (step.progress().step() == 4) {
                    trainer.interrupt();
                  }
                }))
        .fit(TEXTS)
        .close();
    assertThat(Thread.interrupted()).isTrue();
    assertThat(directory.resolve("checkpoint-000000000005/teacher.safetensors")).exists();
    for (Teacher other :
        List.of(Teacher.movingAverage(0.8), Teacher.movingAverage(0.9).withoutWarmUp())) {
      assertThatThrownBy(() -> recipe(other).resumeFrom(directory).fit(TEXTS))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("teacher");
    }
    assertSame(TinyRuns.train(recipe(teacher).resumeFrom(directory), TEXTS), whole);
  }

  @Test
  void average_teachesTogetherWithAFixedTeacher(@TempDir Path directory) {
    try (DistillationResult plain = recipe(Teacher.none(), TinyRuns.crossEntropy()).fit(TEXTS)) {
      Teacher both =
          Teacher.ensemble(Teacher.movingAverage(0.9), Teacher.of(plain.student())).byConfidence();
      Map<String, float[]> whole = TinyRuns.train(recipe(both), TEXTS);
      assertThat(same(TinyRuns.train(recipe(Teacher.movingAverage(0.9)), TEXTS), whole)).isFalse();
      recipe(both).checkpoint(directory, Every.epochs(1)).fit(TEXTS).close();
      assertThat(directory.resolve("checkpoint-000000000012/teacher.safetensors")).exists();
      Teacher other =
          Teacher.ensemble(Teacher.movingAverage(0.5), Teacher.of(plain.student())).byConfidence();
      assertThatThrownBy(() -> recipe(other).resumeFrom(directory).fit(TEXTS))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("decay");
    }
  }

  private static Distiller.Builder recipe(Teacher teacher, io.distill.loss.DistillationLoss loss) {
    return Distiller.builder()
        .teacher(teacher)
        .student(Student.bagOfEmbeddings().tokenizer(TinyRuns.tokenizer()).build())
        .loss(loss)
        .epochs(3);
  }

  @Test
  void declaredAverage_followsToo() {
    Teacher declared =
        Teacher.movingAverage(0.9)
            .declaring("own", Terms.agreement("own", Terms.Permission.YES, ""));
    assertSame(
        TinyRuns.train(recipe(declared), TEXTS),
        TinyRuns.train(recipe(Teacher.movingAverage(0.9)), TEXTS));
  }

  @Test
  void studentOfBlocks_withBatchStatistics_hasAnAverageToo() {
    try (Model student = Model.newInstance("blocks", Device.cpu(), NativeEngine.NAME)) {
      student.setBlock(
          new SequentialBlock()
              .add(Linear.builder().setUnits(8).build())
              .add(BatchNorm.builder().build())
              .add(Activation::relu)
              .add(Linear.builder().setUnits(3).build()));
      student.getBlock().initialize(student.getNDManager(), DataType.FLOAT32, new Shape(1, 3));
      FloatRows rows = FloatRows.random(60, 3, 2);
      try (DistillationResult result =
          Distiller.builder()
              .teacher(Teacher.movingAverage(0.9))
              .student(student)
              .loss(TinyRuns.divergence().plus(TinyRuns.crossEntropy()))
              .optimizer(Optimizer.adamW().withLearningRate(0.02))
              .batchSize(10)
              .epochs(10)
              .validation(rows)
              .fit(rows)) {
        assertThat(result.history().get(9).metrics().get("accuracy")).isGreaterThan(0.8);
      }
    }
  }
}
