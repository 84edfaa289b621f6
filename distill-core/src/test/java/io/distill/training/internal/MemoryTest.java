package io.distill.training.internal;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.nn.norm.Dropout;
import io.distill.Distiller;
import io.distill.data.DistillationDataset;
import io.distill.internal.HostMemoryScope;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.model.BlockTaps;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.FloatRows;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

class MemoryTest {

  private static final Path STATUS = Path.of("/proc/self/status");

  /** Notes the number of open arrays after each step. */
  private static List<Integer> openAfterEachStep(Distiller.Builder recipe, DistillationDataset data)
      throws ReflectiveOperationException {
    List<Integer> counts = new ArrayList<>();
    try (OpenArrays open = new OpenArrays()) {
      recipe.listener(TinyRuns.onStep(event -> counts.add(open.count()))).fit(data).close();
      assertThat(open.count()).as("after the result is closed").isZero();
    }
    return counts;
  }

  private static void assertConstant(List<Integer> counts, int steps) {
    assertThat(counts).hasSize(steps);
    // the first step may still make what is kept for the run, such as the names of methods
    assertThat(counts.subList(1, steps)).containsOnly(counts.get(1));
    assertThat(counts.get(1)).isPositive();
  }

  @Test
  void counter_seesWhatStaysOpen() throws ReflectiveOperationException {
    try (NDManager manager = NativeEngine.newManager(Device.cpu());
        OpenArrays open = new OpenArrays()) {
      NDArray first = manager.create(1f);
      assertThat(open.count()).isEqualTo(1);
      try (HostMemoryScope scope = new HostMemoryScope()) {
        NDArray second = first.add(first);
        assertThat(open.count()).isEqualTo(2);
        assertThat(scope.size()).isZero();
        second.close();
        manager.create(new float[] {1, 2});
        assertThat(scope.size()).isEqualTo(1);
      }
      assertThat(open.count()).isEqualTo(2);
    }
  }

  @Test
  void counter_seesALeakInALoss() throws ReflectiveOperationException {
    try (NDManager forgotten = NativeEngine.newManager(Device.cpu())) {
      DistillationLoss leaking =
          context -> {
            forgotten.create(1f);
            return TinyRuns.logitDistance().compute(context);
          };
      List<Integer> counts = new ArrayList<>();
      try (OpenArrays open = new OpenArrays()) {
        TinyRuns.recipe(leaking)
            .steps(5)
            .listener(TinyRuns.onStep(event -> counts.add(open.count())))
            .fit(FloatRows.random(8, 3, 1))
            .close();
      }
      assertThat(counts.get(4) - counts.get(1)).isEqualTo(3);
    }
  }

  @Test
  void openArrays_areConstant_forText() throws ReflectiveOperationException {
    assertConstant(
        openAfterEachStep(
            Distiller.builder()
                .teacher(Teacher.none())
                .student(
                    Student.encoder()
                        .layers(1)
                        .hiddenSize(8)
                        .heads(2)
                        .tokenizer(TinyRuns.tokenizer())
                        .build())
                .loss(TinyRuns.logitsToOne().plus(TinyRuns.crossEntropy().weighted(0.5)))
                .batchSize(4)
                .gradientAccumulation(2)
                .validation(TinyRuns.texts(5))
                .steps(60),
            TinyRuns.texts(20)),
        60);
  }

  @Test
  void openArrays_areConstant_forTeacherAskedInEveryStep() throws ReflectiveOperationException {
    DistillationLoss hidden =
        TinyRuns.of(
            context ->
                context.meanOverRows(
                    context
                        .student()
                        .logits()
                        .sub(context.teacher().hiddenStates().get(0))
                        .square()
                        .sum(new int[] {1})),
            Set.of(SignalKind.LOGITS),
            Set.of(SignalKind.HIDDEN_STATES),
            false);
    try (Model teacher = blocks()) {
      assertConstant(
          openAfterEachStep(
              Distiller.builder()
                  .teacher(Teacher.of(teacher, BlockTaps.hiddenStates("05Linear")))
                  .student(TinyRuns.perceptron())
                  .loss(hidden)
                  .batchSize(3)
                  .steps(60),
              FloatRows.random(8, 3, 1)),
          60);
    }
  }

  private static Model blocks() {
    Model model = Model.newInstance("blocks", Device.cpu(), NativeEngine.NAME);
    model.setBlock(
        new SequentialBlock()
            .add(Linear.builder().setUnits(8).build())
            .add(BatchNorm.builder().build())
            .add(Activation::relu)
            .add(Dropout.builder().optRate(0.1f).build())
            .add(Linear.builder().setUnits(3).build()));
    model.getBlock().initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 3));
    return model;
  }

  @Test
  void openArrays_areConstant_forBlocks() throws ReflectiveOperationException {
    try (Model student = blocks()) {
      List<Integer> counts = new ArrayList<>();
      try (OpenArrays open = new OpenArrays()) {
        Distiller.builder()
            .teacher(RuleTeacher.echo())
            .student(student)
            .loss(TinyRuns.logitDistance())
            .batchSize(4)
            .steps(60)
            .listener(TinyRuns.onStep(event -> counts.add(open.count())))
            .fit(FloatRows.random(8, 3, 1))
            .close();
        assertConstant(counts, 60);
        // the user's parameters are not among them: they were made before
        assertThat(open.count()).isZero();
      }
    }
  }

  @Test
  void twoThousandSteps_holdAConstantNumberOfArrays() throws ReflectiveOperationException {
    assertConstant(openAfterEachStep(TinyRuns.recipe().batchSize(4).steps(2000), DATA), 2000);
  }

  private static final FloatRows DATA = FloatRows.random(32, 3, 1);

  @Test
  void twoThousandSteps_growResidentMemoryByLessThanFivePercent() {
    Assumptions.assumeTrue(Files.isReadable(STATUS), "no /proc here");
    long[] kilobytes = new long[2];
    TinyRuns.recipe()
        .batchSize(4)
        .steps(2000)
        .listener(
            TinyRuns.onStep(
                event -> {
                  long step = event.progress().step() + 1;
                  if (step == 200 || step == 2000) {
                    System.gc();
                    kilobytes[step == 200 ? 0 : 1] = resident();
                  }
                }))
        .fit(DATA)
        .close();
    assertThat(kilobytes[0]).isPositive();
    assertThat((double) kilobytes[1]).isLessThan(1.05 * kilobytes[0]);
  }

  private static long resident() {
    try {
      return Files.readAllLines(STATUS).stream()
          .filter(line -> line.startsWith("VmRSS:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
          .findFirst()
          .orElseThrow();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
