package io.distill.student;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.model.Activation;
import io.distill.model.DeployableModel;
import io.distill.model.EncoderHead;
import io.distill.model.MultilayerPerceptron;
import io.distill.model.Pooling;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerEncoder;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Students that start from a teacher's weights. */
class TeacherStartTest {

  private static final int WIDTH = 12;
  private static final String WORDS = "embeddings.word_embeddings.weight";
  private static final List<String> CLASSES = List.of("a", "b");
  private static final Tokenizer TOKENIZER = tokenizer();
  private static final TextDataset ROWS =
      TextDataset.of(
          List.of(
              TextExample.labelled("one bad apple", "a"),
              TextExample.labelled("Two (2) good ones!", "b"),
              TextExample.unlabelled("none")));

  private DeployableModel model;
  private ModelTeacher teacher;

  private static Tokenizer tokenizer() {
    try (InputStream stream =
        requireNonNull(
            TeacherStartTest.class.getResourceAsStream("/io/distill/data/small-tokenizer.json"))) {
      return Tokenizer.parse(stream).withMaxLength(32);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @BeforeEach
  void open() {
    open(EncoderHead.LINEAR, 0, 2);
  }

  private void open(EncoderHead head, int firstPosition, int classes) {
    TransformerEncoder shape =
        new TransformerEncoder(
            TOKENIZER.vocabularySize(),
            32,
            2,
            WIDTH,
            3,
            2,
            20,
            Activation.GELU_TANH,
            1e-6,
            0.1,
            Pooling.MEAN,
            true,
            classes,
            head,
            firstPosition);
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    shape
        .initialWeights(4)
        .forEach(
            (name, tensor) -> {
              float[] values = tensor.toFloatArray();
              for (int i = 0; i < values.length && !name.contains("LayerNorm"); i++) {
                values[i] *= 10;
              }
              weights.put(name, HostTensor.of(values, tensor.shape().getShape()));
            });
    model =
        new DeployableModel(
            ScriptedModel.open(shape, weights, Device.cpu(), false),
            TOKENIZER,
            classes == 0 ? List.of() : CLASSES);
    teacher = Teacher.of(model);
  }

  @AfterEach
  void close() {
    model.close();
  }

  private DeployableModel start(Student student, List<String> classes) {
    return student.open(new StudentSetup(ROWS, teacher, classes.size(), classes, 7, Device.cpu()));
  }

  private static Map<String, HostTensor> weights(DeployableModel model) {
    return ((ScriptedModel) model.model()).weights();
  }

  private static void assertSameWeight(
      DeployableModel student, String name, DeployableModel teacher, String original) {
    assertThat(requireNonNull(weights(student).get(name)).toFloatArray())
        .as(name)
        .containsExactly(requireNonNull(weights(teacher).get(original)).toFloatArray());
  }

  private static void assertSameAnswers(float[][] ours, float[][] theirs) {
    assertThat(ours).hasSameDimensionsAs(theirs);
    for (int row = 0; row < ours.length; row++) {
      assertThat(ours[row]).usingComparatorWithPrecision(1e-5f).containsExactly(theirs[row]);
    }
  }

  @Test
  void encoder_ofAllLayers_isTheTeacher() {
    try (DeployableModel student =
        start(Student.encoder().teacherLayers(0, 1, 2).build(), CLASSES)) {
      assertSameAnswers(student.embeddings(ROWS), model.embeddings(ROWS));
      assertSameAnswers(student.logits(ROWS), model.logits(ROWS));
      assertThat(student.model().parameters()).isNotEmpty();
    }
  }

  @Test
  void encoder_ofChosenLayers_copiesThoseInThatOrder() {
    try (DeployableModel student = start(Student.encoder().teacherLayers(2, 0).build(), CLASSES)) {
      TransformerEncoder shape = (TransformerEncoder) student.model().configuration().orElseThrow();
      assertThat(shape.layers()).isEqualTo(2);
      assertThat(shape.activation()).isEqualTo(Activation.GELU_TANH);
      assertThat(shape.layerNormEpsilon()).isEqualTo(1e-6);
      for (String part :
          List.of("attention.self.query.weight", "output.LayerNorm.bias", "output.dense.weight")) {
        assertSameWeight(student, "encoder.layer.0." + part, model, "encoder.layer.2." + part);
        assertSameWeight(student, "encoder.layer.1." + part, model, "encoder.layer.0." + part);
      }
      assertSameWeight(student, WORDS, model, WORDS);
      assertSameWeight(student, "classifier.weight", model, "classifier.weight");
    }
  }

  @Test
  void encoder_ofMissingLayers_isRefused() {
    assertThatThrownBy(() -> start(Student.encoder().teacherLayers(0, 3).build(), CLASSES))
        .isInstanceOf(DistillationException.class)
        .hasMessage("teacherLayers must be between 0 and 2 but were [0, 3]; count layers from 0");
    assertThatThrownBy(() -> start(Student.encoder().teacherLayers(-1).build(), CLASSES))
        .isInstanceOf(DistillationException.class)
        .hasMessage("teacherLayers must be between 0 and 2 but were [-1]; count layers from 0");
    assertThatThrownBy(() -> Student.encoder().teacherLayers())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("layers must name at least one teacher layer");
    assertThatThrownBy(() -> Student.encoder().layers(2).teacherLayers(1).build())
        .isInstanceOf(IllegalStateException.class)
        .hasMessage(
            "layers, hiddenSize, heads and intermediateSize must be left out with teacherLayers,"
                + " which takes them from the teacher");
  }

  @Test
  void encoder_forOtherClasses_startsItsClassifierAfresh() {
    try (DeployableModel student =
        start(Student.encoder().teacherLayers(0, 1, 2).build(), List.of("x", "y", "z"))) {
      assertSameAnswers(student.embeddings(ROWS), model.embeddings(ROWS));
      assertThat(student.logits(ROWS)).hasDimensions(3, 3);
      assertThat(student.classNames()).containsExactly("x", "y", "z");
    }
  }

  @Test
  void encoder_ofATrimmedVocabulary_keepsEachPiecesEmbedding() {
    try (DeployableModel student =
        start(Student.encoder().teacherLayers(0, 1, 2).vocabularyFromData(true).build(), CLASSES)) {
      Tokenizer trimmed = student.tokenizer().orElseThrow();
      assertThat(trimmed.vocabularySize()).isLessThan(TOKENIZER.vocabularySize());
      float[] ours = requireNonNull(weights(student).get(WORDS)).toFloatArray();
      float[] theirs = requireNonNull(weights(model).get(WORDS)).toFloatArray();
      for (String piece : List.of("[PAD]", "[SEP]", "a", "##a", "T", "##e", "(", "!")) {
        assertThat(row(ours, trimmed.id(piece).orElseThrow()))
            .as(piece)
            .containsExactly(row(theirs, TOKENIZER.id(piece).orElseThrow()));
      }
      assertSameAnswers(student.embeddings(ROWS), model.embeddings(ROWS));
    }
  }

  @Test
  void encoder_ofAShorterLength_keepsTheFirstPositions() {
    try (DeployableModel student =
        start(Student.encoder().teacherLayers(1).maxLength(5).build(), CLASSES)) {
      assertThat(student.tokenizer().orElseThrow().maxLength()).isEqualTo(5);
      String positions = "embeddings.position_embeddings.weight";
      assertThat(requireNonNull(weights(student).get(positions)).toFloatArray())
          .containsExactly(
              Arrays.copyOf(
                  requireNonNull(weights(model).get(positions)).toFloatArray(), 5 * WIDTH));
      assertThat(student.classify("a text of more than five tokens").label()).isIn(CLASSES);
    }
  }

  @Test
  void encoder_ofADenseHeadAndALaterFirstPosition_isTheTeacher() {
    model.close();
    open(EncoderHead.DENSE_TANH, 2, 2);
    for (int maxLength : new int[] {32, 20}) {
      try (DeployableModel student =
          start(Student.encoder().teacherLayers(0, 1, 2).maxLength(maxLength).build(), CLASSES)) {
        TransformerEncoder shape =
            (TransformerEncoder) student.model().configuration().orElseThrow();
        assertThat(shape.maxPositions()).isEqualTo(maxLength);
        assertThat(shape.firstPosition()).isEqualTo(2);
        assertSameAnswers(student.embeddings(ROWS), model.embeddings(ROWS));
        assertSameAnswers(student.logits(ROWS), model.logits(ROWS));
      }
    }
  }

  @Test
  void encoder_ofATeacherOfWords_predictsWordsOrClassifies() {
    model.close();
    open(EncoderHead.MASKED_LANGUAGE_MODEL, 2, 0);
    try (DeployableModel words = start(Student.encoder().teacherLayers(0, 2).build(), List.of());
        DeployableModel classes = start(Student.encoder().teacherLayers(0, 2).build(), CLASSES)) {
      assertThat(((TransformerEncoder) words.model().configuration().orElseThrow()).head())
          .isEqualTo(EncoderHead.MASKED_LANGUAGE_MODEL);
      String dense = "cls.predictions.transform.dense.weight";
      assertSameWeight(words, dense, model, dense);
      assertThat(classes.logits(ROWS)).hasDimensions(3, 2);
    }
  }

  @Test
  void student_withOtherWordPieces_isRefused() {
    String message =
        "student's tokenizer must be the teacher's, or trimmed from it, to start from its"
            + " embeddings but has other word pieces; leave out tokenizer(...)";
    // the same special tokens and size, but two letters swapped
    Tokenizer swapped =
        Tokenizer.parse(
            TOKENIZER
                .json()
                .replaceFirst("\"b\": ?7", "\"c\":7")
                .replaceFirst("\"c\": ?9", "\"b\":9"));
    assertThat(swapped.id("b")).hasValue(9);
    assertThat(swapped.vocabularySize()).isEqualTo(TOKENIZER.vocabularySize());
    for (Student student :
        List.of(
            Student.encoder().teacherLayers(0).tokenizer(swapped).build(),
            Student.encoder().teacherLayers(0).tokenizer(swapped).vocabularyFromData(true).build(),
            Student.bagOfEmbeddings()
                .embeddingSize(4)
                .tokenizer(swapped)
                .embeddingsFromTeacher()
                .build())) {
      assertThatThrownBy(() -> start(student, CLASSES))
          .as(student.toString())
          .isInstanceOf(DistillationException.class)
          .hasMessage(message);
    }
  }

  @Test
  void student_ofATeacherThatIsNoEncoder_isRefused() {
    MultilayerPerceptron shape = new MultilayerPerceptron(4, List.of(3), Activation.RELU, 0, 2);
    try (DeployableModel perceptron =
        new DeployableModel(
            ScriptedModel.open(shape, shape.initialWeights(1), Device.cpu(), false),
            TOKENIZER,
            CLASSES)) {
      teacher = Teacher.of(perceptron);
      assertThatThrownBy(() -> start(Student.encoder().teacherLayers(0).build(), CLASSES))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "teacherLayers must have a teacher that is an encoder of this library but the teacher"
                  + " is ModelTeacher; start afresh with layers(...) for this teacher");
      assertThatThrownBy(
              () -> start(Student.bagOfEmbeddings().embeddingsFromTeacher().build(), CLASSES))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "embeddingsFromTeacher must have a teacher that is an encoder of this library but the"
                  + " teacher is ModelTeacher; leave it out for this teacher");
    }
  }

