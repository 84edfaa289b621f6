package io.distill.losses.training;

import static io.distill.losses.Losses.hardLabels;

import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonObject;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.TextExample;
import io.distill.data.Tokenizer;
import io.distill.model.BlockTaps;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;

/** Which of four topics a short sentence is about; a quarter of the sentences are held out. */
final class TextTask implements Task {

  static final int CLASSES = 4;
  private static final int EVERY_FOURTH = 4;
  private static final int STUDENT_WIDTH = 16;
  private static final int TEACHER_WIDTH = 32;

  private final TextDataset train;
  private final TextDataset heldOut;
  private final Tokenizer tokenizer;
  private final ModelTeacher teacher;

  private TextTask() {
    TextDataset all = TextDataset.of(sentences());
    train = all.subset(rows(all, false));
    heldOut = all.subset(rows(all, true));
    tokenizer = tokenizer(all.texts());
    teacher =
        Teacher.of(
            Distiller.builder()
                .teacher(Teacher.none())
                .student(encoder(3, TEACHER_WIDTH))
                .loss(hardLabels())
                .optimizer(Optimizer.adamW().withLearningRate(0.005))
                .batchSize(16)
                .epochs(12)
                .seed(1)
                .fit(train)
                .student());
  }

  private static final class Once {
    static final TextTask TASK = new TextTask();
  }

  static TextTask task() {
    return Once.TASK;
  }

  static List<TextExample> sentences() {
    try (BufferedReader reader =
        new BufferedReader(
            new InputStreamReader(
                Objects.requireNonNull(
                    TextTask.class.getResourceAsStream("/io/distill/losses/topics.tsv")),
                StandardCharsets.UTF_8))) {
      List<TextExample> sentences = new ArrayList<>();
      reader
          .lines()
          .skip(1)
          .map(line -> line.split("\t", -1))
          .forEach(parts -> sentences.add(TextExample.labelled(parts[0], parts[1])));
      return sentences;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static int[] rows(TextDataset all, boolean held) {
    return IntStream.range(0, all.size())
        .filter(row -> (row % EVERY_FOURTH == 1) == held)
        .toArray();
  }

  /** Every word is a piece. */
  static Tokenizer tokenizer(List<String> texts) {
    Set<String> words = new TreeSet<>();
    texts.forEach(text -> words.addAll(List.of(text.split(" ", -1))));
    List<String> pieces = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
    pieces.addAll(words);
    JsonObject vocabulary = new JsonObject();
    pieces.forEach(piece -> vocabulary.addProperty(piece, vocabulary.size()));
    String special =
        """
        {"id": %d, "content": "%s", "special": true,
         "single_word": false, "lstrip": false, "rstrip": false, "normalized": false}
        """;
    return Tokenizer.parse(
        """
        {"added_tokens": [%s, %s, %s, %s],
         "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
           "strip_accents": null, "lowercase": true},
         "pre_tokenizer": {"type": "BertPreTokenizer"},
         "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
         "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
           "max_input_chars_per_word": 100, "vocab": %s}}
        """
            .formatted(
                special.formatted(0, "[PAD]"),
                special.formatted(1, "[UNK]"),
                special.formatted(2, "[CLS]"),
                special.formatted(3, "[SEP]"),
                vocabulary));
  }

  private Student encoder(int layers, int width) {
    return Student.encoder()
        .layers(layers)
        .hiddenSize(width)
        .heads(2)
        .dropout(0)
        .tokenizer(tokenizer)
        .build();
  }

  @Override
  public ModelTeacher teacher() {
    return teacher;
  }

  @Override
  public Student student() {
    return encoder(2, STUDENT_WIDTH);
  }

  @Override
  public BlockStudent blocks() {
    return new BlockStudent(
        () -> new TextBlock(tokenizer.vocabularySize(), STUDENT_WIDTH, CLASSES, false),
        BlockTaps.none(),
        TextBlock.reader(),
        tokenizer,
        new Shape(1, 1),
        new Shape(1, 1));
  }

  @Override
  public TextDataset train() {
    return train;
  }

  @Override
  public TextDataset heldOut() {
    return heldOut;
  }
}
