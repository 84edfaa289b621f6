package io.distill.student;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.conversation.Conversation;
import io.distill.conversation.ConversationDataset;
import io.distill.data.Tokenizer;
import io.distill.data.WordTokenizers;
import io.distill.exception.DistillationException;
import io.distill.huggingface.Checkpoint;
import io.distill.huggingface.CheckpointFiles;
import io.distill.model.ActivationImportance;
import io.distill.model.DecodingSession;
import io.distill.model.DeployableModel;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerDecoder;
import io.distill.signal.SignalKind;
import io.distill.teacher.Teacher;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DecoderStudentTest {

  private static final Tokenizer TOKENIZER = WordTokenizers.numbered(90);

  private static DeployableModel golden(String name) {
    try {
      Path directory =
          Path.of(Checkpoint.class.getResource("golden/" + name + "/config.json").toURI())
              .getParent();
      DeployableModel loaded = DeployableModel.load(directory);
      return new DeployableModel(loaded.model(), TOKENIZER, List.of())
          .withWriter(loaded.writer().orElseThrow());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static StudentSetup setup(Teacher teacher) {
    return new StudentSetup(
        ConversationDataset.builder()
            .conversations(List.of(Conversation.of("w1 w2")))
            .tokenizer(TOKENIZER)
            .build(),
        teacher,
        0,
        List.of(),
        7,
        Device.cpu());
  }

  private static float[] logits(DeployableModel model) {
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      Shape shape = new Shape(1, 12);
      return model
          .model()
          .forward(
              new NDList(
                  manager.create(IntStream.range(3, 15).asLongStream().toArray(), shape),
                  manager.create(IntStream.range(0, 12).mapToLong(i -> 1).toArray(), shape)),
              Set.of(SignalKind.LOGITS),
              false)
          .logits()
          .toFloatArray();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "qwen2_sliding", "qwen3", "granite", "gpt2", "phi3"})
  void allLayersOfTheTeacher_areTheTeacher(String name, @TempDir Path directory) {
    try (DeployableModel model = golden(name);
        Teacher teacher = Teacher.of(model)) {
      int layers = ((TransformerDecoder) model.model().configuration().orElseThrow()).layers();
      Student student =
          Student.decoder().teacherLayers(IntStream.range(0, layers).toArray()).build();
      try (DeployableModel opened = student.open(setup(teacher))) {
        assertThat(logits(opened)).isEqualTo(logits(model));
        opened.save(directory.resolve("saved"));
        try (DeployableModel again = DeployableModel.load(directory.resolve("saved"))) {
          assertThat(logits(again)).isEqualTo(logits(model));
          assertThat(CheckpointFiles.of(again).orElseThrow().modelType())
              .isEqualTo(CheckpointFiles.of(model).orElseThrow().modelType());
        }
      }
    }
  }

  /** Letters and some merges; all of it has 35 pieces. */
  private static final Tokenizer PIECES =
      Tokenizer.parse(
          """
          {"version": "1.0", "truncation": null, "padding": null,
           "added_tokens": [{"id": 2, "content": "<end>", "special": true, "single_word": false,
             "lstrip": false, "rstrip": false, "normalized": false}],
           "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
           "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": false, "dropout": null,
             "vocab": {"<unk>": 0, "<begin>": 1, "<end>": 2, %s, "th": 29, "the": 30, "an": 31,
               "and": 32, "in": 33, "ing": 34},
             "merges": ["t h", "th e", "a n", "an d", "i n", "in g"]}}
          """
              .formatted(
                  IntStream.range(0, 26)
                      .mapToObj(i -> "\"" + (char) ('a' + i) + "\": " + (3 + i))
                      .collect(Collectors.joining(", "))));

  @ParameterizedTest
  @ValueSource(strings = {"llama", "llama_tied", "gpt2"})
  void trimmedVocabulary_keepsTheScoresOfItsPieces(String name, @TempDir Path directory) {
    DeployableModel loaded = golden(name);
    try (DeployableModel whole =
            new DeployableModel(loaded.model(), PIECES, List.of())
                .withWriter(loaded.writer().orElseThrow());
        Teacher teacher = Teacher.of(whole)) {
      Tokenizer trimmed = PIECES.trimmedTo(List.of("theand", "and"));
      assertThat(trimmed.vocabularySize()).isBetween(30, 34);
      Student student = Student.decoder().teacherLayers(0, 1).tokenizer(trimmed).build();
      try (DeployableModel opened = student.open(setup(teacher))) {
        int[] ids = trimmed.encode("theandcab");
        int[] original = trimmed.originalIds();
        assertThat(PIECES.encode("theandcab"))
            .isEqualTo(Arrays.stream(ids).map(id -> original[id]).toArray());
        float[][] expected = decoded(whole, PIECES.encode("theandcab"));
        float[][] scores = decoded(opened, ids);
        for (int i = 0; i < original.length; i++) {
          assertThat(scores[0][i])
              .as("piece %s", i)
              .isCloseTo(expected[0][original[i]], within(1e-5f));
        }
        opened.save(directory.resolve("saved"));
        try (DeployableModel again = DeployableModel.load(directory.resolve("saved"))) {
          assertThat(decoded(again, ids)).isDeepEqualTo(scores);
          // the end token has moved with its piece
          int end = trimmed.id("<end>").orElseThrow();
          assertThat(CheckpointFiles.of(again).orElseThrow().endIds().asList())
              .containsExactly(end);
        }
      }
    }
  }

  @Test
  void trimmedVocabulary_ofAPrunedStudent_keepsTheScoresOfItsPieces() {
    DeployableModel loaded = golden("llama");
    try (DeployableModel whole =
            new DeployableModel(loaded.model(), PIECES, List.of())
                .withWriter(loaded.writer().orElseThrow());
        Teacher teacher = Teacher.of(whole)) {
      ActivationImportance importance =
          ActivationImportance.measure(
              whole,
              ConversationDataset.builder()
                  .conversations(List.of(Conversation.of("theandin"), Conversation.of("cab")))
                  .tokenizer(PIECES)
                  .build());
      Tokenizer trimmed = PIECES.trimmedTo(List.of("theand"));
      DecoderStudent.Builder pruned =
          Student.decoder().prunedBy(importance).hiddenSize(24).intermediateSize(30);
      try (DeployableModel all = pruned.build().open(setup(teacher));
          DeployableModel some = pruned.tokenizer(trimmed).build().open(setup(teacher))) {
        assertThat(some.parameterCount()).isLessThan(all.parameterCount());
        float[][] expected = decoded(all, PIECES.encode("theandcab"));
        float[][] scores = decoded(some, trimmed.encode("theandcab"));
        int[] original = trimmed.originalIds();
        assertThat(original.length).isLessThan(PIECES.vocabularySize());
        for (int i = 0; i < original.length; i++) {
          assertThat(scores[0][i])
              .as("piece %s", i)
              .isCloseTo(expected[0][original[i]], within(1e-5f));
        }
      }
    }
  }

  private static float[][] decoded(DeployableModel model, int[] ids) {
    try (DecodingSession session = ((ScriptedModel) model.model()).decode(1, ids.length)) {
      return session.begin(new int[][] {ids});
    }
  }

  @Test
  void tokenizerThatIsNotTrimmedFromTheTeachers_isRefused() {
    try (DeployableModel model = golden("llama");
        Teacher teacher = Teacher.of(model)) {
      assertThatThrownBy(
              () ->
                  Student.decoder().teacherLayers(0).tokenizer(PIECES).build().open(setup(teacher)))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("student's tokenizer must be trimmed from the teacher's");
    }
  }

  @Test
  void someLayers_haveTheirWeightsAndWindows() {
    try (DeployableModel model = golden("qwen2_sliding");
        Teacher teacher = Teacher.of(model);
        DeployableModel opened =
            Student.decoder().teacherLayers(0, 2).build().open(setup(teacher))) {
      TransformerDecoder shape = (TransformerDecoder) opened.model().configuration().orElseThrow();
      assertThat(shape.layers()).isEqualTo(2);
      assertThat(shape.slidingLayers()).containsExactly(1);
      String name = "layers.%d.mlp.up_proj.weight";
      assertThat(opened.model().parameters().get("model." + name.formatted(1)).toFloatArray())
          .isEqualTo(
              ((ScriptedModel) model.model())
                  .weights()
                  .get("model." + name.formatted(2))
                  .toFloatArray());
    }
  }

  @Test
  void freshStudent_ofATeacher_isOfItsFamilyAndVocabulary(@TempDir Path directory) {
    try (DeployableModel model = golden("qwen3");
        Teacher teacher = Teacher.of(model);
        DeployableModel opened =
            Student.decoder()
                .layers(1)
                .hiddenSize(24)
                .heads(4)
                .keyValueHeads(2)
                .intermediateSize(16)
                .build()
                .open(setup(teacher))) {
      TransformerDecoder shape = (TransformerDecoder) opened.model().configuration().orElseThrow();
      assertThat(shape.queryKeyNorm()).isTrue();
      assertThat(shape.vocabularySize()).isEqualTo(96);
      assertThat(shape.headSize()).isEqualTo(6);
      opened.save(directory.resolve("saved"));
      assertThat(Checkpoint.of(directory.resolve("saved")).modelType()).isEqualTo("qwen3");
    }
  }

  @Test
  void freshStudent_withoutATeacher_isALlama(@TempDir Path directory) throws Exception {
    Student student =
        Student.decoder()
            .tokenizer(TOKENIZER)
            .maxLength(48)
            .hiddenSize(16)
            .heads(2)
            .endId(1)
            .build();
    try (DeployableModel opened = student.open(setup(Teacher.none()))) {
      Path saved = directory.resolve("saved");
      opened.save(saved);
      try (DeployableModel again = DeployableModel.load(saved)) {
        assertThat(logits(again)).isEqualTo(logits(opened));
        assertThat(again.tokenizer().orElseThrow().encode("w3 w4")).containsExactly(3, 4);
        CheckpointFiles files = CheckpointFiles.of(again).orElseThrow();
        assertThat(files.modelType()).isEqualTo("llama");
        assertThat(files.endIds().asList()).containsExactly(1);
      }
      assertThat(Files.readString(saved.resolve("tokenizer_config.json"))).contains("\"w1\"");
    }
  }

  @Test
  void wrongParts_areTold() {
    assertThatIllegalStateException()
        .isThrownBy(() -> Student.decoder().teacherLayers(0).layers(2).build())
        .withMessageContaining("must be left out with teacherLayers");
    assertThatThrownBy(() -> Student.decoder().teacherLayers(0).build().open(setup(Teacher.none())))
        .isInstanceOf(DistillationException.class);
    try (DeployableModel model = golden("llama");
        Teacher teacher = Teacher.of(model)) {
      assertThatThrownBy(() -> Student.decoder().teacherLayers(0, 9).build().open(setup(teacher)))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("teacherLayers must be between 0 and 1 but were [0, 9]");
      assertThatThrownBy(
              () -> Student.decoder().hiddenSize(10).heads(3).build().open(setup(teacher)))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("hiddenSize must be a multiple of heads 3");
    }
  }
}