  @Test
  void bag_ofTheTeachersEmbeddings_hasTheirComponents() {
    int size = 5;
    Student bag =
        Student.bagOfEmbeddings()
            .embeddingSize(size)
            .vocabularyFromData(false)
            .embeddingsFromTeacher()
            .build();
    try (DeployableModel student = start(bag, CLASSES)) {
      HostTensor expected =
          PrincipalComponents.project(
              requireNonNull(weights(model).get(WORDS)),
              size,
              0.2,
              java.util.Set.of(0, 1, 2, 3, 4));
      float[] ours = requireNonNull(weights(student).get("embeddings.weight")).toFloatArray();
      assertThat(ours).containsExactly(expected.toFloatArray());
      assertThat(Arrays.copyOf(ours, 5 * size)).containsOnly(0);
      assertThat(Arrays.copyOfRange(ours, 5 * size, 6 * size)).doesNotContain(0);
    }
    assertThatThrownBy(
            () ->
                start(
                    Student.bagOfEmbeddings().embeddingSize(13).embeddingsFromTeacher().build(),
                    CLASSES))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "embeddingSize must be at most the teacher's hidden size 12 for embeddingsFromTeacher"
                + " but was 13; make it smaller");
  }

  @Test
  void bag_ofATrimmedVocabulary_projectsItsOwnPieces() {
    Student bag = Student.bagOfEmbeddings().embeddingSize(WIDTH).embeddingsFromTeacher().build();
    try (DeployableModel student = start(bag, CLASSES)) {
      Tokenizer trimmed = student.tokenizer().orElseThrow();
      float[] ours = requireNonNull(weights(student).get("embeddings.weight")).toFloatArray();
      float[] theirs = requireNonNull(weights(model).get(WORDS)).toFloatArray();
      // all components keep distances, up to the one scale
      double scale = 0;
      for (String[] pair : new String[][] {{"a", "b"}, {"o", "##n"}, {"T", "!"}}) {
        double ratio =
            distance(ours, trimmed, pair[0], pair[1])
                / distance(theirs, TOKENIZER, pair[0], pair[1]);
        assertThat(ratio).isPositive();
        scale = scale == 0 ? ratio : scale;
        assertThat(ratio).isCloseTo(scale, within(1e-4));
      }
    }
  }

  @Test
  void student_withoutAnyTokenizer_isRefused() {
    StudentSetup setup = new StudentSetup(ROWS, Teacher.none(), 2, CLASSES, 7, Device.cpu());
    assertThatThrownBy(() -> Student.bagOfEmbeddings().build().open(setup))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "student must have a tokenizer but neither it nor the teacher has one; call"
                + " tokenizer(...) on the student's builder");
  }

  private static float[] row(float[] table, int id) {
    return Arrays.copyOfRange(table, id * WIDTH, (id + 1) * WIDTH);
  }

  private static double distance(float[] table, Tokenizer tokenizer, String one, String other) {
    float[] a = row(table, tokenizer.id(one).orElseThrow());
    float[] b = row(table, tokenizer.id(other).orElseThrow());
    double square = 0;
    for (int i = 0; i < a.length; i++) {
      square += (double) (a[i] - b[i]) * (a[i] - b[i]);
    }
    return Math.sqrt(square);
  }
}
