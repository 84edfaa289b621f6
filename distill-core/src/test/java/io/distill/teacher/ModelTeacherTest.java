package io.distill.teacher;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.distill.data.Batch;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.Activation;
import io.distill.model.BagOfEmbeddings;
import io.distill.model.DeployableModel;
import io.distill.model.Pooling;
import io.distill.model.ScriptedModel;
import io.distill.model.SignalReader;
import io.distill.model.SoftmaxRegression;
import io.distill.model.TransformerEncoder;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.ScriptModule;
import io.distill.torchscript.TorchScriptArchive;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelTeacherTest {

  @TempDir Path directory;
  private Tokenizer tokenizer;
  private DeployableModel encoder;

  private static final TextDataset ROWS =
      TextDataset.of(
          List.of(
              TextExample.labelled("aaa bbb", "left"),
              TextExample.labelled("aab abb", "left"),
              TextExample.unlabelled("nothing"),
              TextExample.labelled("yyy zzz", "right"),
              TextExample.labelled("yyz zzy", "right")));

  @BeforeEach
  void open() throws IOException {
    try (InputStream stream =
        requireNonNull(getClass().getResourceAsStream("/io/distill/data/small-tokenizer.json"))) {
      tokenizer = Tokenizer.parse(stream).withMaxLength(16);
    }
    TransformerEncoder shape =
        new TransformerEncoder(
            tokenizer.vocabularySize(),
            16,
            1,
            8,
            1,
            2,
            12,
            Activation.GELU,
            1e-12,
            0,
            Pooling.MEAN,
            true,
            0);
    encoder =
        new DeployableModel(
            ScriptedModel.open(shape, shape.initialWeights(3), Device.cpu(), false),
            tokenizer,
            List.of());
  }

  @AfterEach
  void close() {
    encoder.close();
  }

  @Test
  void classifier_isTheFittedRegressionOnTheEmbedding() {
    ModelTeacher plain = Teacher.of(encoder);
    assertThat(plain.provides()).doesNotContain(SignalKind.LOGITS);
    try (ModelTeacher teacher = plain.withClassifier(ROWS)) {
      assertThat(teacher.classNames()).containsExactly("left", "right");
      assertThat(teacher.provides()).contains(SignalKind.LOGITS, SignalKind.EMBEDDING);
      assertThat(teacher.tokenizer()).contains(tokenizer);
      float[][] embeddings = encoder.embeddings(ROWS);
      assertThat(teacher.model().embeddings(ROWS)).isDeepEqualTo(embeddings);
      SoftmaxRegression head =
          SoftmaxRegression.fit(
              encoder.embeddings(ROWS.subset(new int[] {0, 1, 3, 4})),
              new int[] {0, 0, 1, 1},
              2,
              1e-4);
      float[][] logits = teacher.model().logits(ROWS);
      for (int row = 0; row < 5; row++) {
        assertThat(logits[row])
            .usingComparatorWithPrecision(1e-3f)
            .containsExactly(head.logits(embeddings[row]));
      }
      int[] predicted = teacher.model().predict(ROWS);
      assertThat(predicted[0]).isEqualTo(predicted[1]).isZero();
      assertThat(predicted[3]).isEqualTo(predicted[4]).isEqualTo(1);
    }
    // the encoder itself is still open and as it was
    assertThat(encoder.embeddings(ROWS)).hasDimensions(5, 8);
  }

  @Test
  void classifier_ofMorePenalty_isLessSure() {
    try (ModelTeacher sharp = Teacher.of(encoder).withClassifier(ROWS, 1e-6);
        ModelTeacher soft = Teacher.of(encoder).withClassifier(ROWS, 1)) {
      assertThat(sharp.model().classify("aaa bbb").probability())
          .isGreaterThan(soft.model().classify("aaa bbb").probability());
    }
    assertThatThrownBy(() -> Teacher.of(encoder).withClassifier(ROWS, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("l2 must be greater than 0 but was 0.0");
  }

  @Test
  void classifier_ofOneClass_isRefused() {
    assertThatThrownBy(() -> Teacher.of(encoder).withClassifier(ROWS.subset(new int[] {0, 1, 2})))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "data set must have labels of at least two classes to fit a classifier but has labels"
                + " of 1; label some rows of each class");
  }

  @Test
  void classifier_ofAForeignModel_isRefused() {
    Path file = directory.resolve("foreign.pt");
    new TorchScriptArchive(
            ScriptModule.builder("Foreign")
                .method(
                    """
                    def forward(self, ids: Tensor, mask: Tensor) -> Dict[str, Tensor]:
                      return {"embedding": torch.to(torch.slice(ids, 1, 0, 2), 6)}
                    """)
                .build())
        .write(file);
    try (ModelTeacher teacher =
        Teacher.trustedTorchScript(file, SignalReader.standard(), tokenizer)) {
      assertThat(teacher.model().embeddings(ROWS)).hasDimensions(5, 2);
      assertThatThrownBy(() -> teacher.withClassifier(ROWS))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "teacher must be a model of this library to get a classifier but was"
                  + " TorchScriptModel; fit the classifier where the model was made");
    }
  }

  @Test
  void teacher_ofASavedStudent_answersAsTheStudent() {
    BagOfEmbeddings shape =
        new BagOfEmbeddings(tokenizer.vocabularySize(), 4, 6, Activation.RELU, 0.5, 0.5, 2);
    float[][] expected;
    try (DeployableModel student =
        new DeployableModel(
            ScriptedModel.open(shape, shape.initialWeights(2), Device.cpu(), true),
            tokenizer,
            List.of("left", "right"))) {
      student.save(directory.resolve("student"));
      expected = student.logits(ROWS);
    }
    try (ModelTeacher teacher = Teacher.load(directory.resolve("student"))) {
      assertThat(teacher.classNames()).containsExactly("left", "right");
      assertThat(teacher.model().logits(ROWS)).isDeepEqualTo(expected);
      assertThat(teacher.device()).isEqualTo(teacher.model().model().device());
    }
  }

  @Test
  void signals_ofATeacher_haveNoGradients() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Batch batch = ROWS.inputs(tokenizer).batch(manager, new int[] {0, 2});
      Signals signals =
          Teacher.of(encoder)
              .signals(batch, Set.of(SignalKind.EMBEDDING, SignalKind.ATTENTION_SCORES));
      assertThat(signals.kinds())
          .contains(SignalKind.EMBEDDING, SignalKind.ATTENTION_SCORES, SignalKind.HIDDEN_STATES);
      assertThat(signals.embedding().hasGradient()).isFalse();
      assertThat(signals.mask()).isPresent();
      assertThat(signals.embedding().getManager()).isSameAs(manager);
    }
  }

  @Test
  void teacher_thatIsNone_saysNothing() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Teacher none = Teacher.none();
      assertThat(none.provides()).isEmpty();
      assertThat(none.tokenizer()).isEmpty();
      assertThat(none.classNames()).isEmpty();
      assertThat(
              none.signals(ROWS.inputs(tokenizer).batch(manager, new int[] {0}), Set.of()).kinds())
          .isEmpty();
      none.close();
    }
  }
}
