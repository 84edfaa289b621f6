package io.distill.student;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.ArrayDataset;
import com.google.common.primitives.ImmutableDoubleArray;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.conversation.Conversation;
import io.distill.conversation.ConversationDataset;
import io.distill.data.DistillationDataset;
import io.distill.data.Tokenizer;
import io.distill.data.WordTokenizers;
import io.distill.exception.DistillationException;
import io.distill.huggingface.Checkpoint;
import io.distill.model.ActivationImportance;
import io.distill.model.DeployableModel;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerDecoder;
import io.distill.signal.SignalKind;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.training.Optimizer;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Compares with what PyTorch gives (see pruning_golden.py), and with teachers that have idle parts.
 */
class PrunedDecoderTest {

  private static final Tokenizer WORDS = WordTokenizers.numbered(96);

  private static Path folder(String name) throws URISyntaxException {
    return Path.of(Checkpoint.class.getResource("golden/" + name + "/config.json").toURI())
        .getParent();
  }

  private static JsonObject json(Path file) throws IOException {
    return JsonParser.parseString(Files.readString(file)).getAsJsonObject();
  }

  private static DeployableModel model(String name) throws URISyntaxException {
    DeployableModel loaded = DeployableModel.load(folder(name));
    return new DeployableModel(loaded.model(), WORDS, List.of())
        .withWriter(loaded.writer().orElseThrow());
  }

  /** The rows of a golden batch, filled up at the end instead of at the beginning. */
  private static DistillationDataset rows(NDManager manager, JsonObject batch) {
    List<long[]> rows =
        StreamSupport.stream(batch.getAsJsonArray("input_ids").spliterator(), false)
            .map(
                row ->
                    numbers(row).stream()
                        .mapToLong(v -> (long) v)
                        .dropWhile(id -> id == 0)
                        .toArray())
            .toList();
    int longest = rows.stream().mapToInt(row -> row.length).max().orElseThrow();
    long[] ids = new long[rows.size() * longest];
    long[] mask = new long[ids.length];
    for (int i = 0; i < rows.size(); i++) {
      System.arraycopy(rows.get(i), 0, ids, i * longest, rows.get(i).length);
      Arrays.fill(mask, i * longest, i * longest + rows.get(i).length, 1);
    }
    Shape shape = new Shape(rows.size(), longest);
    return DistillationDataset.of(
        new ArrayDataset.Builder()
            .setData(manager.create(ids, shape), manager.create(mask, shape))
            .setSampling(rows.size(), false)
            .build());
  }

  private static ImmutableDoubleArray numbers(JsonElement array) {
    return ImmutableDoubleArray.copyOf(
        StreamSupport.stream(((JsonArray) array).spliterator(), false)
            .mapToDouble(JsonElement::getAsDouble));
  }

  private static ConversationDataset calibration() {
    return ConversationDataset.builder()
        .conversations(
            IntStream.range(0, 12)
                .mapToObj(
                    i ->
                        Conversation.of(
                            IntStream.range(0, 9)
                                .mapToObj(j -> "w" + (3 + (7 * i + 11 * j * j) % 90))
                                .collect(Collectors.joining(" "))))
                .toList())
        .tokenizer(WORDS)
        .build();
  }

  private static StudentSetup setup(Teacher teacher) {
    return new StudentSetup(calibration(), teacher, 0, List.of(), 7, Device.cpu());
  }

