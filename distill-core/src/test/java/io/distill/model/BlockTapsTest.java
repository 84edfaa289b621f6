package io.distill.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.ParallelBlock;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.training.ParameterStore;
import ai.djl.training.dataset.ArrayDataset;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class BlockTapsTest {

  private NDManager manager;
  private Model model;

  @BeforeEach
  void open() {
    NativeEngine.engine().setRandomSeed(5);
    manager = NativeEngine.newManager(Device.cpu());
    model = Model.newInstance("blocks", Device.cpu(), "PyTorch");
  }

  @AfterEach
  void close() {
    model.close();
    manager.close();
  }

  private static Linear linear(int units) {
    return Linear.builder().setUnits(units).build();
  }

  private Signals signals(Block block, BlockTaps taps) {
    model.setBlock(block);
    block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 4));
    BlockModel opened = BlockModel.open(model, taps, SignalReader.standard(), false);
    return opened.forward(input(), Set.of(SignalKind.HIDDEN_STATES), false);
  }

  private NDList input() {
    return new NDList(manager.create(new float[] {1, 2, -3, 4, 0, 1, 0, 2}, new Shape(2, 4)));
  }

  private NDArray run(Block block, NDArray input) {
    return block
        .forward(new ParameterStore(manager, false), new NDList(input), false)
        .singletonOrThrow();
  }

  @Test
  void hiddenStates_byChildName_areTheChildrensOutputs() {
    Linear first = linear(5);
    Linear second = linear(6);
    SequentialBlock block =
        new SequentialBlock()
            .add(first)
            .add(ai.djl.nn.Activation.reluBlock())
            .add(second)
            .add(linear(3));
    Signals signals = signals(block, BlockTaps.hiddenStates("03Linear", "01Linear"));
    NDArray one = run(first, input().get(0));
    NDArray two = run(second, ai.djl.nn.Activation.relu(one));
    assertThat(signals.hiddenStates()).containsExactly(two, one);
    assertThat(signals.logits()).isEqualTo(run(block, input().get(0)));
    assertThat(signals.kinds())
        .containsExactlyInAnyOrder(SignalKind.LOGITS, SignalKind.HIDDEN_STATES);
  }

  @Test
  void hiddenStates_ofChildrenOfChildren_areNamedByPath() {
    Linear outer = linear(5);
    Linear inner = linear(6);
    SequentialBlock block =
        new SequentialBlock()
            .add(outer)
            .add(new SequentialBlock().add(ai.djl.nn.Activation.tanhBlock()).add(inner))
            .add(linear(3));
    Signals signals =
        signals(
            block,
            BlockTaps.hiddenStates("02SequentialBlock/02Linear").embedding("02SequentialBlock"));
    NDArray expected = run(inner, ai.djl.nn.Activation.tanh(run(outer, input().get(0))));
    assertThat(signals.hiddenStates()).containsExactly(expected);
    assertThat(signals.embedding()).isEqualTo(expected);
  }

  @Test
  void hiddenStates_ofNamedTaps_reachIntoOtherBlocks() {
    Linear left = linear(2);
    Linear right = linear(3);
    ParallelBlock parallel =
        new ParallelBlock(
            outputs -> new NDList(outputs.get(0).get(0).concat(outputs.get(1).get(0), 1)));
    parallel.add(Tap.named("left", left)).add(Tap.named("right", right));
    SequentialBlock block = new SequentialBlock().add(parallel).add(linear(3));
    Signals signals = signals(block, BlockTaps.hiddenStates("left").embedding("right"));
    assertThat(signals.hiddenStates()).containsExactly(run(left, input().get(0)));
    assertThat(signals.embedding()).isEqualTo(run(right, input().get(0)));
    assertThat(signals.logits().getShape()).isEqualTo(new Shape(2, 3));
  }

  @Test
  void tap_ofABlock_changesNothing() {
    Linear linear = linear(2);
    Block tapped = Tap.named("layer", linear);
    tapped.initialize(manager, DataType.FLOAT32, new Shape(1, 4));
    assertThat(run(tapped, input().get(0))).isEqualTo(run(linear, input().get(0)));
    assertThat(tapped.getOutputShapes(new Shape[] {new Shape(7, 4)}))
        .containsExactly(new Shape(7, 2));
    assertThat(tapped.getParameters().size()).isEqualTo(2);
    assertThatThrownBy(() -> Tap.named(" ", linear))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("name must not be blank");
  }

  @Test
  void tap_thatDoesNotExist_isRefusedWithTheNamesThatDo() {
    SequentialBlock block = new SequentialBlock().add(linear(5)).add(linear(3));
    assertThatThrownBy(() -> signals(block, BlockTaps.hiddenStates("1Linear")))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "tap '1Linear' must name a child block that runs but the children are [01Linear,"
                + " 02Linear]; name one of them, or wrap the block with Tap.named");
    assertThatThrownBy(BlockTaps::hiddenStates)
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("names must have at least one child but were empty");
  }

  @Test
  void embedding_ofTheModelItself_staysBesideTaps() {
    Linear layer = linear(3);
    SequentialBlock block = new SequentialBlock().add(layer).add(linear(2));
    model.setBlock(block);
    block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 4));
    SignalReader both =
        (outputs, inputs) ->
            Signals.builder()
                .logits(outputs.get(0))
                .embedding(outputs.get(0).mul(2f))
                .hiddenStates(List.of(outputs.get(0)))
                .attentionScores(List.of(outputs.get(0)))
                .build();
    Signals signals =
        BlockModel.open(model, BlockTaps.hiddenStates("01Linear"), both, false)
            .forward(input(), Set.of(SignalKind.LOGITS), false);
    assertThat(signals.embedding()).isEqualTo(signals.logits().mul(2f));
    assertThat(signals.attentionScores()).hasSize(1);
    assertThat(signals.hiddenStates()).containsExactly(run(layer, input().get(0)));
  }

  @Test
  void model_withoutAReadyBlock_isRefused() {
    assertThatThrownBy(() -> Teacher.of(model))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "DJL model 'blocks' must have an initialised block but has none; call setBlock, and"
                + " initialize(manager, DataType.FLOAT32, inputShapes)");
    model.setBlock(linear(3));
    assertThatThrownBy(() -> Teacher.of(model))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "DJL model 'blocks' must have an initialised block but its block is not initialised;"
                + " call setBlock, and initialize(manager, DataType.FLOAT32, inputShapes)");
  }

  @Test
  void student_ofBlocks_learnsTheHiddenStatesOfALibraryTeacher() {
    MultilayerPerceptron shape =
        new MultilayerPerceptron(4, List.of(7, 5), io.distill.model.Activation.TANH, 0, 3);
    SequentialBlock block =
        new SequentialBlock()
            .add(linear(9))
            .add(ai.djl.nn.Activation.tanhBlock())
            .add(linear(5))
            .add(ai.djl.nn.Activation.tanhBlock())
            .add(linear(3));
    model.setBlock(block);
    block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 4));
    float[] head = block.getParameters().get("05Linear_weight").getArray().toFloatArray();
    DistillationLoss layers =
        new DistillationLoss() {
          @Override
          public NDArray compute(LossContext context) {
            NDArray difference =
                context
                    .student()
                    .hiddenStates()
                    .get(0)
                    .sub(context.teacher().hiddenStates().get(1));
            return context.meanOverRows(difference.square().mean(new int[] {1}));
          }

          @Override
          public Set<SignalKind> requires() {
            return Set.of(SignalKind.HIDDEN_STATES);
          }
        };
    float[] rows = new float[32 * 4];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = (float) Math.sin(i * 1.7);
    }
    DistillationDataset dataset =
        DistillationDataset.of(
            new ArrayDataset.Builder()
                .setData(manager.create(rows, new Shape(32, 4)))
                .setSampling(8, false)
                .build());
    try (DeployableModel teacher =
            new DeployableModel(
                ScriptedModel.open(shape, shape.initialWeights(1), Device.cpu(), false),
                null,
                List.of());
        DistillationResult result =
            Distiller.builder()
                .teacher(Teacher.of(teacher))
                .student(Student.of(model, BlockTaps.hiddenStates("04LambdaBlock")))
                .loss(layers)
                .optimizer(Optimizer.adamW().withLearningRate(0.02).withWeightDecay(0))
                .batchSize(8)
                .epochs(15)
                .fit(dataset)) {
      List<Double> losses = result.history().stream().map(TrainingListener.Epoch::loss).toList();
      assertThat(losses.get(14)).isLessThan(0.2 * losses.get(0));
      // the head is not on the way to the tapped layer
      assertThat(result.student().model().parameters().get("05Linear_weight").toFloatArray())
          .containsExactly(head);
    }
  }
}
