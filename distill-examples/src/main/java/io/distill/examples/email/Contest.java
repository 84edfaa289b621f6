package io.distill.examples.email;

import static io.distill.losses.Losses.embeddingCosine;
import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.softTargetsAndHardLabels;

import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.evaluation.LinearProbe;
import io.distill.loss.DistillationLoss;
import io.distill.model.DeployableModel;
import io.distill.model.Precision;
import io.distill.report.Report;
import io.distill.schedule.LearningRateSchedule;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import java.io.PrintStream;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Trains the four contestants on equal terms: all students have the same architecture, the same
 * start, the same dropout, the same number of steps; they differ in what they learn from.
 */
final class Contest {

  /** The weight of the soft targets; labels have the rest. */
  private static final double ALPHA = 0.9;

  /** The weight of the embedding loss. */
  private static final double EMBEDDING_WEIGHT = 5;

  private static final double TEMPERATURE = 0.5;
  private static final double LEARNING_RATE = 3e-3;
  private static final int BATCH_SIZE = 64;

  /** What texts of other kinds are called. */
  private static final String OTHERS = "other kinds of text";

  /** How long the report times each contestant. */
  private static final Duration REPORT_TIME = Duration.ofSeconds(2);

  /** The student has at most one parameter for so many of the teacher's. */
  private static final int SIZE_RATIO = 52;

  private static final int LARGEST_EMBEDDING = 128;
  private static final int HIDDEN_SIZE = 256;

  private final Scenario scenario;
  private final ModelTeacher encoder;
  private final int epochs;
  private final Precision precision;
  private final PrintStream out;
  private final boolean terminal;
  private @Nullable ModelTeacher sharedTeacher;

  Contest(
      Scenario scenario,
      ModelTeacher encoder,
      int epochs,
      Precision precision,
      PrintStream out,
      boolean terminal) {
    this.scenario = scenario;
    this.encoder = encoder;
    this.epochs = epochs;
    this.precision = precision;
    this.out = out;
    this.terminal = terminal;
  }

  /** Who takes part. */
  enum Contestant {
    TEACHER("teacher", Report.Builder.TEACHER, "teacher (MiniLM with a classifier)"),
    PLAIN("plain", "labels only", "student, labels only"),
    SELF_TRAINED("selfTrained", "self-trained", "student, its own pseudo-labels"),
    DISTILLED("distilled", "distilled", "student, distilled");

    private final String key;
    private final String name;
    private final String title;

    Contestant(String key, String name, String title) {
      this.key = key;
      this.name = name;
      this.title = title;
    }

    String key() {
      return key;
    }

    String title() {
      return title;
    }
  }

  /** What one seed gave. Its models stay open. */
  record Outcome(
      double fittingSeconds,
      double untrainedOffTask,
      ModelTeacher teacher,
      DistillationResult untrained,
      DistillationResult plain,
      DistillationResult selfTrained,
      DistillationResult distilled) {}

  /** Closes all models of the contest. */
  static void close(List<Outcome> outcomes) {
    for (Outcome outcome : outcomes) {
      Stream.of(outcome.untrained(), outcome.plain(), outcome.selfTrained(), outcome.distilled())
          .forEach(DistillationResult::close);
    }
    // several seeds may share one
    outcomes.stream().map(Outcome::teacher).distinct().forEach(ModelTeacher::close);
  }

  /** Runs one seed. */
  Outcome run(long seed) {
    TextDataset training = scenario.training(seed);
    long start = System.nanoTime();
    ModelTeacher teacher = teacher(training);
    double fitting = (System.nanoTime() - start) / 1e9;
    out.printf(
        Locale.ROOT,
        "  %-12s classifier fitted on %d labels, %.1f s%n",
        "teacher",
        training.labelledRows().length,
        fitting);
    out.flush();
    Tokenizer vocabulary = encoder.tokenizer().orElseThrow().trimmedTo(training.texts());
    Student student = student(vocabulary);
    TextDataset labelled = training.subset(training.labelledRows());
    long steps = (long) epochs * ((training.size() + BATCH_SIZE - 1) / BATCH_SIZE);

    DistillationResult untrained = untrained(student, teacher, labelled, seed);
    DistillationResult plain = fit("plain", student, teacher, hardLabels(), labelled, steps, seed);
    int[] pseudoLabels = plain.student().predict(training);
    for (int row : training.labelledRows()) {
      pseudoLabels[row] = training.label(row);
    }
    DistillationResult self =
        fit(
            "self-trained",
            student,
            teacher,
            hardLabels(),
            training.withLabels(pseudoLabels),
            steps,
            seed);
    DistillationResult distilled =
        fit(
            "distilled",
            student,
            teacher,
            softTargetsAndHardLabels(ALPHA).plus(embeddingCosine().weighted(EMBEDDING_WEIGHT)),
            training,
            steps,
            seed);
    return new Outcome(
        fitting, offTask(untrained.student()), teacher, untrained, plain, self, distilled);
  }

