package io.distill.huggingface;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.internal.NativeEngine;
import io.distill.model.DecodingSession;
import io.distill.model.DeployableModel;
import io.distill.model.ScriptedModel;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Compares with what the transformers library computes; see language_model_golden.py. */
class CheckpointParityTest {

  private static final double TOLERANCE = 1e-4;

  static Path golden(String name) {
    try {
      return Path.of(
              CheckpointParityTest.class.getResource("golden/" + name + "/config.json").toURI())
          .getParent();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  static JsonObject json(Path directory) throws IOException {
    return JsonParser.parseString(Files.readString(directory.resolve("golden.json")))
        .getAsJsonObject();
  }

  private static int[] ints(JsonArray array) {
    int[] values = new int[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).getAsInt();
    }
    return values;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "llama",
        "llama_tied",
        "llama_linear",
        "llama_dynamic",
        "llama3",
        "llama_bias",
        "llama_head_dim",
        "llama_sharded",
        "llama_float16",
        "llama_bfloat16",
        "mistral",
        "qwen2",
        "qwen2_sliding",
        "qwen3",
        "granite",
        "gpt2",
        "phi3",
        "phi3_partial"
      })
  void answersAsTransformersDoes(String name, @TempDir Path temporary) throws IOException {
    Path directory = golden(name);
    // the same model in several files
    Path values = name.equals("llama_sharded") ? golden("llama") : directory;
    JsonObject golden = json(values);
    SafeTensors expected = SafeTensors.open(values.resolve("golden.safetensors"));
    try (DeployableModel model = Checkpoint.of(directory).open()) {
      check(model, golden, expected);
      // and once more from a checkpoint of our own
      Path saved = temporary.resolve("saved");
      model.save(saved);
      try (DeployableModel again = DeployableModel.load(saved)) {
        assertThat(again.fingerprint()).isEqualTo(model.fingerprint());
        check(again, golden, expected);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bert",
        "bert_masked",
        "bert_classifier",
        "roberta",
        "roberta_masked",
        "roberta_classifier",
        "distilbert",
        "distilbert_masked",
        "distilbert_classifier"
      })
  void encoder_answersAsTransformersDoes(String name, @TempDir Path temporary) throws IOException {
    Path directory = golden(name);
    JsonObject golden = json(directory);
    SafeTensors expected = SafeTensors.open(directory.resolve("golden.safetensors"));
    try (DeployableModel model = Checkpoint.of(directory).open()) {
      checkEncoder(model, golden, expected);
      Path saved = temporary.resolve("saved");
      model.save(saved);
      try (DeployableModel again = DeployableModel.load(saved)) {
        assertThat(again.fingerprint()).isEqualTo(model.fingerprint());
        assertThat(again.classNames()).isEqualTo(model.classNames());
        checkEncoder(again, golden, expected);
      }
    }
  }

  private static void checkEncoder(DeployableModel model, JsonObject golden, SafeTensors expected) {
    JsonObject batch = golden.getAsJsonObject("batch");
    int[][] mask = rows(batch.getAsJsonArray("attention_mask"));
    boolean scores = expected.entries().containsKey("batch.logits");
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Signals signals =
          model
              .model()
              .forward(
                  inputs(manager, rows(batch.getAsJsonArray("input_ids")), mask),
                  scores
                      ? Set.of(SignalKind.LOGITS)
                      : Set.of(SignalKind.HIDDEN_STATES, SignalKind.EMBEDDING),
                  false);
      if (scores) {
        float[] logits = signals.logits().toFloatArray();
        boolean ofTokens = signals.logits().getShape().dimension() == 3;
        close(
            "logits", ofTokens ? unmasked(logits, mask) : logits, expected.tensor("batch.logits"));
        return;
      }
      for (int i = 0; i < signals.layerCount(); i++) {
        close(
            "hidden state " + i,
            unmasked(signals.hiddenStates().get(i).toFloatArray(), mask),
            expected.tensor("batch.hidden_states." + (i + 1)));
      }
      if (expected.entries().containsKey("batch.pooled")) {
        close("pooled", signals.embedding().toFloatArray(), expected.tensor("batch.pooled"));
      }
    }
  }

