package io.distill.huggingface;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.gson.JsonPrimitive;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.model.ModelConfiguration;
import io.distill.model.TransformerDecoder;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CheckpointTest {

  @TempDir private Path directory;

  @BeforeEach
  void copy() throws IOException {
    Path golden = CheckpointParityTest.golden("llama");
    for (String name :
        new String[] {"config.json", "model.safetensors", "generation_config.json"}) {
      Files.copy(golden.resolve(name), directory.resolve(name));
    }
  }

  private void setConfig(String name, JsonElement value) throws IOException {
    Path file = directory.resolve("config.json");
    JsonObject config = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    config.add(name, value);
    Files.writeString(file, config.toString());
  }

  private void setTensors(String without, String with, Shape shape) {
    Path file = directory.resolve("model.safetensors");
    Map<String, HostTensor> tensors = new LinkedHashMap<>(SafeTensors.open(file).tensors());
    tensors.remove(without);
    if (!with.isEmpty()) {
      tensors.put(with, HostTensor.of(new float[(int) shape.size()], shape.getShape()));
    }
    SafeTensors.write(file, tensors, Map.of());
  }

  private void refused(String... parts) {
    assertThatThrownBy(() -> DeployableModel.load(directory).close())
        .isInstanceOf(DistillationException.class)
        .hasMessageContainingAll(parts);
  }

  @Test
  void missingTensor_isNamedWithItsShape() {
    setTensors("model.layers.1.mlp.up_proj.weight", "", new Shape());
    refused(directory.toString(), "'model.layers.1.mlp.up_proj.weight'", "(48, 32)");
  }

  @Test
  void superfluousTensor_isNamedWithItsShape() {
    setTensors("", "model.layers.7.mlp.up_proj.weight", new Shape(48, 32));
    refused(directory.toString(), "model.layers.7.mlp.up_proj.weight", "(48, 32)");
  }

  @Test
  void tensorOfAnotherShape_isNamedWithBoth() {
    setTensors("lm_head.weight", "lm_head.weight", new Shape(96, 31));
    refused("model.safetensors", "'lm_head.weight'", "(96, 32)", "(96, 31)");
  }

  @Test
  void unknownFamily_namesTheSupportedOnes() throws IOException {
    setConfig("model_type", new JsonPrimitive("mamba"));
    refused("model_type in ", "qwen2", "granite", "bert", "'mamba'");
  }

  @ParameterizedTest
  @CsvSource({
    "hidden_size, 32.5, must be an integer",
    "hidden_size, \"x\", must be an integer",
    "num_attention_heads, 0, heads must be at least 1",
    "num_key_value_heads, 3, keyValueHeads must divide heads",
    "hidden_act, \"softsign\", must be one of",
    "tie_word_embeddings, 3, must be true or false",
    "rope_parameters, 3, must be an object",
    "rms_norm_eps, -1, normEpsilon must be greater than 0",
    "vocab_size, 99999999999, must be an integer"
  })
  void valueOutOfRange_isNamedWithItsFile(String name, String value, String message)
      throws IOException {
    setConfig(name, JsonParser.parseString(value));
    refused(directory.resolve("config.json").toString(), message);
  }

  @Test
  void scalingThatIsNotKnown_isRefused() throws IOException {
    setConfig("rope_parameters", JsonParser.parseString("{\"rope_type\": \"longrope\"}"));
    refused("rope_parameters.rope_type", "default, linear, dynamic, llama3", "'longrope'");
  }

  @Test
  void oldForm_ofRotaryPositions_isRead() throws IOException {
    ModelConfiguration now = Checkpoint.of(directory).configuration().orElseThrow();
    Path file = directory.resolve("config.json");
    JsonObject config = JsonParser.parseString(Files.readString(file)).getAsJsonObject();
    config.remove("rope_parameters");
    config.addProperty("rope_theta", 10000.0);
    Files.writeString(file, config.toString());
    assertThat(Checkpoint.of(directory).configuration()).contains(now);
    config.add("rope_scaling", JsonParser.parseString("{\"type\": \"linear\", \"factor\": 2.0}"));
    Files.writeString(file, config.toString());
    TransformerDecoder scaled =
        (TransformerDecoder) Checkpoint.of(directory).configuration().orElseThrow();
    assertThat(scaled.rotary().factor()).isEqualTo(2);
  }

  @Test
  void pickles_areRefusedWithTheReason() throws IOException {
    Files.delete(directory.resolve("model.safetensors"));
    Files.write(directory.resolve("pytorch_model.bin"), new byte[] {1, 2, 3});
    refused("pytorch_model.bin", "safetensors");
  }

  @Test
  void truncatedWeights_areRefused() throws IOException {
    Path file = directory.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(bytes, bytes.length - 100));
    refused("model.safetensors", "cut off?");
  }

  @Test
  void tokenizerWithMoreTokensThanEmbeddings_isRefused() throws IOException {
    StringBuilder vocabulary = new StringBuilder("\"w0\": 0");
    for (int i = 1; i < 97; i++) {
      vocabulary.append(", \"w").append(i).append("\": ").append(i);
    }
    Files.writeString(
        directory.resolve("tokenizer.json"),
        """
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
         "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
         "post_processor": null, "decoder": null,
         "model": {"type": "WordLevel", "unk_token": "w0", "vocab": {%s}}}
        """
            .formatted(vocabulary));
    refused("tokenizer.json", "97", "vocab_size 96");
  }

  @Test
  void files_goOnUnchanged_andFollowNewIds() throws IOException {
    setConfig("a_member_of_later", new JsonPrimitive("kept"));
    CheckpointFiles files = Checkpoint.of(directory).files();
    Path saved = directory.resolve("saved");
    try (DeployableModel model = DeployableModel.load(directory)) {
      model.save(saved);
    }
    JsonObject written =
        JsonParser.parseString(Files.readString(saved.resolve("config.json"))).getAsJsonObject();
    assertThat(written.get("a_member_of_later").getAsString()).isEqualTo("kept");
    assertThat(saved.resolve("generation_config.json")).exists();
    assertThat(files.endIds().asList()).containsExactly(2);
    assertThat(files.withIds(id -> id - 1).endIds().asList()).containsExactly(1);
    assertThat(files.withIds(id -> id - 1).config().has("pad_token_id")).isFalse();
  }

  @Test
  void family_thatCannotHoldAShape_saysSo() {
    TransformerDecoder shape =
        TransformerDecoder.builder()
            .vocabularySize(9)
            .hiddenSize(8)
            .layers(1)
            .heads(2)
            .queryKeyNorm(true)
            .build();
    assertThat(CheckpointFiles.of("qwen3", shape).modelType()).isEqualTo("qwen3");
    assertThatThrownBy(() -> CheckpointFiles.of("llama", shape))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("a llama checkpoint must be able to say all of");
    assertThatThrownBy(() -> CheckpointFiles.of("gpt2", shape))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("positions are of another kind");
  }
}