  private static float[] logits(DeployableModel model, ImmutableDoubleArray ids) {
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      Shape shape = new Shape(1, ids.length());
      long[] ones = new long[ids.length()];
      Arrays.fill(ones, 1);
      return model
          .model()
          .forward(
              new NDList(
                  manager.create(ids.stream().mapToLong(id -> (long) id).toArray(), shape),
                  manager.create(ones, shape)),
              Set.of(SignalKind.LOGITS),
              false)
          .logits()
          .toFloatArray();
    }
  }

  private static float[] logits(DeployableModel model) {
    return logits(model, ImmutableDoubleArray.copyOf(IntStream.range(3, 15).asDoubleStream()));
  }

  private static void assertClose(ImmutableDoubleArray actual, JsonElement expected, String what) {
    ImmutableDoubleArray values = numbers(expected);
    assertThat(actual.length()).as(what).isEqualTo(values.length());
    for (int i = 0; i < values.length(); i++) {
      assertThat(actual.get(i))
          .as("%s %s", what, i)
          .isCloseTo(values.get(i), within(1e-5 * Math.max(1, Math.abs(values.get(i)))));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"llama", "llama_bias", "qwen2_sliding", "qwen3", "granite", "gpt2", "phi3"})
  void importanceAndPrunedModel_areThoseOfPyTorch(String name, @TempDir Path directory)
      throws Exception {
    JsonObject expected =
        json(Path.of(PrunedDecoderTest.class.getResource("pruning.json").toURI()))
            .getAsJsonObject(name);
    JsonObject golden = json(folder(name).resolve("golden.json"));
    try (NDManager manager = NDManager.newBaseManager(Device.cpu());
        DeployableModel whole = model(name);
        Teacher teacher = Teacher.of(whole)) {
      ActivationImportance importance =
          ActivationImportance.measure(whole, rows(manager, golden.getAsJsonObject("batch")), 2);
      assertClose(importance.layers(), expected.get("layers"), "layer");
      assertClose(importance.channels(), expected.get("channels"), "channel");
      for (int i = 0; i < importance.layers().length(); i++) {
        assertClose(importance.heads(i), expected.getAsJsonArray("heads").get(i), "head");
        assertClose(importance.neurons(i), expected.getAsJsonArray("neurons").get(i), "neuron");
      }
      for (int i = 0; i <= 2 * importance.layers().length(); i++) {
        assertClose(importance.squares(i), expected.getAsJsonArray("squares").get(i), "square");
      }

      JsonObject sizes = expected.getAsJsonObject("sizes");
      Student student =
          Student.decoder()
              .prunedBy(importance)
              .layers(sizes.get("layers").getAsInt())
              .hiddenSize(sizes.get("hiddenSize").getAsInt())
              .heads(sizes.get("heads").getAsInt())
              .keyValueHeads(sizes.get("keyValueHeads").getAsInt())
              .intermediateSize(sizes.get("intermediateSize").getAsInt())
              .build();
      try (DeployableModel pruned = student.open(setup(teacher))) {
        ImmutableDoubleArray ids =
            numbers(golden.getAsJsonObject("single").getAsJsonArray("input_ids"));
        float[] all = logits(pruned, ids);
        JsonArray last = expected.getAsJsonArray("logits");
        int vocabulary = all.length / ids.length();
        for (int i = 0; i < last.size(); i++) {
          ImmutableDoubleArray values = numbers(last.get(i));
          int from = (ids.length() - last.size() + i) * vocabulary;
          for (int j = 0; j < vocabulary; j++) {
            assertThat((double) all[from + j]).isCloseTo(values.get(j), within(1e-4));
          }
        }
        pruned.save(directory.resolve("saved"));
        try (DeployableModel again = DeployableModel.load(directory.resolve("saved"))) {
          assertThat(logits(again, ids)).isEqualTo(all);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama", "gpt2"})
  void allKept_isTheTeacher(String name) throws Exception {
    try (DeployableModel whole = model(name);
        Teacher teacher = Teacher.of(whole)) {
      TransformerDecoder shape = (TransformerDecoder) whole.model().configuration().orElseThrow();
      Student student =
          Student.decoder()
              .prunedBy(ActivationImportance.measure(whole, calibration()))
              .layers(shape.layers())
              .hiddenSize(shape.hiddenSize())
              .build();
      try (DeployableModel same = student.open(setup(teacher))) {
        assertThat(logits(same)).isEqualTo(logits(whole));
      }
    }
  }

  /** The teacher of a golden folder, with other weights. */
  private static DeployableModel changed(Map<String, HostTensor> weights) throws Exception {
    try (DeployableModel loaded = model("llama")) {
      return new DeployableModel(
              ScriptedModel.open(
                  loaded.model().configuration().orElseThrow(), weights, Device.cpu(), false),
              WORDS,
              List.of())
          .withWriter(loaded.writer().orElseThrow());
    }
  }

  private static Map<String, HostTensor> weights() throws Exception {
    try (DeployableModel loaded = model("llama")) {
      return ((ScriptedModel) loaded.model()).weights();
    }
  }

  private static void zero(
      Map<String, HostTensor> weights, String name, int[] rows, boolean columns) {
    HostTensor before = weights.get(name);
    float[] values = before.toFloatArray();
    long[] shape = before.shape().getShape();
    int width = (int) shape[1];
    for (int each : rows) {
      for (int i = 0; i < (columns ? shape[0] : width); i++) {
        values[columns ? i * width + each : each * width + i] = 0;
      }
    }
    weights.put(name, HostTensor.of(values, shape));
  }

  @Test
  void idleParts_areThoseLeftOut() throws Exception {
    Map<String, HostTensor> weights = weights();
    int[] channels = {1, 2, 17, 31};
    int[] neurons = {0, 5, 6, 40, 47};
    zero(weights, "model.embed_tokens.weight", channels, true);
    for (int i = 0; i < 2; i++) {
      String layer = "model.layers." + i + ".";
      zero(weights, layer + "self_attn.o_proj.weight", channels, false);
      zero(weights, layer + "mlp.down_proj.weight", channels, false);
      zero(weights, layer + "mlp.up_proj.weight", neurons, false);
      // nobody hears the heads that share this value: the first group here, the second there
      int first = i * 8;
      zero(
          weights,
          layer + "self_attn.v_proj.weight",
          IntStream.range(first, first + 8).toArray(),
          false);
    }
    try (DeployableModel whole = changed(weights);
        Teacher teacher = Teacher.of(whole)) {
      ActivationImportance importance = ActivationImportance.measure(whole, calibration());
      for (int channel : channels) {
        assertThat(importance.channels().get(channel)).isZero();
      }
      for (int neuron : neurons) {
        assertThat(importance.neurons(1).get(neuron)).isZero();
      }
      assertThat(importance.heads(0).subArray(0, 2).stream().sum()).isZero();
      assertThat(importance.toString()).contains("[0, 1, ").contains("5 of 48");
      Student student =
          Student.decoder()
              .prunedBy(importance)
              .hiddenSize(28)
              .intermediateSize(43)
              .heads(2)
              .keyValueHeads(1)
              .build();
      try (DeployableModel pruned = student.open(setup(teacher))) {
        TransformerDecoder shape =
            (TransformerDecoder) pruned.model().configuration().orElseThrow();
        assertThat(shape.headSize()).isEqualTo(8);
        float[] expected = logits(whole);
        float[] actual = logits(pruned);
        for (int i = 0; i < expected.length; i++) {
          assertThat(actual[i]).isCloseTo(expected[i], within(1e-4f));
        }
      }
    }
  }

  @Test
  void layerThatChangesNothing_isTheOneLeftOut() throws Exception {
    Map<String, HostTensor> weights = weights();
    int[] all = IntStream.range(0, 32).toArray();
    zero(weights, "model.layers.0.self_attn.o_proj.weight", all, false);
    zero(weights, "model.layers.0.mlp.down_proj.weight", all, false);
    try (DeployableModel whole = changed(weights);
        Teacher teacher = Teacher.of(whole)) {
      ActivationImportance importance = ActivationImportance.measure(whole, calibration());
      assertThat(importance.layers().get(0)).isCloseTo(0, within(1e-6));
      assertThat(importance.layers().get(1)).isBetween(0.01, 2.0);
      try (DeployableModel pruned =
          Student.decoder().prunedBy(importance).layers(1).build().open(setup(teacher))) {
        assertThat(logits(pruned)).isEqualTo(logits(whole));
      }
    }
  }

  @Test
  void shuffled_dealsTheSameImportancesOutAnew() throws Exception {
    try (DeployableModel whole = model("llama")) {
      ActivationImportance importance = ActivationImportance.measure(whole, calibration());
      ActivationImportance shuffled = importance.shuffled(5);
      assertThat(shuffled.fingerprint())
          .isEqualTo(importance.shuffled(5).fingerprint())
          .isNotEqualTo(importance.shuffled(6).fingerprint());
      assertThat(shuffled.squares(2)).isEqualTo(importance.squares(2));
      assertDealt(shuffled.channels(), importance.channels());
      assertDealt(shuffled.neurons(1), importance.neurons(1));
      assertThat(shuffled.heads(0).stream().sorted().toArray())
          .isEqualTo(importance.heads(0).stream().sorted().toArray());
      assertThat(shuffled.layers().stream().sorted().toArray())
          .isEqualTo(importance.layers().stream().sorted().toArray());
    }
  }

  private static void assertDealt(ImmutableDoubleArray shuffled, ImmutableDoubleArray before) {
    assertThat(shuffled).isNotEqualTo(before);
    assertThat(shuffled.stream().sorted().toArray()).isEqualTo(before.stream().sorted().toArray());
  }

  @Test
  void namedLayers_goTogetherWithPruning() throws Exception {
    try (DeployableModel whole = model("llama");
        Teacher teacher = Teacher.of(whole)) {
      ActivationImportance importance = ActivationImportance.measure(whole, calibration());
      try (DeployableModel pruned =
          Student.decoder()
              .prunedBy(importance)
              .teacherLayers(1)
              .intermediateSize(20)
              .build()
              .open(setup(teacher))) {
        assertThat(pruned.model().parameters().get("model.layers.0.mlp.up_proj.weight").getShape())
            .isEqualTo(new Shape(20, 32));
        assertThat(
                pruned
                    .model()
                    .parameters()
                    .get("model.layers.0.self_attn.q_proj.weight")
                    .toFloatArray())
            .isEqualTo(weights().get("model.layers.1.self_attn.q_proj.weight").toFloatArray());
      }
    }
  }

  @Test
  void prunedStudent_learnsFromItsTeacher() throws Exception {
    try (DeployableModel whole = model("llama");
        Teacher teacher = Teacher.of(whole)) {
      Student student =
          Student.decoder()
              .prunedBy(ActivationImportance.measure(whole, calibration()))
              .hiddenSize(24)
              .intermediateSize(32)
              .build();
      assertThat(student.toString())
          .isEqualTo("decoder(pruned, hiddenSize=24, intermediateSize=32)");
      try (DistillationResult result =
          Distiller.builder()
              .teacher(teacher)
              .student(student)
              .loss(
                  context ->
                      context.student().logits().sub(context.teacher().logits()).square().mean())
              .epochs(4)
              .batchSize(6)
              .optimizer(Optimizer.adamW().withLearningRate(1e-2))
              .fit(calibration())) {
        assertThat(result.history().get(3).loss()).isLessThan(0.9 * result.history().get(0).loss());
      }
    }
  }

  @Test
  void wrongSizes_areTold() throws Exception {
    try (DeployableModel whole = model("llama");
        Teacher teacher = Teacher.of(whole);
        DeployableModel other = model("qwen3");
        DeployableModel encoder = DeployableModel.load(folder("bert"))) {
      ActivationImportance importance = ActivationImportance.measure(whole, calibration());
      assertRefused(
          Student.decoder().prunedBy(importance).hiddenSize(64),
          teacher,
          "hiddenSize must be at most the teacher's 32 but was 64");
      assertRefused(
          Student.decoder().prunedBy(importance).layers(3),
          teacher,
          "layers must be at most the 2 of the teacher");
      assertRefused(
          Student.decoder().prunedBy(importance).heads(3),
          teacher,
          "heads must be a multiple of the teacher's 2 key and value heads but were 3");
      assertRefused(
          Student.decoder().prunedBy(importance).heads(3).keyValueHeads(1),
          teacher,
          "heads must be at most the teacher's 2 to a key head but were 3 to 1");
      assertRefused(
          Student.decoder().prunedBy(importance).tokenizer(WORDS),
          Teacher.none(),
          "must have a teacher that is a TransformerDecoder");
      assertRefused(
          Student.decoder().prunedBy(ActivationImportance.measure(other, calibration())),
          teacher,
          "importance must be measured on the teacher");
      assertThatIllegalStateException()
          .isThrownBy(() -> Student.decoder().prunedBy(importance).maxLength(4).build())
          .withMessageContaining("maxLength and rotaryBase must be left out");
      assertThatIllegalStateException()
          .isThrownBy(() -> Student.decoder().teacherLayers(0).hiddenSize(4).build())
          .withMessageContaining("unless prunedBy(...) says what can be left out");
      assertThatIllegalArgumentException()
          .isThrownBy(() -> ActivationImportance.measure(whole, calibration(), 0))
          .withMessageContaining("batchSize must be at least 1 but was 0");
      assertThatThrownBy(() -> ActivationImportance.measure(encoder, calibration()))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("model must be a TransformerDecoder");
    }
  }

  private static void assertRefused(
      DecoderStudent.Builder student, Teacher teacher, String message) {
    assertThatThrownBy(() -> student.build().open(setup(teacher)))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining(message);
  }
}
