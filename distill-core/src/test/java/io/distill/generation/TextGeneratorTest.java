package io.distill.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatMessage;
import io.distill.huggingface.Checkpoint;
import io.distill.huggingface.CheckpointFiles;
import io.distill.model.DeployableModel;
import io.distill.model.MultilayerPerceptron;
import io.distill.model.ScriptedModel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class TextGeneratorTest {

  private static final int VOCABULARY = 96;

  private DeployableModel model;
  private TextGenerator generator;
  private JsonObject golden;

  @BeforeEach
  void open() throws Exception {
    Path directory =
        Path.of(Checkpoint.class.getResource("golden/llama/config.json").toURI()).getParent();
    golden =
        JsonParser.parseString(Files.readString(directory.resolve("golden.json")))
            .getAsJsonObject()
            .getAsJsonObject("single");
    DeployableModel loaded = DeployableModel.load(directory);
    model =
        new DeployableModel(loaded.model(), words(), List.of())
            .withWriter(loaded.writer().orElseThrow());
    generator = TextGenerator.of(model);
  }

  @AfterEach
  void close() {
    model.close();
  }

  /** A token is a letter and a number; ids are the numbers. */
  private static Tokenizer words() {
    String vocabulary =
        IntStream.range(0, VOCABULARY)
            .mapToObj(i -> "\"w" + i + "\": " + i)
            .collect(Collectors.joining(", "));
    return Tokenizer.parse(
        """
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
         "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
         "post_processor": null, "decoder": null,
         "model": {"type": "WordLevel", "unk_token": "w0", "vocab": {%s}}}
        """
            .formatted(vocabulary));
  }

  private int[] prompt() {
    return golden.getAsJsonArray("input_ids").asList().stream()
        .mapToInt(each -> each.getAsInt())
        .toArray();
  }

  private List<Integer> continuation() {
    return golden.getAsJsonArray("greedy").asList().stream().map(each -> each.getAsInt()).toList();
  }

  private static GenerationOptions.Builder options(int tokens) {
    return GenerationOptions.builder().maxNewTokens(tokens).ignoreEnd(true);
  }

  @Test
  void greedy_isWhatTransformersWrites_withItsLogProbabilities() {
    int count = continuation().size();
    Generation written =
        generator
            .continueTokens(List.of(prompt()), options(count).logProbabilities(true).build())
            .get(0);
    assertThat(written.tokenIds()).isEqualTo(continuation());
    assertThat(written.end()).isEqualTo(Generation.End.LENGTH);
    assertThat(written.promptTokens()).isEqualTo(prompt().length);
    List<Double> expected =
        golden.getAsJsonArray("greedy_log_probabilities").asList().stream()
            .map(each -> each.getAsDouble())
            .toList();
    for (int i = 0; i < count; i++) {
      assertThat(written.logProbabilities().get(i)).isCloseTo(expected.get(i), within(1e-4));
    }
    assertThat(written.logProbability())
        .isCloseTo(expected.stream().mapToDouble(each -> each).sum(), within(1e-3));
    assertThat(written.text())
        .isEqualTo(continuation().stream().map(id -> "w" + id).collect(Collectors.joining(" ")));
  }

  @Test
  void endToken_endsAndIsNotText() {
    int end = continuation().get(3);
    Generation written =
        generator.continueTokens(List.of(prompt()), options(20).endId(end).build()).get(0);
    assertThat(written.end()).isEqualTo(Generation.End.END_TOKEN);
    int first = continuation().indexOf(end);
    assertThat(written.tokenIds()).isEqualTo(continuation().subList(0, first + 1));
    assertThat(written.text()).doesNotContain("w" + end);
  }

  @Test
  void stopString_acrossTokens_isCutOffAndNeverTold() {
    // the end of one token and the beginning of another
    String whole = continuation().stream().map(id -> "w" + id).collect(Collectors.joining(" "));
    String stop = whole.substring(whole.indexOf("w", 1) + 1, whole.indexOf("w", 1) + 5);
    StringBuilder told = new StringBuilder();
    Generation written =
        generator
            .continueTokens(
                List.of(prompt()),
                new long[] {1},
                options(20).stopStrings("never said", stop).build(),
                (row, piece) -> told.append(piece))
            .get(0);
    assertThat(written.end()).isEqualTo(Generation.End.STOP_STRING);
    assertThat(written.text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
    assertThat(told).hasToString(written.text());
  }

  @Test
  void listener_isToldAllPieces() {
    Map<Integer, StringBuilder> told = new LinkedHashMap<>();
    List<Generation> written =
        generator.continueTokens(
            List.of(prompt(), new int[] {5, 6}),
            new long[] {1, 2},
            options(9).build(),
            (row, piece) -> told.computeIfAbsent(row, r -> new StringBuilder()).append(piece));
    assertThat(told.get(0)).hasToString(written.get(0).text());
    assertThat(told.get(1)).hasToString(written.get(1).text());
  }

  @Test
  void batch_ofRowsThatEndAtDifferentTimes_isEachRowAlone() {
    List<int[]> prompts = new ArrayList<>();
    for (int i = 0; i < 11; i++) {
      prompts.add(Arrays.copyOfRange(prompt(), i, i + 2 + i % 7));
    }
    // tokens that some rows write early and others late or never
    GenerationOptions.Builder builder = options(25).endId(90).endId(80).endId(3).endId(24);
    List<Generation> together = generator.continueTokens(prompts, builder.build());
    List<Generation> few = generator.continueTokens(prompts, builder.batchSize(3).build());
    assertThat(few).isEqualTo(together);
    for (int i = 0; i < prompts.size(); i++) {
      assertThat(generator.continueTokens(List.of(prompts.get(i)), builder.build()).get(0))
          .as("row %s", i)
          .isEqualTo(together.get(i));
    }
    assertThat(together.stream().map(Generation::end).distinct().count()).isEqualTo(2);
  }

  @Test
  void seeds_decideDraws_rowByRow() {
    GenerationOptions sampled = options(12).temperature(1.5).topK(40).build();
    List<int[]> prompts = List.of(prompt(), new int[] {7});
    long[] seeds = {3, 4};
    List<Generation> once = generator.continueTokens(prompts, seeds, sampled, (row, piece) -> {});
    assertThat(generator.continueTokens(prompts, seeds, sampled, (row, piece) -> {}))
        .isEqualTo(once);
    assertThat(
            generator
                .continueTokens(List.of(new int[] {7}), new long[] {4}, sampled, (row, piece) -> {})
                .get(0))
        .isEqualTo(once.get(1));
    assertThat(generator.continueTokens(prompts, new long[] {5, 6}, sampled, (row, piece) -> {}))
        .isNotEqualTo(once);
  }

  @Test
  void text_isEncodedAndDecoded() {
    Generation written = generator.generate("w13 w59 w42", options(3).build());
    assertThat(written.promptTokens()).isEqualTo(3);
    assertThat(written.tokenIds())
        .isEqualTo(
            generator
                .continueTokens(List.of(new int[] {13, 59, 42}), options(3).build())
                .get(0)
                .tokenIds());
  }

  @Test
  void chat_writesMessagesByTheTemplate() {
    List<ChatMessage> messages = List.of(new ChatMessage("user", "w13 w59"));
    assertThatThrownBy(() -> generator.chat(messages, options(3).build()))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("model must have a chat template");
    CheckpointFiles files =
        CheckpointFiles.of(model)
            .orElseThrow()
            .withChatTemplate(
                "{% for message in messages %}{{ message.content }} {% endfor %}"
                    + "{% if add_generation_prompt %}w42{% endif %}");
    Generation answer =
        TextGenerator.of(model.withWriter(files)).chat(messages, options(3).build());
    assertThat(answer).isEqualTo(generator.generate("w13 w59 w42", options(3).build()));
  }

  @Test
  void context_isNeverExceeded() {
    int[] nearlyFull = new int[60];
    Arrays.fill(nearlyFull, 9);
    Generation written = generator.continueTokens(List.of(nearlyFull), options(50).build()).get(0);
    assertThat(written.tokenIds()).hasSize(4);
    assertThat(written.end()).isEqualTo(Generation.End.LENGTH);
    assertThatThrownBy(() -> generator.continueTokens(List.of(new int[64]), options(1).build()))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("prompt must have 1 to 63 tokens")
        .hasMessageContaining("64");
    assertThatThrownBy(() -> generator.continueTokens(List.of(new int[0]), options(1).build()))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("had 0");
    assertThatThrownBy(() -> generator.continueTokens(List.of(new int[] {96}), options(1).build()))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("between 0 and 95 but one was 96");
  }

  @Test
  void modelThatIsNoLanguageModel_isRefused() {
    MultilayerPerceptron shape =
        new MultilayerPerceptron(2, List.of(3), io.distill.model.Activation.RELU, 0, 2);
    try (DeployableModel other =
        new DeployableModel(
            ScriptedModel.open(shape, shape.initialWeights(1), Device.cpu(), false),
            null,
            List.of())) {
      assertThatThrownBy(() -> TextGenerator.of(other))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("must be a TransformerDecoder")
          .hasMessageContaining("MultilayerPerceptron");
    }
  }

  @Test
  void threads_doNotDisturbEachOther() throws Exception {
    List<Integer> alone =
        generator.continueTokens(List.of(prompt()), options(20).build()).get(0).tokenIds();
    ExecutorService pool = Executors.newFixedThreadPool(3);
    try {
      List<Future<List<Integer>>> all = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        all.add(
            pool.submit(
                () ->
                    generator
                        .continueTokens(List.of(prompt()), options(20).build())
                        .get(0)
                        .tokenIds()));
      }
      for (Future<List<Integer>> each : all) {
        assertThat(each.get()).isEqualTo(alone);
      }
    } finally {
      pool.shutdownNow();
    }
  }

  /** A digest of all weights is dear; only in training do they change. */
  @Test
  void fingerprint_isTakenOnce_unlessTheModelCanBeTrained() throws Exception {
    Path directory =
        Path.of(Checkpoint.class.getResource("golden/llama/config.json").toURI()).getParent();
    assertThat(generator.fingerprint())
        .isEqualTo(model.fingerprint())
        .isSameAs(generator.fingerprint());
    try (DeployableModel trained = DeployableModel.load(directory, Device.cpu(), true)) {
      TextGenerator writer = TextGenerator.of(trained);
      String before = writer.fingerprint();
      NDArray weight = trained.model().parameters().values().iterator().next();
      weight.setRequiresGradient(false);
      weight.muli(2);
      assertThat(writer.fingerprint()).isNotEqualTo(before).isEqualTo(trained.fingerprint());
    }
  }

  @Test
  void options_areChecked() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GenerationOptions.builder().topP(0).build())
        .withMessage("topP must be above 0 and at most 1 but was 0.0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GenerationOptions.builder().temperature(-1).build())
        .withMessageContaining("temperature must be at least 0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GenerationOptions.builder().stopStrings("").build())
        .withMessageContaining("stopStrings");
    GenerationOptions some = options(3).topK(4).minP(0.1).seed(9).stopStrings("x").build();
    assertThat(some.toBuilder().build()).isEqualTo(some);
  }

  @Test
  void recommended_readsTheFile_andRefusesNonsense() {
    JsonObject config =
        JsonParser.parseString(
                "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.95, \"top_k\": 20}")
            .getAsJsonObject();
    GenerationOptions options = GenerationOptions.recommended(config).build();
    assertThat(options.temperature()).isEqualTo(0.6);
    assertThat(options.topP()).isEqualTo(0.95);
    assertThat(options.topK()).isEqualTo(20);
    config.addProperty("top_p", 7);
    assertThatThrownBy(() -> GenerationOptions.recommended(config))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("topP must be above 0");
    config.addProperty("do_sample", false);
    assertThat(GenerationOptions.recommended(config).build().temperature()).isZero();
  }
}