  private static void check(DeployableModel model, JsonObject golden, SafeTensors expected) {
    JsonObject single = golden.getAsJsonObject("single");
    int[] ids = ints(single.getAsJsonArray("input_ids"));
    ScriptedModel scripted = (ScriptedModel) model.model();
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Signals signals =
          scripted.forward(
              inputs(manager, new int[][] {ids}, null),
              Set.of(SignalKind.LOGITS, SignalKind.HIDDEN_STATES),
              false);
      close("logits", signals.logits().toFloatArray(), expected.tensor("single.logits"));
      // transformers lists the embeddings first, and the last one after the final norm
      for (int i = 0; i + 1 < signals.layerCount(); i++) {
        close(
            "hidden state " + i,
            signals.hiddenStates().get(i).toFloatArray(),
            expected.tensor("single.hidden_states." + (i + 1)));
      }
      JsonObject batch = golden.getAsJsonObject("batch");
      int[][] rows = rows(batch.getAsJsonArray("input_ids"));
      int[][] mask = rows(batch.getAsJsonArray("attention_mask"));
      float[] all =
          scripted
              .forward(inputs(manager, rows, mask), Set.of(SignalKind.LOGITS), false)
              .logits()
              .toFloatArray();
      close("batch", unmasked(all, mask), expected.tensor("batch.logits"));
      int[] wanted = ints(single.getAsJsonArray("greedy"));
      assertThat(greedy(scripted, new int[][] {ids}, wanted.length)[0]).isEqualTo(wanted);
      int[][] prompts = prompts(rows, mask);
      int[][] continued = rows(batch.getAsJsonArray("greedy"));
      int[][] written = greedy(scripted, prompts, continued[0].length);
      for (int i = 0; i < prompts.length; i++) {
        assertThat(written[i]).as("row %s", i).isEqualTo(continued[i]);
      }
    }
  }

  private static int[][] greedy(ScriptedModel model, int[][] prompts, int count) {
    int longest = 0;
    for (int[] prompt : prompts) {
      longest = Math.max(longest, prompt.length);
    }
    int[][] written = new int[prompts.length][count];
    try (DecodingSession session = model.decode(prompts.length, longest + count)) {
      float[][] logits = session.begin(prompts);
      for (int i = 0; i < count; i++) {
        int[] next = new int[prompts.length];
        for (int row = 0; row < next.length; row++) {
          next[row] = DeployableModel.indexOfMaximum(logits[row]);
          written[row][i] = next[row];
        }
        if (i + 1 < count) {
          logits = session.next(next);
        }
      }
    }
    return written;
  }

  private static int[][] prompts(int[][] rows, int[][] mask) {
    int[][] prompts = new int[rows.length][];
    for (int i = 0; i < rows.length; i++) {
      List<Integer> kept = new ArrayList<>();
      for (int j = 0; j < rows[i].length; j++) {
        if (mask[i][j] != 0) {
          kept.add(rows[i][j]);
        }
      }
      prompts[i] = kept.stream().mapToInt(Integer::intValue).toArray();
    }
    return prompts;
  }

  private static float[] unmasked(float[] all, int[][] mask) {
    int width = all.length / (mask.length * mask[0].length);
    List<Float> kept = new ArrayList<>();
    for (int i = 0; i < mask.length; i++) {
      for (int j = 0; j < mask[i].length; j++) {
        for (int k = 0; mask[i][j] != 0 && k < width; k++) {
          kept.add(all[(i * mask[i].length + j) * width + k]);
        }
      }
    }
    float[] values = new float[kept.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = kept.get(i);
    }
    return values;
  }

  private static int[][] rows(JsonArray array) {
    int[][] rows = new int[array.size()][];
    for (int i = 0; i < rows.length; i++) {
      rows[i] = ints(array.get(i).getAsJsonArray());
    }
    return rows;
  }

  private static NDList inputs(NDManager manager, int[][] rows, int[][] mask) {
    long[] ids = new long[rows.length * rows[0].length];
    long[] shown = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      int row = i / rows[0].length;
      int column = i % rows[0].length;
      ids[i] = rows[row][column];
      shown[i] = mask == null ? 1 : mask[row][column];
    }
    Shape shape = new Shape(rows.length, rows[0].length);
    return new NDList(manager.create(ids, shape), manager.create(shown, shape));
  }

  private static void close(String what, float[] values, HostTensor expected) {
    float[] wanted = expected.toFloatArray();
    assertThat(values).as(what).hasSameSizeAs(wanted);
    double worst = 0;
    for (int i = 0; i < wanted.length; i++) {
      worst = Math.max(worst, Math.abs(values[i] - wanted[i]));
    }
    assertThat(worst).as(what).isCloseTo(0, within(TOLERANCE));
  }
}
