package io.distill.training.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.LengthGroupedSampler;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.model.RowSignals;
import io.distill.model.TokenMeter;
import io.distill.signal.SignalKind;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The rows on which a student is tried during the run, and how it is judged. */
final class ValidationSet {

  static final String ACCURACY = "accuracy";
  static final String CROSS_ENTROPY = "crossEntropy";
  static final String AGREEMENT = "agreement";
  static final String KL = "kl";
  static final String PERPLEXITY = "perplexity";

  /** Logits of tokens are large. */
  private static final int TOKEN_ROWS = 8;

  private final DistillationDataset rows;
  private final PreFlight.Cleared cleared;
  private final TeacherAnswers answers;

  private ValidationSet(
      DistillationDataset rows, PreFlight.Cleared cleared, TeacherAnswers answers) {
    this.rows = rows;
    this.cleared = cleared;
    this.answers = answers;
  }

  /**
   * Returns the validation set of a run, null if there is none that its student can be tried on.
   */
  static @Nullable ValidationSet of(
      Recipe recipe, PreFlight.Cleared cleared, TeacherAnswers answers) {
    DistillationDataset rows = recipe.validation();
    return rows != null && tries(rows, cleared.student(), cleared.studentLogitsAreRows())
        ? new ValidationSet(rows, cleared, answers)
        : null;
  }

  /** Tells whether a student can be tried: it says something of rows, or of tokens with labels. */
  static boolean tries(
      @Nullable DistillationDataset rows, DeployableModel student, boolean logitsAreRows) {
    return rows != null
        && student.model().provides().contains(SignalKind.LOGITS)
        && (logitsAreRows || rows.hasTokenLabels());
  }

  /** Returns the names of the metrics that a run can hope for, before anything is computed. */
  static Set<String> metrics(Recipe recipe, boolean triesStudent) {
    Set<String> names = new LinkedHashSet<>();
    DistillationDataset rows = recipe.validation();
    if (rows == null || !triesStudent) {
      return names;
    }
    if (rows.hasTokenLabels()) {
      names.add(ACCURACY);
      names.add(CROSS_ENTROPY);
      names.add(PERPLEXITY);
    }
    for (int row = 0; row < rows.size(); row++) {
      if (rows.label(row) != DistillationDataset.NO_LABEL) {
        names.add(ACCURACY);
        names.add(CROSS_ENTROPY);
        break;
      }
    }
    if (recipe.teacher().provides().contains(SignalKind.LOGITS)) {
      names.add(AGREEMENT);
      names.add(KL);
    }
    return names;
  }

  /** Tries the student. */
  Map<String, Double> metrics() {
    return rows.hasTokenLabels() ? ofTokens() : ofRows();
  }

  private Map<String, Double> ofTokens() {
    DeployableModel student = cleared.student();
    BatchSource source = rows.inputs(student.tokenizer().orElse(null));
    TokenMeter meter = new TokenMeter();
    for (int[] batch : LengthGroupedSampler.of(source, TOKEN_ROWS, 0).inOrder()) {
      try (NDManager scratch = NativeEngine.newManager(student.model().device())) {
        NDArray logits =
            student
                .model()
                .forward(source.batch(scratch, batch).inputs(), Set.of(SignalKind.LOGITS), false)
                .logits();
        int[][] labels = Arrays.stream(batch).mapToObj(source::tokenLabels).toArray(int[][]::new);
        meter.add(logits, answers.ofTokens(batch, scratch), labels);
      }
    }
    Map<String, Double> metrics = new LinkedHashMap<>();
    if (meter.tokens() > 0) {
      metrics.put(ACCURACY, meter.accuracy());
      metrics.put(CROSS_ENTROPY, meter.crossEntropy());
      metrics.put(PERPLEXITY, Math.exp(meter.crossEntropy()));
    }
    if (meter.compared()) {
      metrics.put(AGREEMENT, meter.agreement());
    }
    if (meter.divergent()) {
      metrics.put(KL, meter.kl());
    }
    return metrics;
  }

  private Map<String, Double> ofRows() {
    float[][] student = cleared.student().logits(rows);
    Map<String, Double> metrics = new LinkedHashMap<>();
    againstLabels(student, metrics);
    RowSignals teacher = answers.ofValidation();
    if (teacher != null) {
      againstTeacher(student, teacher.values(SignalKind.LOGITS), metrics);
    }
    return metrics;
  }

  private void againstLabels(float[][] student, Map<String, Double> metrics) {
    int labelled = 0;
    int right = 0;
    double surprise = 0;
    for (int row = 0; row < student.length; row++) {
      int label = rows.label(row);
      if (label != DistillationDataset.NO_LABEL) {
        labelled++;
        right += DeployableModel.indexOfMaximum(student[row]) == label ? 1 : 0;
        surprise -= logSoftmax(student[row])[label];
      }
    }
    if (labelled > 0) {
      metrics.put(ACCURACY, (double) right / labelled);
      metrics.put(CROSS_ENTROPY, surprise / labelled);
    }
  }

  private static void againstTeacher(
      float[][] student, float[][] teacher, Map<String, Double> metrics) {
    int same = 0;
    double divergence = 0;
    for (int row = 0; row < student.length; row++) {
      same +=
          DeployableModel.indexOfMaximum(student[row])
                  == DeployableModel.indexOfMaximum(teacher[row])
              ? 1
              : 0;
      divergence +=
          student[row].length == teacher[row].length
              ? divergence(logSoftmax(teacher[row]), logSoftmax(student[row]))
              : Double.NaN;
    }
    metrics.put(AGREEMENT, (double) same / student.length);
    if (!Double.isNaN(divergence)) {
      metrics.put(KL, divergence / student.length);
    }
  }

  private static double divergence(double[] from, double[] to) {
    double sum = 0;
    for (int i = 0; i < from.length; i++) {
      double probability = Math.exp(from[i]);
      // a class that the teacher rules out counts nothing, whatever the student says
      sum += probability == 0 ? 0 : probability * (from[i] - to[i]);
    }
    return sum;
  }

  private static double[] logSoftmax(float[] logits) {
    float largest = logits[DeployableModel.indexOfMaximum(logits)];
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp((double) logit - largest);
    }
    double logSum = Math.log(sum);
    double[] logProbabilities = new double[logits.length];
    for (int i = 0; i < logits.length; i++) {
      logProbabilities[i] = (double) logits[i] - largest - logSum;
    }
    return logProbabilities;
  }
}
