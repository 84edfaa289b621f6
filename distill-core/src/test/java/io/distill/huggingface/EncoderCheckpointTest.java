package io.distill.huggingface;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.exception.DistillationException;
import io.distill.model.Activation;
import io.distill.model.DeployableModel;
import io.distill.model.EncoderHead;
import io.distill.model.Pooling;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerEncoder;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The many forms of encoder checkpoints against the one that transformers writes today. */
class EncoderCheckpointTest {

  @TempDir private Path directory;

  private JsonObject config = new JsonObject();
  private Map<String, HostTensor> tensors = new LinkedHashMap<>();

  private void start(String golden) throws IOException {
    Path from = CheckpointParityTest.golden(golden);
    config =
        JsonParser.parseString(Files.readString(from.resolve("config.json"))).getAsJsonObject();
    tensors = new LinkedHashMap<>(SafeTensors.open(from.resolve("model.safetensors")).tensors());
  }

  private void setClass(String name) {
    JsonArray names = new JsonArray();
    names.add(name);
    config.add("architectures", names);
  }

  private Path written() throws IOException {
    Files.writeString(directory.resolve("config.json"), config.toString());
    SafeTensors.write(directory.resolve("model.safetensors"), tensors, Map.of("format", "pt"));
    return directory;
  }

  private static HostTensor zeros(long... shape) {
    int size = 1;
    for (long each : shape) {
      size *= (int) each;
    }
    return HostTensor.of(new float[size], shape);
  }

  private static String fingerprint(Path directory) {
    try (DeployableModel model = DeployableModel.load(directory, Device.cpu())) {
      return model.fingerprint();
    }
  }

  private void assertSameAs(String golden) throws IOException {
    assertThat(fingerprint(written())).isEqualTo(fingerprint(CheckpointParityTest.golden(golden)));
  }

  /** As the first published BERT has them: for pre-training, with TensorFlow's names of norms. */
  @Test
  void bert_ofBothPreTrainingTasks_predictsWords() throws IOException {
    start("bert_masked");
    setClass("BertForPreTraining");
    Map<String, HostTensor> old = new LinkedHashMap<>();
    tensors.forEach(
        (name, tensor) ->
            old.put(
                name.replace("LayerNorm.weight", "LayerNorm.gamma")
                    .replace("LayerNorm.bias", "LayerNorm.beta"),
                tensor));
    assertThat(old.keySet()).isNotEqualTo(tensors.keySet());
    tensors = old;
    tensors.put("bert.pooler.dense.weight", zeros(16, 16));
    tensors.put("bert.pooler.dense.bias", zeros(16));
    tensors.put("cls.seq_relationship.weight", zeros(2, 16));
    tensors.put("cls.seq_relationship.bias", zeros(2));
    tensors.put("cls.predictions.decoder.weight", zeros(64, 16));
    tensors.put("cls.predictions.decoder.bias", zeros(64));
    tensors.put("bert.embeddings.position_ids", zeros(1, 32));
    assertSameAs("bert_masked");
  }

  @ParameterizedTest
  @CsvSource({
    "bert, bert.",
    "roberta, roberta.",
    "distilbert, distilbert.",
  })
  void baseModel_underThePrefixOfItsHeads_isTheSame(String golden, String prefix)
      throws IOException {
    start(golden);
    Map<String, HostTensor> prefixed = new LinkedHashMap<>();
    tensors.forEach((name, tensor) -> prefixed.put(prefix + name, tensor));
    tensors = prefixed;
    config.remove("architectures");
    assertSameAs(golden);
  }

  @ParameterizedTest
  @CsvSource({
    "bert_classifier, bert.",
    "roberta_masked, roberta.",
    "distilbert_classifier, distilbert.",
  })
  void headedModel_withoutThePrefix_isTheSame(String golden, String prefix) throws IOException {
    start(golden);
    Map<String, HostTensor> bare = new LinkedHashMap<>();
    tensors.forEach(
        (name, tensor) ->
            bare.put(name.startsWith(prefix) ? name.substring(prefix.length()) : name, tensor));
    tensors = bare;
    assertSameAs(golden);
  }

  @Test
  void xlmRoberta_isARobertaOfItsOwnName(@TempDir Path temporary) throws IOException {
    start("roberta_classifier");
    config.addProperty("model_type", "xlm-roberta");
    setClass("XLMRobertaForSequenceClassification");
    assertSameAs("roberta_classifier");
    Path saved = temporary.resolve("saved");
    try (DeployableModel model = DeployableModel.load(directory, Device.cpu())) {
      model.save(saved);
    }
    JsonObject again =
        JsonParser.parseString(Files.readString(saved.resolve("config.json"))).getAsJsonObject();
    assertThat(again.get("model_type").getAsString()).isEqualTo("xlm-roberta");
    assertThat(again.get("architectures").toString())
        .isEqualTo("[\"XLMRobertaForSequenceClassification\"]");
    assertThat(Checkpoint.of(saved).classNames())
        .containsExactly("negative", "neutral", "positive");
  }

