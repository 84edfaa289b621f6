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
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.RowTemperature;
import io.distill.mapping.LayerMapping;
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
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
  void openArrays_areConstant_whereActivationsAreComputedAgain()
      throws ReflectiveOperationException {
    DistillationLoss layers =
        TinyRuns.of(
            context -> context.student().hiddenStates().get(0).square().mean(),
            Set.of(SignalKind.HIDDEN_STATES),
            Set.of(),
            false);
    assertConstant(
        openAfterEachStep(
            Distiller.builder()
                .teacher(Teacher.none())
                .student(
                    Student.encoder()
                        .layers(2)
                        .hiddenSize(8)
                        .heads(2)
                        .tokenizer(TinyRuns.tokenizer())
                        .build())
                .loss(TinyRuns.logitsToOne().plus(layers))
                .activationCheckpointing(true)
                .batchSize(4)
                .gradientAccumulation(2)
                .gradientNorms(3)
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

  /** Keeps the last logits of each row and how often it was seen. */
  private static final class Bank implements DistillationLoss {
    private final List<float[]> banks = new ArrayList<>();
    private final List<float[]> counts = new ArrayList<>();
    private final Map<Long, float[]> written = new HashMap<>();
    private final boolean reports;

    Bank(boolean reports) {
      this.reports = reports;
    }

    @Override
    public void prepare(LossSetup setup) {
      setup.buffer("bank", new Shape(setup.rows(), 3), 0f);
      setup.buffer("steps", new Shape(1), 0f);
    }

    @Override
    public NDArray compute(LossContext context) {
      NDArray logits = context.student().logits();
      if (reports) {
        banks.add(context.buffer("bank").toFloatArray());
        counts.add(context.buffer("steps").toFloatArray());
        long[] rows = context.rowIndices().toLongArray();
        float[] values = logits.toFloatArray();
        for (int i = 0; i < rows.length; i++) {
          written.put(rows[i], Arrays.copyOfRange(values, 3 * i, 3 * i + 3));
        }
      }
      context.updateRows("bank", context.rowIndices(), logits);
      context.update("steps", context.buffer("steps").add(1f));
      NDArray before = context.buffer("bank").get(context.rowIndices());
      NDArray away = logits.sub(context.teacher().logits()).square();
      return context.meanOverRows(away.add(logits.sub(before).square()).sum(new int[] {1}));
    }
  }

  @Test
  void bufferRows_areWrittenInPlace_afterTheStep() {
    Bank loss = new Bank(true);
    FloatRows data = FloatRows.random(8, 3, 1);
    Map<Long, float[]> expected = new HashMap<>();
    List<Map<Long, float[]>> afterEachStep = new ArrayList<>();
    TinyRuns.recipe(loss)
        .batchSize(3)
        .gradientAccumulation(2)
        .epochs(3)
        .gradientNorms(1)
        .listener(
            TinyRuns.onStep(
                event -> {
                  expected.putAll(loss.written);
                  afterEachStep.add(new HashMap<>(expected));
                }))
        .fit(data)
        .close();
    // batches of 3, 3 and 2 rows: steps of two batches and of one
    assertThat(loss.banks).hasSize(9);
    int batch = 0;
    for (int step = 0; step < 6; step++) {
      for (int i = 0; i < (step % 2 == 0 ? 2 : 1); i++, batch++) {
        float[] bank = loss.banks.get(batch);
        for (long row = 0; row < 8; row++) {
          float[] seen =
              step == 0
                  ? new float[3]
                  : afterEachStep.get(step - 1).getOrDefault(row, new float[3]);
          assertThat(Arrays.copyOfRange(bank, (int) row * 3, (int) row * 3 + 3))
              .as("step %s, batch %s, row %s", step, batch, row)
              .isEqualTo(seen);
        }
        // both batches of a step see the same buffer, so the second overwrites with the same number
        assertThat(loss.counts.get(batch)).containsExactly(step);
      }
    }
  }

  @Test
  void openArrays_areConstant_forMemoryBanks() throws ReflectiveOperationException {
    assertConstant(
        openAfterEachStep(
            TinyRuns.recipe(new Bank(false).plus(new Bank(false).named("second")))
                .batchSize(3)
                .gradientAccumulation(2)
                .gradientNorms(3)
                .steps(60),
            FloatRows.random(8, 3, 1)),
        60);
  }

  @Test
  void openArrays_areConstant_forLearnedTemperaturesAndMappings()
      throws ReflectiveOperationException {
    DistillationLoss layers =
        new DistillationLoss() {
          @Override
          public void prepare(LossSetup setup) {
            assertThat(setup.layerPairs()).isNotEmpty();
          }

          @Override
          public NDArray compute(LossContext context) {
            return context.overLayerPairs(
                pair ->
                    context
                        .student()
                        .hiddenStates()
                        .get(pair.student())
                        .mean()
                        .sub(context.teacher().hiddenStates().get(pair.teacher()).mean())
                        .square()
                        .div(context.temperatures().mean()));
          }

          @Override
          public Set<SignalKind> requires() {
            return Set.of(SignalKind.HIDDEN_STATES);
          }
        };
    DistillationLoss sum = layers.onLayers(LayerMapping.learned());
    for (LayerMapping mapping :
        List.of(LayerMapping.earthMovers(), LayerMapping.random(), LayerMapping.manyToOne())) {
      sum = sum.plus(layers.onLayers(mapping));
    }
    DistillationLoss loss =
        sum.plus(layers.atTemperature(RowTemperature.learnedByInstance()))
            .plus(layers.atTemperature(RowTemperature.byTeacherEntropy(1, 2)));
    Distiller.Builder recipe =
        Distiller.builder()
            .teacher(
                new RuleTeacher(
                    row -> row, Set.of(SignalKind.HIDDEN_STATES, SignalKind.LOGITS), List.of()))
            .student(Student.multilayerPerceptron().hiddenSizes(4, 5).build())
            .loss(loss)
            .temperature(RowTemperature.learned())
            .batchSize(3)
            .gradientNorms(2)
            .steps(40);
    // what is compiled once stays for the life of the process
    recipe.fit(DATA).close();
    assertConstant(openAfterEachStep(recipe, DATA), 40);
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
    // what the virtual machine itself grows by, compiling what it meets first, is no leak
    TinyRuns.recipe().batchSize(4).steps(1000).fit(DATA).close();
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
