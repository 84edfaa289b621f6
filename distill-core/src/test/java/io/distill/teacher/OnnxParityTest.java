package io.distill.teacher;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import com.google.common.collect.Lists;
import io.distill.data.Batch;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The real all-MiniLM-L6-v2 in this library's encoder against ONNX Runtime on the same file. */
class OnnxParityTest {

  private static final int WIDTH = 384;
  private static final String[] WORDS = {
    "the",
    "invoice",
    "is",
    "attached",
    "please",
    "refund",
    "order",
    "of",
    "my",
    "unhappiness",
    "meeting",
    "tomorrow",
    "Zürich",
    "naïve",
    "extraordinarily",
    "password",
    "reset",
    "a",
    "we"
  };

  private static OrtSession session;
  private static ModelTeacher teacher;
  private static Tokenizer tokenizer;

  @BeforeAll
  static void open() throws IOException, OrtException {
    byte[] onnx = resource("/all-minilm-l6-v2.onnx");
    tokenizer =
        Tokenizer.parse(new ByteArrayInputStream(resource("/all-minilm-l6-v2-tokenizer.json")))
            .withMaxLength(512);
    teacher = Teacher.onnxSentenceEncoder(new ByteArrayInputStream(onnx), tokenizer);
    OrtSession.SessionOptions options = new OrtSession.SessionOptions();
    options.setIntraOpNumThreads(2);
    session = OrtEnvironment.getEnvironment().createSession(onnx, options);
  }

  @AfterAll
  static void close() throws OrtException {
    teacher.close();
    session.close();
  }

  private static byte[] resource(String name) throws IOException {
    try (InputStream stream = requireNonNull(OnnxParityTest.class.getResourceAsStream(name))) {
      return stream.readAllBytes();
    }
  }

