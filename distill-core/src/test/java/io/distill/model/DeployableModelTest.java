package io.distill.model;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.huggingface.translator.TextClassificationTranslatorFactory;
import ai.djl.inference.Predictor;
import ai.djl.modality.Classifications;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.DeferredTranslatorFactory;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel.Classification;
import io.distill.torchscript.HostTensor;
import io.distill.torchscript.TorchScriptArchive;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class DeployableModelTest {

  private static final List<String> CLASSES = List.of("refund", "thänks \"1\"", "other");
  private static final Tokenizer TOKENIZER = tokenizer();

  @TempDir Path temporary;
  private Path directory;

  @BeforeEach
  void name() {
    directory = temporary.resolve("student");
  }

  private static Tokenizer tokenizer() {
    try (InputStream stream =
        requireNonNull(
            DeployableModelTest.class.getResourceAsStream(
                "/io/distill/data/small-tokenizer.json"))) {
      return Tokenizer.parse(stream).withMaxLength(12);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  static List<ModelConfiguration> configurations() {
    int pieces = TOKENIZER.vocabularySize();
    return List.of(
        new BagOfEmbeddings(pieces, 8, 16, Activation.RELU, 0.3, 0.3, 3),
        new TransformerEncoder(
            pieces, 12, 1, 12, 2, 3, 20, Activation.GELU, 1e-12, 0.1, Pooling.MEAN, false, 3));
  }

  /** Weights large enough, and biases small enough, that answers differ. */
  private static DeployableModel open(ModelConfiguration configuration) {
    Map<String, HostTensor> weights = new LinkedHashMap<>();
    configuration
        .initialWeights(9)
        .forEach(
            (name, tensor) -> {
              float[] values = tensor.toFloatArray();
              for (int i = 0; i < values.length && !name.contains("LayerNorm"); i++) {
                values[i] *= name.endsWith("bias") ? 0 : 5;
              }
              weights.put(name, HostTensor.of(values, tensor.shape().getShape()));
            });
    return new DeployableModel(
        ScriptedModel.open(configuration, weights, Device.cpu(), true), TOKENIZER, CLASSES);
  }

  private static TextDataset rows(String... texts) {
    return TextDataset.of(Arrays.stream(texts).map(TextExample::unlabelled).toList());
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void classify_ofAText_isTheSoftmaxOfItsLogits(ModelConfiguration configuration) {
    try (DeployableModel model = open(configuration)) {
      String[] texts = {"pay me back", "THANK you 42", "zzz"};
      float[][] together = model.logits(rows(texts));
      int[] predicted = model.predict(rows(texts));
      for (int row = 0; row < texts.length; row++) {
        Classification answer = model.classify(texts[row]);
        float[] logits = model.logits(texts[row]);
        assertThat(together[row]).usingComparatorWithPrecision(1e-5f).containsExactly(logits);
        double sum = 0;
        double largest = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
          sum += Math.exp(logit);
          largest = Math.max(largest, logit);
        }
        assertThat(answer.probability()).isCloseTo(Math.exp(largest) / sum, within(1e-9));
        assertThat(answer.probability()).isBetween(1 / 3.0, 1.0);
        assertThat(answer.logits()).hasSize(3).contains((float) largest);
        assertThat(answer.label()).isEqualTo(CLASSES.get(predicted[row]));
        assertThat(logits[predicted[row]]).isEqualTo((float) largest);
        assertThat(model.logits(TOKENIZER.encode(texts[row]))).containsExactly(logits);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void model_savedAndLoaded_isTheSame(ModelConfiguration configuration) {
    TextDataset rows = rows("one", "two three", "a much longer row that is cut off");
    try (DeployableModel model = open(configuration)) {
      model.save(directory);
      model.save(directory);
      try (DeployableModel loaded = DeployableModel.load(directory)) {
        assertThat(loaded.logits(rows)).isDeepEqualTo(model.logits(rows));
        assertThat(loaded.embeddings(rows)).isDeepEqualTo(model.embeddings(rows));
        assertThat(loaded.classNames()).isEqualTo(CLASSES);
        assertThat(loaded.tokenizer())
            .hasValueSatisfying(
                tokenizer -> assertThat(tokenizer.json()).isEqualTo(TOKENIZER.json()));
        assertThat(loaded.parameterCount()).isEqualTo(model.parameterCount()).isPositive();
        assertThat(loaded.model().configuration()).contains(configuration);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("configurations")
  void directory_servedByPlainDjl_answersTheSame(ModelConfiguration configuration)
      throws Exception {
    List<String> texts =
        List.of(
            "pay me back",
            "thank YOU",
            "",
            "🙂 x",
            "w ".repeat(40),
            "12 3.4 (really?)",
            "a",
            "b",
            "c",
            "m",
            "q q q",
            "Z",
            "7",
            "why",
            "n",
            "o",
            "k",
            "u",
            "e e",
            "1 2 3");
    try (DeployableModel model = open(configuration)) {
      model.save(directory);
      assertThat(texts.stream().map(text -> model.classify(text).label()).distinct().count())
          .isGreaterThan(1);
      Criteria.Builder<String, Classifications> byProperties =
          Criteria.builder()
              .setTypes(String.class, Classifications.class)
              .optModelPath(directory)
              .optTranslatorFactory(new DeferredTranslatorFactory());
      serve(byProperties.build(), model, texts);
      Criteria.Builder<String, Classifications> byFactory =
          Criteria.builder()
              .setTypes(String.class, Classifications.class)
              .optModelPath(directory)
              .optModelName("model")
              .optTranslatorFactory(new TextClassificationTranslatorFactory());
      serve(byFactory.build(), model, texts);
    }
  }

  private static void serve(
      Criteria<String, Classifications> criteria, DeployableModel model, List<String> texts)
      throws Exception {
    try (ZooModel<String, Classifications> served = criteria.loadModel();
        Predictor<String, Classifications> predictor = served.newPredictor()) {
      List<Classifications> batch = predictor.batchPredict(texts);
      for (int i = 0; i < texts.size(); i++) {
        Classification expected = model.classify(texts.get(i));
        for (Classifications answer : List.of(predictor.predict(texts.get(i)), batch.get(i))) {
          assertThat(answer.best().getClassName()).isEqualTo(expected.label());
          assertThat(answer.best().getProbability())
              .isCloseTo(expected.probability(), within(1e-5));
        }
      }
    }
  }

  @Test
  void files_ofASavedModel_areTheDocumentedOnes() throws IOException {
    saveBag();
    try (Stream<Path> files = Files.list(directory)) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .containsExactlyInAnyOrder(
              "model.pt", "tokenizer.json", "config.json", "serving.properties");
    }
    JsonObject config =
        JsonParser.parseString(Files.readString(directory.resolve("config.json")))
            .getAsJsonObject();
    assertThat(config.getAsJsonObject("id2label").get("1").getAsString()).isEqualTo(CLASSES.get(1));
    assertThat(config.getAsJsonObject("label2id").get("other").getAsInt()).isEqualTo(2);
    try (Stream<Path> files = Files.list(temporary)) {
      assertThat(files).containsExactly(directory);
    }
  }

  @Test
  void save_overAForeignDirectory_isRefused() throws IOException {
    Files.createDirectories(directory);
    Files.writeString(directory.resolve("letters.txt"), "dear");
    try (DeployableModel model = open(configurations().get(0))) {
      assertThatThrownBy(() -> model.save(directory))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "output directory must be new, empty, or one that was saved before (with a file"
                  + " 'config.json') but was "
                  + directory
                  + "; choose another directory");
    }
    assertThat(directory).isDirectoryContaining("glob:**letters.txt");
  }

  @Test
  void load_ofADirectoryThatIsMissing_isRefused() {
    refused()
        .hasMessage("model directory must exist but " + directory + " does not; check the path");
  }

  @Test
  void load_withoutAFile_namesIt() throws IOException {
    saveBag();
    Files.delete(directory.resolve("config.json"));
    refused()
        .hasMessage(
            "configuration file must exist but "
                + directory.resolve("config.json")
                + " does not; give a directory that DeployableModel.save wrote, or a Hugging Face"
                + " checkpoint");
    saveAgain();
    Files.delete(directory.resolve("tokenizer.json"));
    refused()
        .hasMessage(
            "tokenizer must be a tokenizer.json or a directory that has one but "
                + directory.resolve("tokenizer.json")
                + " does not exist");
    saveAgain();
    Files.delete(directory.resolve("model.pt"));
    refused()
        .hasMessage(
            "model directory must have a file model.pt but "
                + directory
                + " has none; give a directory that DeployableModel.save wrote");
  }

  @Test
  void load_ofATruncatedModel_isRefused() throws IOException {
    saveBag();
    Path file = directory.resolve("model.pt");
    byte[] whole = Files.readAllBytes(file);
    for (int length : new int[] {0, 10, whole.length / 2, whole.length - 1}) {
      Files.write(file, Arrays.copyOf(whole, length));
      refused()
          .hasMessageStartingWith(
              "TorchScript file "
                  + file
                  + " must be an undamaged archive written by this library but could not be read (");
    }
  }

  @Test
  void load_ofABrokenConfiguration_isRefused() throws IOException {
    saveBag();
    Path file = directory.resolve("config.json");
    for (String broken :
        List.of(
            "{\"distill\": {}, \"id2label\": {\"0\": \"a\", \"2\": \"b\", \"3\": \"c\"}}",
            "{\"distill\": {}, \"id2label\": {\"0\": null}}",
            "{\"distill\": {}, \"id2label\": []}",
            "[]",
            "{\"id2label\"",
            "")) {
      Files.writeString(file, broken);
      refused()
          .as(broken)
          .hasMessageStartingWith(
              "configuration file "
                  + file
                  + (broken.endsWith("}")
                      ? " must be JSON with id2label from \"0\" on but could not be read ("
                      : " must be "))
          .hasMessageMatching(".*; (save the model again|use a file that is whole)");
    }
    Files.write(file, new byte[] {'{', (byte) 0xff, '}'});
    refused()
        .hasMessage(
            "configuration file " + file + " must be UTF-8 but is not; use a file that is whole");
    Files.writeString(file, "{\"id2label\": {\"0\": \"a\", \"1\": \"b\"}, \"distill\": {}}");
    refused()
        .hasMessage(
            "config.json in "
                + directory
                + " must name the 3 classes of the model but names 2; save the model again");
  }

  @Test
  void load_ofABrokenTokenizer_isRefused() throws IOException {
    saveBag();
    Path file = directory.resolve("tokenizer.json");
    Files.writeString(file, "{\"model\": ");
    refused().hasMessageStartingWith("tokenizer " + file + " must be JSON but is not (");
    Files.writeString(file, "{}");
    refused().hasMessageContaining(" must be a JSON object with a 'model' object but was not");
  }

  @Test
  void load_withTheTokenizerOfALargerModel_isRefused() throws IOException {
    saveBag();
    String json = TOKENIZER.json().replaceFirst("\"\\[PAD\\]\": ?0", "\"[PAD]\":0,\"qqqq\":9999");
    Files.writeString(directory.resolve("tokenizer.json"), json);
    refused()
        .hasMessage(
            "tokenizer.json in "
                + directory
                + " must have at most the "
                + TOKENIZER.vocabularySize()
                + " word pieces of the model but has 10000; use the file that was saved with the"
                + " model");
  }

  @Test
  void load_ofWeightsThatAreNoNumbers_namesTheWeight() throws IOException {
    saveBag();
    ModelConfiguration bag = configurations().get(0);
    Map<String, HostTensor> weights = new LinkedHashMap<>(bag.initialWeights(1));
    float[] hidden = requireNonNull(weights.get("hidden.bias")).toFloatArray();
    hidden[3] = Float.NaN;
    weights.put("hidden.bias", HostTensor.of(hidden, hidden.length));
    new TorchScriptArchive(bag.module(weights), Map.of("distill.json", bag.toJson().toString()))
        .write(directory.resolve("model.pt"));
    refused()
        .hasMessage(
            "model file "
                + directory.resolve("model.pt")
                + " is refused: weight hidden.bias must be finite but element 3 is NaN; use a model file from before"
                + " the training diverged");
  }

  @Test
  void load_ofAModelOfAnotherOrigin_isRefused() throws IOException {
    saveBag();
    ModelConfiguration bag = configurations().get(0);
    Path file = directory.resolve("model.pt");
    new TorchScriptArchive(bag.module(bag.initialWeights(1))).write(file);
    refused()
        .hasMessage(
            "TorchScript file "
                + file
                + " must be a model saved by this library but has no distill.json; load a foreign"
                + " one with trustedTorchScript(...)");
    new TorchScriptArchive(bag.module(bag.initialWeights(1)), Map.of("distill.json", "[1]"))
        .write(file);
    refused()
        .hasMessage(
            "configuration in "
                + file
                + " must be a JSON object but is another value; use a file that is whole");
  }

  @Test
  void load_withoutClassNames_answersWithIndices() {
    ModelConfiguration bag = configurations().get(0);
    try (DeployableModel model =
        new DeployableModel(
            ScriptedModel.open(bag, bag.initialWeights(1), Device.cpu(), false),
            TOKENIZER,
            List.of())) {
      model.save(directory);
    }
    try (DeployableModel loaded = DeployableModel.load(directory)) {
      assertThat(loaded.classNames()).isEmpty();
      assertThat(loaded.classify("x").label()).isIn("0", "1", "2");
    }
  }

  @Test
  void classify_withoutATokenizer_isRefused() {
    ModelConfiguration bag = configurations().get(0);
    try (DeployableModel model =
        new DeployableModel(
            ScriptedModel.open(bag, bag.initialWeights(1), Device.cpu(), false), null, CLASSES)) {
      assertThatThrownBy(() -> model.classify("text"))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "model must have a tokenizer to read text but has none; give it one when it is built");
      model.save(directory);
    }
    try (DeployableModel loaded = DeployableModel.load(directory)) {
      assertThat(loaded.tokenizer()).isEmpty();
      assertThat(loaded.logits(new int[] {5, 6})).hasSize(3);
    }
  }

  @Test
  void signals_thatTheModelLacks_areRefused() {
    ModelConfiguration bag = configurations().get(0).withClasses(0);
    try (DeployableModel model =
        new DeployableModel(
            ScriptedModel.open(bag, bag.initialWeights(1), Device.cpu(), false),
            TOKENIZER,
            List.of())) {
      assertThatThrownBy(() -> model.classify("text"))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "signals must be among [EMBEDDING, HIDDEN_STATES] for BagOfEmbeddings but [LOGITS]"
                  + " were asked for; use another loss or another model");
    }
  }

  @Test
  void logits_thatAreNotFinite_areRefusedWithTheirRow() {
    ModelConfiguration bag = configurations().get(0);
    Map<String, HostTensor> weights = new LinkedHashMap<>(bag.initialWeights(1));
    weights.put("classifier.bias", HostTensor.of(new float[] {3e38f, 0, 0}, 3));
    float[] large = new float[3 * 16];
    Arrays.fill(large, 3e38f);
    weights.put("classifier.weight", HostTensor.of(large, 3, 16));
    float[] ones = new float[16];
    Arrays.fill(ones, 1);
    weights.put("hidden.bias", HostTensor.of(ones, 16));
    try (DeployableModel model =
        new DeployableModel(
            ScriptedModel.open(bag, weights, Device.cpu(), false), TOKENIZER, CLASSES)) {
      assertThatThrownBy(() -> model.predict(rows("text")))
          .isInstanceOf(DistillationException.class)
          .hasMessage(
              "LOGITS must be finite but row 0 has Infinity; check the model's weights and this"
                  + " row");
    }
  }

  private void saveBag() throws IOException {
    try (DeployableModel model = open(configurations().get(0))) {
      model.save(directory);
    }
    assertThat(Files.readString(directory.resolve("config.json"), StandardCharsets.UTF_8))
        .contains("id2label");
  }

  private void saveAgain() throws IOException {
    io.distill.internal.AtomicFiles.deleteQuietly(directory);
    saveBag();
  }

  private AbstractThrowableAssert<?, ? extends Throwable> refused() {
    return assertThatThrownBy(() -> DeployableModel.load(directory))
        .isInstanceOf(DistillationException.class);
  }
}
