package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.LambdaBlock;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.pooling.Pool;
import ai.djl.training.dataset.ArrayDataset;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.model.BlockTaps;
import io.distill.student.EncoderStudent;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Students get closer to their teachers under the losses on attention and on maps alone. */
class MapTrainingTest {

  private static final String[] WORDS =
      "the mail is late please refund an invoice over there and send it again to me".split(" ");

  private static DistillationResult teacher;

  private static Tokenizer tokenizer() {
    JsonObject json =
        JsonParser.parseString(
                """
                {"added_tokens": [],
                 "normalizer": {"type": "BertNormalizer", "clean_text": true,
                   "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
                 "pre_tokenizer": {"type": "BertPreTokenizer"},
                 "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3],
                   "cls": ["[CLS]", 2]},
                 "model": {"type": "WordPiece", "unk_token": "[UNK]",
                   "continuing_subword_prefix": "##", "max_input_chars_per_word": 20,
                   "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}}}
                """)
            .getAsJsonObject();
    JsonObject vocabulary = json.getAsJsonObject("model").getAsJsonObject("vocab");
    for (String word : WORDS) {
      vocabulary.addProperty(word, vocabulary.size());
    }
    return Tokenizer.parse(json.toString());
  }

  /** Texts of 1 to 8 words, so that batches hold padding. */
  private static TextDataset texts() {
    List<TextExample> examples = new ArrayList<>();
    for (int i = 0; i < 32; i++) {
      StringBuilder text = new StringBuilder();
      for (int word = 0; word <= i % 8; word++) {
        text.append(WORDS[(i * 7 + word * (1 + i % 5)) % WORDS.length]).append(' ');
      }
      examples.add(TextExample.labelled(text.toString(), i % 2 == 0 ? "even" : "odd"));
    }
    return TextDataset.of(examples);
  }

  private static EncoderStudent.Builder encoder(int layers, int hiddenSize, int heads) {
    return Student.encoder()
        .layers(layers)
        .hiddenSize(hiddenSize)
        .heads(heads)
        .dropout(0)
        .tokenizer(tokenizer());
  }

  @BeforeAll
  static void trainTeacher() {
    teacher =
        Distiller.builder()
            .teacher(Teacher.none())
            .student(encoder(4, 32, 4).build())
            .loss(Losses.hardLabels())
            .optimizer(Optimizer.adamW().withLearningRate(0.01))
            .epochs(8)
            .seed(5)
            .device(Device.cpu())
            .fit(texts());
  }

  @AfterAll
  static void close() {
    teacher.close();
  }

  static Stream<Arguments> textLosses() {
    LayerMapping pairs = LayerMapping.of(new LayerPair(0, 1), new LayerPair(1, 3));
    return Stream.of(
        Arguments.of(Losses.attentionTransfer(), 16, 2),
        Arguments.of(Losses.attentionScoreMse(), 16, 4),
        Arguments.of(Losses.miniLm(), 16, 4),
        Arguments.of(Losses.miniLm().onLayers(pairs), 32, 4),
        Arguments.of(Losses.miniLmV2(), 16, 2),
        Arguments.of(Losses.miniLmV2(8).weighted(2), 16, 2),
        Arguments.of(Losses.fsp(), 32, 2),
        Arguments.of(Losses.neuronSelectivity(), 16, 2));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("textLosses")
  void encoder_getsCloserToADeeperOne(DistillationLoss loss, int hiddenSize, int heads) {
    try (DistillationResult student =
        Distiller.builder()
            .teacher(Teacher.of(teacher.student()))
            .student(encoder(2, hiddenSize, heads).build())
            .loss(loss)
            .optimizer(Optimizer.adamW().withLearningRate(0.01))
            .batchSize(8)
            .gradientAccumulation(2)
            .epochs(10)
            .seed(1)
            .device(Device.cpu())
            .fit(texts())) {
      assertFalls(student);
    }
  }

  private static void assertFalls(DistillationResult result) {
    List<TrainingListener.Epoch> history = result.history();
    assertThat(history.get(9).loss()).isPositive().isLessThan(0.6 * history.get(0).loss());
  }

  static Stream<Arguments> imageLosses() {
    return Stream.of(
        Arguments.of(Losses.attentionTransfer(), 3),
        Arguments.of(Losses.fsp(), 6),
        Arguments.of(Losses.neuronSelectivity(), 3));
  }

  /** Built of DJL blocks, with maps of half the teacher's size. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("imageLosses")
  void convolutionalStudent_getsCloserToItsTeacher(DistillationLoss loss, int channels) {
    BlockTaps taps = BlockTaps.hiddenStates("02LambdaBlock", "04LambdaBlock");
    try (Model large = convolutions(6, 1, 11);
        Model small = convolutions(channels, 2, 12);
        NDManager manager = NativeEngine.newManager(Device.cpu())) {
      NDArray images = manager.arange(0f, 32f * 64).mul(0.7f).sin().reshape(32, 1, 8, 8);
      ArrayDataset data = new ArrayDataset.Builder().setData(images).setSampling(8, false).build();
      try (DistillationResult result =
          Distiller.builder()
              .teacher(Teacher.of(large, taps))
              .student(Student.of(small, taps))
              .loss(loss)
              .optimizer(Optimizer.adamW().withLearningRate(0.03))
              .batchSize(8)
              .epochs(10)
              .seed(1)
              .device(Device.cpu())
              .fit(data)) {
        assertFalls(result);
      }
    }
  }

  private static Model convolutions(int channels, int stride, int seed) {
    SequentialBlock block =
        new SequentialBlock()
            .add(convolution(channels, stride))
            .add(new LambdaBlock(Activation::tanh))
            .add(convolution(channels, 2))
            .add(new LambdaBlock(Activation::tanh))
            .add(Pool.globalAvgPool2dBlock())
            .add(Linear.builder().setUnits(2).build());
    Model model = NativeEngine.engine().newModel("convolutions-" + seed, Device.cpu());
    NativeEngine.engine().setRandomSeed(seed);
    block.initialize(model.getNDManager(), DataType.FLOAT32, new Shape(1, 1, 8, 8));
    model.setBlock(block);
    return model;
  }

  private static Conv2d convolution(int filters, int stride) {
    return Conv2d.builder()
        .setKernelShape(new Shape(3, 3))
        .setFilters(filters)
        .optPadding(new Shape(1, 1))
        .optStride(new Shape(stride, stride))
        .build();
  }
}