  /** 200 different texts; the same in every run. */
  static List<String> sentences() {
    Set<String> texts = new LinkedHashSet<>();
    texts.add("");
    texts.add("hello");
    texts.add("?");
    texts.add("🙂🚀 great 👍🏽 👨‍👩‍👧");
    texts.add("أين طلبي؟ لم يصل بعد");
    texts.add("我的订单还没有到");
    texts.add("ご注文ありがとうございます");
    texts.add("PLEASE ANSWER AT ONCE");
    texts.add("12345 6.78 -9e10 ２０２４ ½");
    texts.add("mixed العربية and 中文 and 🙂 and 42");
    texts.add("tab\tnew\nline\u0000zero\u200bwidth");
    texts.add("[MASK] [SEP] unbelievablyunbreakablelongwordwithoutanyspacesinit");
    texts.add("x".repeat(150));
    texts.add("word ".repeat(700));
    SplittableRandom random = new SplittableRandom(7);
    while (texts.size() < 200) {
      int length = texts.size() % 25 == 0 ? 60 + random.nextInt(60) : 1 + random.nextInt(18);
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < length; i++) {
        String word = WORDS[random.nextInt(WORDS.length)];
        text.append(
            switch (random.nextInt(8)) {
              case 0 -> word.toUpperCase(Locale.ROOT);
              case 1 -> Integer.toString(random.nextInt(100_000));
              case 2 -> word + ".,;!?".charAt(random.nextInt(5));
              default -> word;
            });
        text.append(' ');
      }
      texts.add(text.toString().strip());
    }
    return List.copyOf(texts);
  }

  @Test
  void sentences_coverWhatTheyAreMeantTo() {
    List<String> texts = sentences();
    assertThat(texts).hasSize(200).doesNotHaveDuplicates();
    List<Integer> lengths = texts.stream().map(text -> tokenizer.encode(text).length).toList();
    assertThat(lengths).contains(2, 3, 512);
    assertThat(lengths.stream().distinct().count()).isGreaterThan(20);
  }

  @Test
  void embeddings_of200Sentences_equalOnnxRuntimes() throws OrtException {
    List<int[]> all = new ArrayList<>(sentences().stream().map(tokenizer::encode).toList());
    // the first ones stay as they are: very long beside very short
    all.subList(32, all.size()).sort(Comparator.comparingInt(ids -> ids.length));
    for (List<int[]> ids : Lists.partition(all, 16)) {
      float[][][] hidden = onnxRuntime(ids);
      try (NDManager manager = NativeEngine.newManager(teacher.device())) {
        NDArray embeddings =
            teacher.signals(batch(manager, ids), Set.of(SignalKind.EMBEDDING)).embedding();
        float[] flat = embeddings.toFloatArray();
        for (int i = 0; i < ids.size(); i++) {
          float[] ours = Arrays.copyOfRange(flat, i * WIDTH, (i + 1) * WIDTH);
          assertThat(cosine(ours, pooled(hidden[i], ids.get(i).length)))
              .as("cosine of %s", Arrays.toString(ids.get(i)))
              .isGreaterThanOrEqualTo(0.99999);
          assertThat(norm(ours)).isCloseTo(1, within(1e-5));
        }
      }
    }
  }

  @Test
  void lastHiddenState_ofOnePaddedBatch_equalsOnnxRuntimes() throws OrtException {
    List<String> texts = new ArrayList<>(sentences().subList(0, 13));
    texts.add("word ".repeat(90));
    List<int[]> ids = texts.stream().map(tokenizer::encode).toList();
    float[][][] expected = onnxRuntime(ids);
    try (NDManager manager = NativeEngine.newManager(teacher.device())) {
      Signals signals = teacher.signals(batch(manager, ids), Set.of(SignalKind.HIDDEN_STATES));
      assertThat(signals.hiddenStates()).hasSize(6);
      float[] last = signals.hiddenStates().get(5).toFloatArray();
      int length = longest(ids);
      assertThat(last).hasSize(ids.size() * length * WIDTH);
      double worst = 0;
      for (int row = 0; row < ids.size(); row++) {
        for (int token = 0; token < ids.get(row).length; token++) {
          for (int i = 0; i < WIDTH; i++) {
            float ours = last[(row * length + token) * WIDTH + i];
            worst = Math.max(worst, Math.abs(ours - expected[row][token][i]));
          }
        }
      }
      assertThat(worst).isLessThan(1e-4);
    }
  }

  @Test
  void embedding_ofOneText_doesNotDependOnItsBatch() {
    float[][] together =
        teacher.model().embeddings(dataset(List.of("hello there", "a ".repeat(80))));
    float[][] alone = teacher.model().embeddings(dataset(List.of("hello there")));
    assertThat(alone[0]).usingComparatorWithPrecision(1e-5f).containsExactly(together[0]);
  }

  @Test
  void tokenizer_ofAnotherModel_isRefused() throws IOException {
    String json =
        new String(
                resource("/all-minilm-l6-v2-tokenizer.json"),
                java.nio.charset.StandardCharsets.UTF_8)
            .replaceFirst("\"\\[PAD\\]\": ?0", "\"[PAD]\":0,\"zzzz\":30522");
    Tokenizer larger = Tokenizer.parse(json);
    assertThatThrownBy(
            () ->
                Teacher.onnxSentenceEncoder(
                    new ByteArrayInputStream(resource("/all-minilm-l6-v2.onnx")), larger))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "tokenizer must have at most the 30522 word pieces of the model but has 30523; use the"
                + " tokenizer.json that belongs to the model");
  }

  private static TextDataset dataset(List<String> texts) {
    return TextDataset.of(texts.stream().map(TextExample::unlabelled).toList());
  }

  private static int longest(List<int[]> rows) {
    return rows.stream().mapToInt(row -> row.length).max().orElseThrow();
  }

  private static void fill(List<int[]> rows, long[][] ids, long[][] mask) {
    for (int row = 0; row < ids.length; row++) {
      for (int i = 0; i < rows.get(row).length; i++) {
        ids[row][i] = rows.get(row)[i];
        mask[row][i] = 1;
      }
    }
  }

  /** By hand, because data sets take no empty text. */
  private static Batch batch(NDManager manager, List<int[]> rows) {
    long[][] ids = new long[rows.size()][longest(rows)];
    long[][] mask = new long[rows.size()][longest(rows)];
    fill(rows, ids, mask);
    int[] numbers = IntStream.range(0, ids.length).toArray();
    List<String> names = Arrays.stream(numbers).mapToObj(Integer::toString).toList();
    return new Batch(
        new NDList(manager.create(ids), manager.create(mask)), numbers, names, List.of());
  }

  private static float[][][] onnxRuntime(List<int[]> rows) throws OrtException {
    int length = longest(rows);
    long[][] ids = new long[rows.size()][length];
    long[][] mask = new long[rows.size()][length];
    fill(rows, ids, mask);
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OnnxTensor idTensor = OnnxTensor.createTensor(environment, ids);
        OnnxTensor maskTensor = OnnxTensor.createTensor(environment, mask);
        OnnxTensor types = OnnxTensor.createTensor(environment, new long[ids.length][length]);
        OrtSession.Result result =
            session.run(
                Map.of(
                    "input_ids",
                    idTensor,
                    "attention_mask",
                    maskTensor,
                    "token_type_ids",
                    types))) {
      return (float[][][]) result.get(0).getValue();
    }
  }

  private static double[] pooled(float[][] hidden, int tokens) {
    double[] mean = new double[WIDTH];
    for (int token = 0; token < tokens; token++) {
      for (int i = 0; i < WIDTH; i++) {
        mean[i] += hidden[token][i] / (double) tokens;
      }
    }
    return mean;
  }

  private static double cosine(float[] a, double[] b) {
    double product = 0;
    double square = 0;
    for (int i = 0; i < a.length; i++) {
      product += a[i] * b[i];
      square += b[i] * b[i];
    }
    return product / (norm(a) * Math.sqrt(square));
  }

  private static double norm(float[] a) {
    double square = 0;
    for (float value : a) {
      square += (double) value * value;
    }
    return Math.sqrt(square);
  }
}