  @Test
  void savedTensors_haveTheNamesOfTransformers(@TempDir Path temporary) throws IOException {
    for (String family : List.of("bert", "roberta", "distilbert")) {
      for (String head : List.of("", "_masked", "_classifier")) {
        Path golden = CheckpointParityTest.golden(family + head);
        Path saved = temporary.resolve(family + head);
        try (DeployableModel model = DeployableModel.load(golden, Device.cpu())) {
          model.save(saved);
        }
        assertThat(SafeTensors.open(saved.resolve("model.safetensors")).entries().keySet())
            .as(family + head)
            .containsExactlyInAnyOrderElementsOf(
                SafeTensors.open(golden.resolve("model.safetensors")).entries().keySet());
      }
    }
  }

  @Test
  void classifier_withoutNames_hasTwoClasses() throws IOException {
    start("bert_classifier");
    config.remove("id2label");
    config.remove("label2id");
    tensors.put("classifier.weight", zeros(2, 16));
    tensors.put("classifier.bias", zeros(2));
    Checkpoint checkpoint = Checkpoint.of(written());
    assertThat(checkpoint.configuration().orElseThrow().classes()).isEqualTo(2);
    try (DeployableModel model = checkpoint.open()) {
      assertThat(model.classNames()).isEmpty();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "bert | architectures | [\"BertForQuestionAnswering\"] | must be one of BertModel,"
            + " BertForMaskedLM, BertForSequenceClassification but was"
            + " \"BertForQuestionAnswering\"",
        "bert | position_embedding_type | \"relative_key\" | must be absolute but was"
            + " 'relative_key'",
        "bert | is_decoder | true | must be false for an encoder but was true",
        "bert | hidden_act | \"mish\" | but was mish",
        "bert | num_attention_heads | 3 | hiddenSize must be a multiple of heads 3 but was 16",
        "roberta | max_position_embeddings | 2 | maxPositions must be at least 1 but was 0",
        "roberta_masked | tie_word_embeddings | false | must be true but was false",
        "roberta_masked | hidden_act | \"relu\" | must be gelu, which is what predicts words in"
            + " this family, but was relu",
      })
  void configuration_thatIsNotSupported_isRefused(
      String golden, String name, String value, String message) throws IOException {
    start(golden);
    JsonElement changed = JsonParser.parseString(value);
    config.add(name, changed);
    Path given = written();
    assertThatThrownBy(() -> Checkpoint.of(given))
        .isInstanceOf(DistillationException.class)
        .hasMessageContainingAll("config.json", message);
  }

  @Test
  void headOfAnotherKind_isNamed() throws IOException {
    start("bert_masked");
    setClass("BertForSequenceClassification");
    Checkpoint checkpoint = Checkpoint.of(written());
    assertThatThrownBy(checkpoint::open)
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must have a tensor 'bert.pooler.dense.weight' of shape (16, 16)");
    start("bert");
    tensors.put("qa_outputs.weight", zeros(2, 16));
    Checkpoint other = Checkpoint.of(written());
    assertThatThrownBy(other::open)
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("1 others: qa_outputs.weight (2, 16)");
  }

  @Test
  void shapeThatAFamilyCannotSay_isRefused(@TempDir Path temporary) throws IOException {
    TransformerEncoder mean =
        new TransformerEncoder(
            64, 32, 2, 16, 2, 2, 24, Activation.GELU, 1e-12, 0.1, Pooling.MEAN, false, 3);
    assertThatThrownBy(() -> CheckpointFiles.of("bert", mean))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("a bert checkpoint must be able to say all of");
    TransformerEncoder dense =
        new TransformerEncoder(
            64,
            32,
            2,
            16,
            2,
            2,
            24,
            Activation.GELU,
            1e-12,
            0.1,
            Pooling.FIRST,
            false,
            3,
            EncoderHead.DENSE_TANH,
            0);
    assertThatThrownBy(() -> CheckpointFiles.of("distilbert", dense))
        .isInstanceOf(DistillationException.class);
    // a new model of the library becomes a checkpoint with the names of its classes
    Path saved = temporary.resolve("saved");
    try (DeployableModel model =
        new DeployableModel(
                ScriptedModel.open(dense, dense.initialWeights(1), Device.cpu(), false),
                null,
                List.of("a", "b", "c"))
            .withWriter(CheckpointFiles.of("bert", dense))) {
      model.save(saved);
      try (DeployableModel again = DeployableModel.load(saved, Device.cpu())) {
        assertThat(again.fingerprint()).isEqualTo(model.fingerprint());
        assertThat(again.classNames()).containsExactly("a", "b", "c");
      }
    }
    Set<String> names = SafeTensors.open(saved.resolve("model.safetensors")).entries().keySet();
    assertThat(names).contains("bert.pooler.dense.weight", "classifier.weight");
    assertThat(requireNonNull(Checkpoint.of(saved).modelType())).isEqualTo("bert");
  }
}
