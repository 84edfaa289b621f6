package io.distill.examples.email;

import static io.distill.losses.Losses.embeddingCosine;
import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.softTargetsAndHardLabels;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.evaluation.Evaluation;
import io.distill.evaluation.Latency;
import io.distill.evaluation.LinearProbe;
import io.distill.evaluation.ModelSize;
import io.distill.loss.DistillationLoss;
import io.distill.model.DeployableModel;
import io.distill.model.Precision;
import io.distill.schedule.LearningRateSchedule;
import io.distill.student.Student;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import io.distill.training.Optimizer;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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
  private static final int LATENCY_TEXTS = 200;

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
    TEACHER("teacher", "teacher (MiniLM with a classifier)"),
    PLAIN("plain", "student, labels only"),
    SELF_TRAINED("selfTrained", "student, its own pseudo-labels"),
    DISTILLED("distilled", "student, distilled");

    private final String key;
    private final String title;

    Contestant(String key, String title) {
      this.key = key;
      this.title = title;
    }

    String key() {
      return key;
    }

    String title() {
      return title;
    }
  }

  /** What one seed gave. The distilled student stays open. */
  record Outcome(
      Map<Contestant, Figures> figures, double untrainedOffTask, DeployableModel distilled) {}

  /** Runs one seed; sizes and speeds are only measured if asked. */
  Outcome run(long seed, boolean measure) {
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
    int[] teachersAnswers = teacher.model().predict(scenario.test());

    Map<Contestant, Figures> figures = new EnumMap<>(Contestant.class);
    figures.put(
        Contestant.TEACHER,
        figures(teacher.model(), teachersAnswers, teachersAnswers, fitting, measure));
    double untrained;
    int[] pseudoLabels;
    try (DistillationResult start0 = untrained(student, teacher, labelled, seed)) {
      untrained = offTask(start0.student());
    }
    try (DistillationResult plain =
        fit("plain", student, teacher, hardLabels(), labelled, steps, seed)) {
      figures.put(Contestant.PLAIN, figures(plain, teachersAnswers, measure));
      pseudoLabels = plain.student().predict(training);
    }
    for (int row : training.labelledRows()) {
      pseudoLabels[row] = training.label(row);
    }
    try (DistillationResult self =
        fit(
            "self-trained",
            student,
            teacher,
            hardLabels(),
            training.withLabels(pseudoLabels),
            steps,
            seed)) {
      figures.put(Contestant.SELF_TRAINED, figures(self, teachersAnswers, measure));
    }
    DistillationResult distilled =
        fit(
            "distilled",
            student,
            teacher,
            softTargetsAndHardLabels(ALPHA).plus(embeddingCosine().weighted(EMBEDDING_WEIGHT)),
            training,
            steps,
            seed);
    figures.put(Contestant.DISTILLED, figures(distilled, teachersAnswers, measure));
    if (sharedTeacher == null) {
      teacher.close();
    }
    return new Outcome(figures, untrained, distilled.student());
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

  private Figures figures(DistillationResult result, int[] teachersAnswers, boolean measure) {
    return figures(
        result.student(),
        result.student().predict(scenario.test()),
        teachersAnswers,
        result.seconds(),
        measure);
  }

  private Figures figures(
      DeployableModel model,
      int[] answers,
      int[] teachersAnswers,
      double trainingSeconds,
      boolean measure) {
    long bytes = 0;
    double perSecond = Double.NaN;
    double p50 = Double.NaN;
    double p50Bare = Double.NaN;
    if (measure) {
      bytes = savedBytes(model);
      List<String> texts =
          scenario.test().texts().subList(0, Math.min(LATENCY_TEXTS, scenario.test().size()));
      Latency latency = Latency.measure(model, texts);
      perSecond = latency.sentencesPerSecond();
      p50 = latency.p50Millis();
      p50Bare = latency.modelP50Millis();
    }
    return new Figures(
        Evaluation.of(answers, scenario.test()).accuracy(),
        Evaluation.agreement(answers, teachersAnswers),
        model.parameterCount(),
        bytes,
        perSecond,
        p50,
        p50Bare,
        trainingSeconds,
        offTask(model));
  }

  private double offTask(DeployableModel model) {
    return LinearProbe.of(model, scenario.othersToFit(), scenario.othersToTest());
  }

  private static long savedBytes(DeployableModel model) {
    try {
      Path directory = Files.createTempDirectory("distill-size");
      try {
        model.save(directory.resolve("model"));
        return ModelSize.bytes(directory);
      } finally {
        MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Returns the figures of one contestant over several seeds. */
  static List<Figures> of(Contestant contestant, List<Outcome> outcomes) {
    List<Figures> figures = new ArrayList<>();
    outcomes.forEach(outcome -> figures.add(outcome.figures().get(contestant)));
    return figures;
  }
}