  /** Compares the contestants over all seeds. */
  Report report(List<Outcome> outcomes) {
    TextDataset training = scenario.training(1);
    return Report.builder()
        .title(scenario.title())
        .teacher(each(outcomes, Outcome::teacher, Teacher[]::new))
        .plain(Contestant.PLAIN.name, each(outcomes, Outcome::plain, DistillationResult[]::new))
        .student(
            Contestant.SELF_TRAINED.name,
            each(outcomes, Outcome::selfTrained, DistillationResult[]::new))
        .distilled(
            Contestant.DISTILLED.name,
            each(outcomes, Outcome::distilled, DistillationResult[]::new))
        .testSet(scenario.test())
        .target("the task", training.subset(training.labelledRows()), scenario.test())
        .other(OTHERS, scenario.othersToFit(), scenario.othersToTest())
        .before(
            Contestant.DISTILLED.name,
            each(outcomes, outcome -> outcome.untrained().student(), DeployableModel[]::new))
        .measuringTime(REPORT_TIME)
        .build();
  }

  /** Returns what the report says of one contestant. */
  static Figures figures(Report report, Contestant contestant, List<Outcome> outcomes) {
    String name = contestant.name;
    boolean teacher = contestant == Contestant.TEACHER;
    return new Figures(
        report.figure(name, "accuracy").get(),
        teacher ? 1 : report.figure(name, "agreement").get(),
        Math.round(report.figure(name, "parameters").get()),
        Math.round(report.figure(name, "bytes").get()),
        report.figure(name, "textsPerSecond").get(),
        report.figure(name, "p50Millis").get(),
        report.figure(name, "modelP50Millis").get(),
        teacher
            ? outcomes.stream().mapToDouble(Outcome::fittingSeconds).average().orElseThrow()
            : report.figure(name, "trainingSeconds").get(),
        report.figure(name, OTHERS + "/score").get());
  }

  private static <T> T[] each(
      List<Outcome> outcomes, Function<Outcome, T> part, IntFunction<T[]> array) {
    return outcomes.stream().map(part).toArray(array);
  }

  private ModelTeacher teacher(TextDataset training) {
    if (scenario.labelsPerClass().isPresent()) {
      return encoder.withClassifier(training);
    }
    // all labels count for every seed, so the teacher is always the same
    if (sharedTeacher == null) {
      sharedTeacher = encoder.withClassifier(training);
    }
    return sharedTeacher;
  }

  private Student student(Tokenizer vocabulary) {
    long budget = encoder.model().parameterCount() / SIZE_RATIO;
    int classes = scenario.labelled().classNames().size();
    long head = (long) HIDDEN_SIZE * (classes + 1) + classes;
    long width = (budget - head) / (vocabulary.vocabularySize() + HIDDEN_SIZE);
    int embeddingSize = (int) Math.max(16, Math.min(LARGEST_EMBEDDING, width / 16 * 16));
    return Student.bagOfEmbeddings()
        .embeddingSize(embeddingSize)
        .hiddenSize(HIDDEN_SIZE)
        .tokenizer(vocabulary)
        .vocabularyFromData(false)
        .embeddingsFromTeacher()
        .build();
  }

  private DistillationResult fit(
      String name,
      Student student,
      Teacher teacher,
      DistillationLoss loss,
      DistillationDataset dataset,
      long steps,
      long seed) {
    try (Progress progress = new Progress(name, out, terminal)) {
      return Distiller.builder()
          .teacher(teacher)
          .student(student)
          .loss(loss)
          .temperature(TEMPERATURE)
          .optimizer(Optimizer.adamW().withLearningRate(LEARNING_RATE))
          .learningRateSchedule(LearningRateSchedule.cosine(0))
          .batchSize(BATCH_SIZE)
          .steps(steps)
          .precision(precision)
          .seed(seed)
          .listener(progress)
          .fit(dataset);
    }
  }

  /** The student as it starts: one step at a learning rate of zero. */
  private static DistillationResult untrained(
      Student student, Teacher teacher, TextDataset dataset, long seed) {
    return Distiller.builder()
        .teacher(teacher)
        .student(student)
        .loss(hardLabels())
        .learningRateSchedule(progress -> 0)
        .steps(1)
        .seed(seed)
        .fit(dataset);
  }

  private double offTask(DeployableModel model) {
    return LinearProbe.of(model, scenario.othersToFit(), scenario.othersToTest());
  }
}
