package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.inference.Predictor;
import ai.djl.modality.Classifications;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.core.Linear;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.DeferredTranslatorFactory;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.model.Computation;
import io.distill.model.DeployableModel;
import io.distill.model.Precision;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs that compute in bfloat16, or compute activations again. */
class ComputationTest {

  private static final TextDataset TEXTS = TinyRuns.texts(24);

  private static Distiller.Builder recipe(Student student) {
    return recipe(student, TinyRuns.logitsToOne().plus(TinyRuns.crossEntropy()));
  }

  private static Distiller.Builder recipe(Student student, DistillationLoss loss) {
    return Distiller.builder()
        .teacher(Teacher.none())
        .student(student)
        .loss(loss)
        .optimizer(Optimizer.adamW().withLearningRate(0.01))
        .batchSize(7)
        .gradientAccumulation(2)
        .gradientClipping(1)
        .epochs(4);
  }

  private static Student encoder(double dropout) {
    return Student.encoder()
        .layers(3)
        .hiddenSize(16)
        .heads(2)
        .dropout(dropout)
        .tokenizer(TinyRuns.tokenizer())
        .build();
  }

  private static boolean same(Map<String, float[]> first, Map<String, float[]> second) {
    return first.keySet().stream()
        .allMatch(name -> Arrays.equals(first.get(name), second.get(name)));
  }

  @Test
  void checkpointedRun_withoutDropout_endsInTheSameWeights() {
    Map<String, float[]> plain = TinyRuns.train(recipe(encoder(0)), TEXTS);
    Map<String, float[]> again =
        TinyRuns.train(recipe(encoder(0)).activationCheckpointing(true), TEXTS);
    assertThat(same(plain, again)).isTrue();
  }

  @Test
  void checkpointedRun_withDropoutAndLossesOnLayers_isRepeatable_whateverIsMeasured() {
    DistillationLoss layers =
        TinyRuns.of(
            context -> context.student().hiddenStates().get(1).square().mean(),
            Set.of(SignalKind.HIDDEN_STATES),
            Set.of(),
            false);
    DistillationLoss loss = TinyRuns.logitsToOne().plus(layers.weighted(0.1));
    Map<String, float[]> first =
        TinyRuns.train(recipe(encoder(0.2), loss).activationCheckpointing(true), TEXTS);
    Map<String, float[]> second =
        TinyRuns.train(
            recipe(encoder(0.2), loss).activationCheckpointing(true).gradientNorms(1), TEXTS);
    Map<String, float[]> other =
        TinyRuns.train(recipe(encoder(0.2), loss).activationCheckpointing(true).seed(1), TEXTS);
    assertThat(same(first, second)).isTrue();
    assertThat(same(first, other)).isFalse();
  }

  @Test
  void studentOfBfloat16_isServedInFloat32ByPlainDjl(@TempDir Path directory) throws Exception {
    try (DistillationResult result =
        recipe(encoder(0.1))
            .precision(Precision.BFLOAT16)
            .activationCheckpointing(true)
            .fit(TEXTS)) {
      result.student().save(directory.resolve("student"));
      try (ZooModel<String, Classifications> served =
              Criteria.builder()
                  .setTypes(String.class, Classifications.class)
                  .optModelPath(directory.resolve("student"))
                  .optTranslatorFactory(new DeferredTranslatorFactory())
                  .build()
                  .loadModel();
          Predictor<String, Classifications> predictor = served.newPredictor();
          DeployableModel read = DeployableModel.load(directory.resolve("student"))) {
        assertThat(read.model().computation()).isEqualTo(Computation.standard());
        for (String text : TEXTS.texts()) {
          DeployableModel.Classification live = result.student().classify(text);
          Classifications answer = predictor.predict(text);
          assertThat(answer.best().getClassName()).isEqualTo(live.label());
          assertThat(answer.best().getProbability()).isCloseTo(live.probability(), within(1e-5));
          assertThat(read.logits(text)).containsExactly(result.student().logits(text));
        }
      }
    }
  }

  @Test
  void savedStudent_trainsFurtherInBfloat16(@TempDir Path directory) {
    Path saved = directory.resolve("student");
    try (DistillationResult result = recipe(encoder(0)).fit(TEXTS)) {
      result.student().save(saved);
    }
    Map<String, float[]> exact = TinyRuns.train(recipe(Student.load(saved)), TEXTS);
    Map<String, float[]> mixed =
        TinyRuns.train(recipe(Student.load(saved)).precision(Precision.BFLOAT16), TEXTS);
    assertThat(same(exact, mixed)).isFalse();
    double squares = 0;
    double distance = 0;
    for (Map.Entry<String, float[]> each : exact.entrySet()) {
      float[] other = mixed.get(each.getKey());
      for (int i = 0; i < other.length; i++) {
        squares += (double) each.getValue()[i] * each.getValue()[i];
        distance += Math.pow((double) each.getValue()[i] - other[i], 2);
      }
    }
    assertThat(Math.sqrt(distance / squares)).isLessThan(0.1);
  }

  private static void refused(Distiller.Builder recipe, String message) {
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> recipe.fit(FloatRows.random(8, 3, 1)).close())
        .withMessage(message);
  }

  private static final String PRECISION_REFUSED =
      "precision must be FLOAT32 for a student that is no model of this library, as this one"
          + " computes as it was built, but was BFLOAT16; leave precision(...) out, or use"
          + " Student.encoder(), bagOfEmbeddings(), multilayerPerceptron() or load(...)";

  private static final String CHECKPOINTING_REFUSED =
      "activationCheckpointing must be false for a student that is no transformer of this library,"
          + " as only those run layer by layer, but was true; leave it out, or make batches smaller"
          + " and use gradientAccumulation(...) to save memory";

  @Test
  void blocks_areRefused() {
    try (Model model = Model.newInstance("blocks", Device.cpu(), NativeEngine.NAME)) {
      model.setBlock(Linear.builder().setUnits(3).build());
      model.getBlock().initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 3));
      refused(
          Distiller.builder()
              .teacher(RuleTeacher.echo())
              .student(model)
              .loss(TinyRuns.logitDistance())
              .precision(Precision.BFLOAT16)
              .steps(1),
          PRECISION_REFUSED);
    }
  }

  @Test
  void torchScriptFile_isRefused(@TempDir Path directory) {
    Path file = directory.resolve("own.pt");
    new TorchScriptArchive(
            ScriptModule.builder("Own")
                .parameter("weight", HostTensor.of(new float[] {1, 2, 3}, 3))
                .method(
                    """
                    def forward(self, input: Tensor) -> Tensor:
                      return input * self.weight
                    """)
                .build(),
            Map.of())
        .write(file);
    refused(
        own(file).precision(Precision.BFLOAT16).activationCheckpointing(true),
        "the run has 2 problems:\n- " + PRECISION_REFUSED + "\n- " + CHECKPOINTING_REFUSED);
    own(file).fit(FloatRows.random(8, 3, 1)).close();
  }

  private static Distiller.Builder own(Path file) {
    return Distiller.builder()
        .teacher(RuleTeacher.echo())
        .student(Student.trustedTorchScript(file))
        .loss(TinyRuns.logitDistance())
        .device(Device.cpu())
        .steps(1);
  }

  @Test
  void perceptron_canCompute_butNotForget() {
    TinyRuns.recipe().precision(Precision.BFLOAT16).steps(1).fit(FloatRows.random(8, 3, 1)).close();
    refused(TinyRuns.recipe().activationCheckpointing(true).steps(1), CHECKPOINTING_REFUSED);
  }
}
