package io.distill.student;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.ArrayDataset;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.Activation;
import io.distill.model.BagOfEmbeddings;
import io.distill.model.DeployableModel;
import io.distill.model.MultilayerPerceptron;
import io.distill.model.Pooling;
import io.distill.model.TransformerEncoder;
import io.distill.teacher.Teacher;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Objects;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;

class StudentBuildersTest {

  private static final TextDataset ROWS =
      TextDataset.of(
          List.of(TextExample.labelled("a b", "one"), TextExample.labelled("c d", "two")));

  private static Tokenizer tokenizer() throws IOException {
    try (InputStream stream =
        Objects.requireNonNull(
            StudentBuildersTest.class.getResourceAsStream(
                "/io/distill/data/small-tokenizer.json"))) {
      return Tokenizer.parse(stream);
    }
  }

  private static StudentSetup setup(DistillationDataset dataset) {
    return new StudentSetup(dataset, Teacher.none(), 2, List.of("one", "two"), 3, Device.cpu());
  }

  private static AbstractThrowableAssert<?, ? extends Throwable> refused(ThrowingCallable call) {
    return assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void encoder_ofEachSetting_hasIt() throws IOException {
    Student student =
        Student.encoder()
            .tokenizer(tokenizer())
            .layers(3)
            .hiddenSize(24)
            .heads(4)
            .intermediateSize(30)
            .maxLength(9)
            .dropout(0.2)
            .pooling(Pooling.FIRST)
            .build();
    assertThat(student).hasToString("encoder(layers=3, hiddenSize=24)");
    assertThat(Student.encoder().build()).hasToString("encoder(layers=2, hiddenSize=128)");
    assertThat(Student.encoder().teacherLayers(0, 2).build())
        .hasToString("encoder(teacherLayers=[0, 2])");
    try (DeployableModel model = student.open(setup(ROWS))) {
      assertThat(model.model().configuration())
          .contains(
              new TransformerEncoder(
                  tokenizer().vocabularySize(),
                  9,
                  1,
                  24,
                  3,
                  4,
                  30,
                  Activation.GELU,
                  1e-12,
                  0.2,
                  Pooling.FIRST,
                  false,
                  2));
      assertThat(model.tokenizer().orElseThrow().maxLength()).isEqualTo(9);
      assertThat(model.classNames()).containsExactly("one", "two");
    }
  }

  @Test
  void bag_ofEachSetting_hasIt() throws IOException {
    Student student =
        Student.bagOfEmbeddings()
            .tokenizer(tokenizer())
            .embeddingSize(6)
            .hiddenSize(7)
            .activation(Activation.TANH)
            .wordDropout(0.1)
            .dropout(0.2)
            .vocabularyFromData(false)
            .build();
    assertThat(student).hasToString("bagOfEmbeddings(embeddingSize=6, hiddenSize=7)");
    try (DeployableModel model = student.open(setup(ROWS))) {
      assertThat(model.model().configuration())
          .contains(
              new BagOfEmbeddings(
                  tokenizer().vocabularySize(), 6, 7, Activation.TANH, 0.1, 0.2, 2));
    }
  }

  @Test
  void perceptron_ofEachSetting_hasItAndTheWidthOfTheData() {
    Student student =
        Student.multilayerPerceptron()
            .hiddenSizes(5, 4)
            .activation(Activation.GELU)
            .dropout(0.3)
            .build();
    assertThat(student).hasToString("multilayerPerceptron(hiddenSizes=[5, 4])");
    try (NDManager manager = NativeEngine.newManager(Device.cpu());
        DeployableModel model =
            student.open(
                setup(
                    DistillationDataset.of(
                        new ArrayDataset.Builder()
                            .setData(manager.ones(new Shape(3, 2, 6)))
                            .setSampling(2, false)
                            .build())))) {
      assertThat(model.model().configuration())
          .contains(new MultilayerPerceptron(12, List.of(5, 4), Activation.GELU, 0.3, 2));
    }
  }

  @Test
  void builder_changedAfterBuild_leavesTheStudent() {
    BagOfEmbeddingsStudent.Builder bag = Student.bagOfEmbeddings().hiddenSize(7);
    Student built = bag.build();
    bag.hiddenSize(9);
    assertThat(built).hasToString("bagOfEmbeddings(embeddingSize=64, hiddenSize=7)");
    EncoderStudent.Builder encoder = Student.encoder().layers(1);
    Student one = encoder.build();
    encoder.layers(5);
    assertThat(one).hasToString("encoder(layers=1, hiddenSize=128)");
    MultilayerPerceptronStudent.Builder perceptron = Student.multilayerPerceptron();
    Student plain = perceptron.build();
    perceptron.hiddenSizes(1);
    assertThat(plain).hasToString("multilayerPerceptron(hiddenSizes=[128])");
  }

  @Test
  void student_openedTwiceWithOneSeed_startsTheSame() throws IOException {
    Student student = Student.bagOfEmbeddings().tokenizer(tokenizer()).build();
    try (DeployableModel one = student.open(setup(ROWS));
        DeployableModel two = student.open(setup(ROWS))) {
      assertThat(one.logits(ROWS)).isDeepEqualTo(two.logits(ROWS));
    }
  }

  @Test
  void settings_outOfRange_areRefused() {
    refused(() -> Student.encoder().layers(0)).hasMessage("layers must be at least 1 but was 0");
    refused(() -> Student.encoder().hiddenSize(0))
        .hasMessage("hiddenSize must be at least 1 but was 0");
    refused(() -> Student.encoder().heads(-1)).hasMessage("heads must be at least 1 but was -1");
    refused(() -> Student.encoder().intermediateSize(0))
        .hasMessage("intermediateSize must be at least 1 but was 0");
    refused(() -> Student.encoder().maxLength(0))
        .hasMessage("maxLength must be at least 1 but was 0");
    refused(() -> Student.encoder().dropout(1))
        .hasMessage("dropout must be from 0 to below 1 but was 1.0");
    refused(() -> Student.bagOfEmbeddings().embeddingSize(0))
        .hasMessage("embeddingSize must be at least 1 but was 0");
    refused(() -> Student.bagOfEmbeddings().hiddenSize(0))
        .hasMessage("hiddenSize must be at least 1 but was 0");
    refused(() -> Student.bagOfEmbeddings().wordDropout(-0.1))
        .hasMessage("wordDropout must be from 0 to below 1 but was -0.1");
    refused(() -> Student.bagOfEmbeddings().dropout(Double.NaN))
        .hasMessage("dropout must be from 0 to below 1 but was NaN");
    refused(() -> Student.multilayerPerceptron().hiddenSizes())
        .hasMessage("hiddenSizes must have at least one layer, each at least 1 wide, but were []");
    refused(() -> Student.multilayerPerceptron().hiddenSizes(3, 0))
        .hasMessage(
            "hiddenSizes must have at least one layer, each at least 1 wide, but were [3, 0]");
    refused(() -> Student.multilayerPerceptron().dropout(1))
        .hasMessage("dropout must be from 0 to below 1 but was 1.0");
  }

  @Test
  void vocabularyFromData_ofRowsThatAreNoText_isRefused() throws IOException {
    Student student = Student.bagOfEmbeddings().tokenizer(tokenizer()).build();
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      DistillationDataset rows =
          DistillationDataset.of(
              new ArrayDataset.Builder()
                  .setData(manager.ones(new Shape(3, 2)))
                  .setSampling(2, false)
                  .build());
      assertThatThrownBy(() -> student.open(setup(rows)))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "data set must be a TextDataset to trim a vocabulary to it but was RecordDataset;"
                  + " call vocabularyFromData(false)");
    }
  }
}
