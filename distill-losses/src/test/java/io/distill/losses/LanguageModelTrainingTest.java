package io.distill.losses;

import static io.distill.losses.Losses.chunked;
import static io.distill.losses.Losses.policyAdvantage;
import static io.distill.losses.Losses.sequenceLevel;
import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.tokenLevel;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.params.provider.Arguments.arguments;

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
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.model.BlockModel;
import io.distill.model.BlockTaps;
import io.distill.model.DeployableModel;
import io.distill.model.TorchScriptModel;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

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
    return sentences(manager, ROWS, false);
  }

  /** Sentences alone, or with the words as labels of which each fifth does not count. */
  private static ArrayDataset sentences(NDManager manager, int rows, boolean labelled) {
    long[] ids = new long[rows * LENGTH];
    long[] labels = new long[rows * LENGTH];
    Arrays.fill(labels, -1);
    for (int row = 0; row < rows; row++) {
      int word = row % (VOCABULARY - 1) + 1;
      // of 3 to 7 words
      for (int t = 0; t < 3 + row % 5; t++) {
        int at = row * LENGTH + t;
        ids[at] = word;
        labels[at] = at % 5 == 0 ? -1 : word;
        word = next(word);
      }
    }
    Shape shape = new Shape(rows, LENGTH);
    ArrayDataset.Builder data =
        new ArrayDataset.Builder().setData(manager.create(ids, shape)).setSampling(8, false);
    if (labelled) {
      data.optLabels(manager.create(labels, shape));
    }
    return data.build();
  }

  /** The same kind of model as TorchScript. */
  private record Scripted() implements Student {
    private static float[] drawn(int size, long seed) {
      Random random = new Random(seed);
      float[] values = new float[size];
      for (int i = 0; i < size; i++) {
        values[i] = 0.3f * (float) random.nextGaussian();
      }
      return values;
    }

    @Override
    public DeployableModel open(StudentSetup setup) {
      ScriptModule module =
          ScriptModule.builder("Bigrams")
              .parameter(
                  "embedding", HostTensor.of(drawn(VOCABULARY * WIDTH, 1), VOCABULARY, WIDTH))
              .parameter("output", HostTensor.of(drawn(VOCABULARY * WIDTH, 2), VOCABULARY, WIDTH))
              .method(
                  """
                  def forward(self, ids: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
                    states = torch.tanh(torch.embedding(self.embedding, ids))
                    return (torch.linear(states, self.output), states, torch.alias(self.output))
                  """)
              .build();
      try {
        Path file = Files.createTempFile("bigrams", ".pt");
        try {
          new TorchScriptArchive(module).write(file);
          return new DeployableModel(
              TorchScriptModel.openTrusted(
                  file, LanguageModelTrainingTest::read, Device.cpu(), true),
              null,
              setup.classNames());
        } finally {
          Files.delete(file);
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
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

  private static Stream<Arguments> sequenceLosses() {
    return Stream.of(false, true)
        .flatMap(
            scripted ->
                Stream.of(
                    arguments(scripted, sequenceLevel()),
                    arguments(scripted, tokenLevel(softTargets())),
                    arguments(scripted, policyAdvantage()),
                    arguments(
                        scripted,
                        sequenceLevel()
                            .weighted(0.5)
                            .plus(tokenLevel(softTargets()).weighted(0.5)))));
  }

  /** What a run left behind. */
  private record Trained(Map<String, float[]> weights, double firstLoss, double lastLoss) {}

  private static Trained train(
      boolean scripted, DistillationLoss loss, int batchSize, int accumulation, int epochs) {
    List<Double> losses = new ArrayList<>();
    try (NDManager manager = NDManager.newBaseManager();
        Model model = Model.newInstance("bigrams", Device.cpu(), "PyTorch")) {
      Block block = new Bigrams();
      NativeEngine.engine().setRandomSeed(5);
      block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, LENGTH));
      model.setBlock(block);
      try (DistillationResult result =
          Distiller.builder()
              .teacher(new Grammar())
              .student(scripted ? new Scripted() : student(model))
              .loss(loss)
              .optimizer(Optimizer.sgd(0.5))
              .batchSize(batchSize)
              .gradientAccumulation(accumulation)
              .epochs(epochs)
              .seed(1)
              .listener(
                  new TrainingListener() {
                    @Override
                    public void onStep(Step event) {
                      losses.add(event.loss());
                    }
                  })
              .fit(sentences(manager, 8, true))) {
        Map<String, float[]> weights = new LinkedHashMap<>();
        result
            .student()
            .model()
            .parameters()
            .forEach((name, array) -> weights.put(name, array.toFloatArray()));
        return new Trained(weights, losses.get(0), losses.get(losses.size() - 1));
      }
    }
  }

  @ParameterizedTest(name = "scripted={0} {1}")
  @MethodSource("sequenceLosses")
  void lossesOnTokenLabels_inAccumulatedBatches_areThoseOfTheWholeBatch(
      boolean scripted, DistillationLoss loss) {
    Trained whole = train(scripted, loss, 8, 1, 3);
    Trained parts = train(scripted, loss, 4, 2, 3);

    assertThat(parts.lastLoss()).isCloseTo(whole.lastLoss(), within(1e-5));
    whole
        .weights()
        .forEach(
            (name, values) ->
                assertThat(parts.weights().get(name))
                    .as(name)
                    .containsExactly(values, within(1e-5f)));
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void sequenceLevel_ofArrays_learnsTheNextWord(boolean scripted) {
    Trained trained = train(scripted, sequenceLevel(), 8, 1, 200);

    assertThat(trained.firstLoss()).isGreaterThan(2);
    assertThat(trained.lastLoss()).isLessThan(0.2);
  }
}
