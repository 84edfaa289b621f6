package io.distill.examples.benchmark;

import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.tokenLevel;

import ai.djl.Device;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.conversation.Conversation;
import io.distill.conversation.ConversationDataset;
import io.distill.conversation.ConversationDataset.TooLong;
import io.distill.evaluation.LanguageModelEvaluation;
import io.distill.model.ActivationImportance;
import io.distill.model.DeployableModel;
import io.distill.model.TransformerDecoder;
import io.distill.schedule.LearningRateSchedule;
import io.distill.student.DecoderStudent;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;

/**
 * What a language model loses when parts are left out by importance, and when they are left out at
 * random; and what is left of that after some steps of distillation, beside a student that starts
 * afresh.
 *
 * <p>Arguments: a checkpoint, a file of text, and the number of steps (0 for none). A hundred rows
 * of 128 tokens are measured, a hundred others are tried, students learn from the rest.
 */
public final class PruningBenchmark {

  private static final int ROWS = 100;
  private static final int LENGTH = 128;
  private static final int DRAWS = 5;

  private final PrintStream out;
  private final DeployableModel model;
  private final TransformerDecoder shape;
  private final Teacher teacher;
  private final ConversationDataset measured;
  private final ConversationDataset tried;
  private final ConversationDataset lessons;

  private PruningBenchmark(
      PrintStream out, DeployableModel model, Teacher teacher, ConversationDataset rows) {
    this.out = out;
    this.model = model;
    this.shape = (TransformerDecoder) model.model().configuration().orElseThrow();
    this.teacher = teacher;
    List<ConversationDataset> parts = rows.split(2.0 * ROWS / rows.size(), 1);
    this.measured = parts.get(0).subset(IntStream.range(0, ROWS).toArray());
    this.tried = parts.get(0).subset(IntStream.range(ROWS, parts.get(0).size()).toArray());
    this.lessons = parts.get(1);
  }

  /**
   * Runs the benchmark.
   *
   * @param arguments a checkpoint, a file of text, and steps
   * @throws IOException if the text cannot be read
   */
  public static void main(String[] arguments) throws IOException {
    PrintStream out = System.out;
    if (arguments.length != 3) {
      out.println("usage: PruningBenchmark CHECKPOINT TEXT STEPS");
      System.exit(2);
    }
    try (DeployableModel model = DeployableModel.load(Path.of(arguments[0]));
        Teacher teacher = Teacher.of(model)) {
      ConversationDataset rows =
          ConversationDataset.builder()
              .conversations(List.of(Conversation.of(Files.readString(Path.of(arguments[1])))))
              .tokenizer(model.tokenizer().orElseThrow())
              .maxLength(LENGTH)
              .tooLong(TooLong.SPLIT)
              .build();
      new PruningBenchmark(out, model, teacher, rows).run(Long.parseLong(arguments[2]));
    }
  }

  private Map<String, UnaryOperator<DecoderStudent.Builder>> cuts() {
    int neurons = shape.intermediateSize();
    int hidden = shape.hiddenSize();
    int groups = shape.keyValueHeads();
    Map<String, UnaryOperator<DecoderStudent.Builder>> cuts = new LinkedHashMap<>();
    cuts.put("3/4 of the neurons", student -> student.intermediateSize(3 * neurons / 4));
    cuts.put("1/2 of the neurons", student -> student.intermediateSize(neurons / 2));
    cuts.put("7/8 of the channels", student -> student.hiddenSize(7 * hidden / 8));
    cuts.put("3/4 of the channels", student -> student.hiddenSize(3 * hidden / 4));
    if (groups > 1) {
      int size = shape.heads() / groups;
      cuts.put(
          "all but one group of heads",
          student -> student.keyValueHeads(groups - 1).heads(size * (groups - 1)));
    }
    if (shape.layers() > 1) {
      cuts.put("all but one layer", student -> student.layers(shape.layers() - 1));
    }
    cuts.put("3/4 of neurons and channels, all but one layer", this::smaller);
    return cuts;
  }

  private DecoderStudent.Builder smaller(DecoderStudent.Builder student) {
    return student
        .layers(Math.max(1, shape.layers() - 1))
        .hiddenSize(3 * shape.hiddenSize() / 4)
        .intermediateSize(3 * shape.intermediateSize() / 4);
  }

  private void run(long steps) {
    ActivationImportance importance = ActivationImportance.measure(model, measured);
    out.println(importance);
    out.printf("%nteacher: %s%n%n", LanguageModelEvaluation.of(model, tried));
    out.println("| kept | by importance | at random, mean (smallest to largest) |");
    out.println("|---|---|---|");
    cuts()
        .forEach(
            (name, cut) -> {
              double[] random = new double[DRAWS];
              for (int i = 0; i < DRAWS; i++) {
                random[i] = crossEntropy(cut, importance.shuffled(i));
              }
              out.printf(
                  Locale.ROOT,
                  "| %s | %.3f | %.3f (%.3f to %.3f) |%n",
                  name,
                  crossEntropy(cut, importance),
                  IntStream.range(0, DRAWS).mapToDouble(i -> random[i]).sum() / DRAWS,
                  IntStream.range(0, DRAWS).mapToDouble(i -> random[i]).min().orElseThrow(),
                  IntStream.range(0, DRAWS).mapToDouble(i -> random[i]).max().orElseThrow());
            });
    if (steps > 0) {
      out.printf("%nAfter %d steps on %d rows%n", steps, lessons.size());
      learn("by importance", smaller(Student.decoder().prunedBy(importance)).build(), steps);
      learn(
          "at random", smaller(Student.decoder().prunedBy(importance.shuffled(0))).build(), steps);
      // a fresh student's heads go into its width, so they are narrower
      learn("afresh", smaller(Student.decoder()).heads(shape.heads()).build(), steps);
    }
  }

  private double crossEntropy(
      UnaryOperator<DecoderStudent.Builder> cut, ActivationImportance importance) {
    Student student = cut.apply(Student.decoder().prunedBy(importance)).build();
    StudentSetup setup = new StudentSetup(measured, teacher, 0, List.of(), 1, Device.cpu());
    try (DeployableModel opened = student.open(setup)) {
      return LanguageModelEvaluation.of(opened, tried).crossEntropy();
    }
  }

  private void learn(String name, Student student, long steps) {
    try (DistillationResult result =
        Distiller.builder()
            .teacher(teacher)
            .student(student)
            .loss(tokenLevel(softTargets(1)))
            .optimizer(Optimizer.adamW().withLearningRate(2e-3))
            .learningRateSchedule(LearningRateSchedule.cosine(0.1))
            .gradientClipping(1)
            .steps(steps)
            .batchSize(16)
            .seed(1)
            .fit(lessons)) {
      out.printf(
          "%s (%,d parameters): %s%n",
          name,
          result.student().parameterCount(),
          LanguageModelEvaluation.of(result.student(), model, tried));
    }
  }
}
