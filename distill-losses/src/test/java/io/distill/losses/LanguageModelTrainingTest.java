package io.distill.losses;

import static io.distill.losses.Losses.chunked;
import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.tokenLevel;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.core.Linear;
import ai.djl.training.ParameterStore;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.util.PairList;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.model.BlockModel;
import io.distill.model.BlockTaps;
import io.distill.model.DeployableModel;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** A run of a tiny language model made of DJL blocks: its logits are {@code [N, L, V]}. */
class LanguageModelTrainingTest {

  private static final int VOCABULARY = 12;
  private static final int WIDTH = 6;
  private static final int ROWS = 32;
  private static final int LENGTH = 7;
  private static final int PADDING = 0;

  /** The word after each word. */
  private static int next(int word) {
    return word == PADDING ? PADDING : (3 * word + 1) % (VOCABULARY - 1) + 1;
  }

  /** Is nearly certain of the next word. */
  private record Grammar() implements Teacher {
    @Override
    public Signals signals(Batch batch, Set<SignalKind> kinds) {
      NDArray ids = batch.inputs().head();
      float[] certainty = new float[VOCABULARY * VOCABULARY];
      for (int word = 0; word < VOCABULARY; word++) {
        certainty[next(word) * VOCABULARY + word] = 4;
      }
      NDArray weight = ids.getManager().create(certainty, new Shape(VOCABULARY, VOCABULARY));
      NDArray states = ids.oneHot(VOCABULARY);
      return Signals.builder()
          .logits(states.matMul(weight.transpose()))
          .logitFactors(new LogitFactors(states, weight))
          .build();
    }

    @Override
    public Set<SignalKind> provides() {
      return Set.of(SignalKind.LOGITS, SignalKind.LOGIT_FACTORS);
    }

    @Override
    public Optional<Tokenizer> tokenizer() {
      return Optional.empty();
    }
  }

  /** Guesses each word from the one before it. */
  private static final class Bigrams extends AbstractBlock {
    private final Block embedding;
    private final Block output;

    @SuppressWarnings("this-escape")
    Bigrams() {
      embedding = addChildBlock("embedding", Linear.builder().setUnits(WIDTH).build());
      output =
          addChildBlock("output", Linear.builder().setUnits(VOCABULARY).optBias(false).build());
    }

    @Override
    protected NDList forwardInternal(
        ParameterStore store, NDList inputs, boolean training, PairList<String, Object> params) {
      NDArray words = inputs.head().oneHot(VOCABULARY);
      NDArray states = embedding.forward(store, new NDList(words), training).head().tanh();
      NDArray logits = output.forward(store, new NDList(states), training).head();
      NDArray weight =
          store.getValue(output.getParameters().valueAt(0), words.getDevice(), training);
      return new NDList(logits, states, weight);
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputs) {
      return new Shape[] {inputs[0].add(VOCABULARY)};
    }

    @Override
    protected void initializeChildBlocks(NDManager manager, DataType type, Shape... inputs) {
      embedding.initialize(manager, type, new Shape(1, LENGTH, VOCABULARY));
      output.initialize(manager, type, new Shape(1, LENGTH, WIDTH));
    }
  }

  /** Names the outputs; 0 is padding. */
  private static Signals read(NDList outputs, NDList inputs) {
    return Signals.builder()
        .logits(outputs.get(0))
        .logitFactors(new LogitFactors(outputs.get(1), outputs.get(2)))
        .mask(inputs.head().gt(PADDING).toType(DataType.INT64, false))
        .build();
  }

  private static Student student(Model model) {
    return new Student() {
      @Override
      public DeployableModel open(StudentSetup setup) {
        return new DeployableModel(
            BlockModel.open(model, BlockTaps.none(), LanguageModelTrainingTest::read, true),
            null,
            setup.classNames());
      }
    };
  }

  private static ArrayDataset sentences(NDManager manager) {
    long[] ids = new long[ROWS * LENGTH];
    for (int row = 0; row < ROWS; row++) {
      int word = row % (VOCABULARY - 1) + 1;
      // of 3 to 7 words
      for (int t = 0; t < 3 + row % 5; t++) {
        ids[row * LENGTH + t] = word;
        word = next(word);
      }
    }
    return new ArrayDataset.Builder()
        .setData(manager.create(ids, new Shape(ROWS, LENGTH)))
        .setSampling(8, false)
        .build();
  }

  private static List<TrainingListener.Step> train(DistillationLoss loss, int epochs) {
    List<TrainingListener.Step> steps = new ArrayList<>();
    try (NDManager manager = NDManager.newBaseManager();
        Model model = Model.newInstance("bigrams", Device.cpu(), "PyTorch")) {
      Block block = new Bigrams();
      NativeEngine.engine().setRandomSeed(5);
      block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, LENGTH));
      model.setBlock(block);
      Distiller.builder()
          .teacher(new Grammar())
          .student(student(model))
          .loss(loss)
          .optimizer(Optimizer.adamW().withLearningRate(0.05))
          .batchSize(8)
          .epochs(epochs)
          .seed(1)
          .listener(
              new TrainingListener() {
                @Override
                public void onStep(Step event) {
                  steps.add(event);
                }
              })
          .fit(sentences(manager))
          .close();
    }
    return steps;
  }

  @Test
  void tokenLevelAndChunkedSoftTargets_trainAlike() {
    List<TrainingListener.Step> steps =
        train(
            tokenLevel(softTargets())
                .named("plain")
                .weighted(0.5)
                .plus(chunked(softTargets(), 5).named("chunked").weighted(0.5)),
            30);

    assertThat(steps).hasSize(120);
    assertThat(steps.get(119).loss()).isLessThan(steps.get(0).loss() / 20);
    assertThat(steps)
        .allSatisfy(
            step ->
                assertThat(step.terms().get("chunked"))
                    .isCloseTo(
                        step.terms().get("plain"), within(1e-5 * step.terms().get("plain"))));
  }

  @Test
  void chunkedAlone_takesTheStepsOfBoth() {
    List<TrainingListener.Step> both =
        train(
            tokenLevel(softTargets()).named("plain").plus(chunked(softTargets())).weighted(0.5), 2);
    List<TrainingListener.Step> alone = train(chunked(softTargets()), 2);

    for (int i = 0; i < alone.size(); i++) {
      double loss = both.get(i).loss();
      assertThat(alone.get(i).loss()).isCloseTo(loss, within(1e-4 * loss));
    }
  }
}
