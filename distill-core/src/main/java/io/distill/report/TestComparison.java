package io.distill.report;

import static java.util.Objects.requireNonNull;

import io.distill.data.DistillationDataset;
import io.distill.evaluation.Bootstrap;
import io.distill.evaluation.Calibration;
import io.distill.evaluation.Comparison;
import io.distill.evaluation.Fidelity;
import io.distill.evaluation.Interval;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/** Compares models on one test set. */
final class TestComparison {

  private static final String NO_LABELS = "no row of the test set has a label";
  private static final String NO_TEACHER = "no teacher was given";

  private final DistillationDataset test;
  private final List<Contender> contenders;
  private final int seeds;
  private final int[] labels;
  private final int labelledRows;
  private final List<String> classes;
  private final List<List<Answers>> answers = new ArrayList<>();
  private final List<List<int @Nullable []>> predicted = new ArrayList<>();
  private final int teacher;
  private final int plain;
  private final List<List<Closeness>> closeness = new ArrayList<>();

  /** How close one student is to its teacher, row by row. */
  private record Closeness(RowValues agreement, RowValues kl, RowValues similarity) {}

  /** One number a row. */
  private interface RowValues {
    double at(int row);

    static double mean(RowValues values, int[] rows) {
      double sum = 0;
      for (int row : rows) {
        sum += values.at(row);
      }
      return sum / rows.length;
    }
  }

  /** The figures that are computed together on each resample. */
  private enum Metric {
    ACCURACY(0, "accuracy"),
    BALANCED(1, "balancedAccuracy"),
    F1(2, "macroF1"),
    AGREEMENT(3, "agreement"),
    KL(4, "kl"),
    SIMILARITY(5, "similarity"),
    RETENTION(6, "retention"),
    GAIN(7, "gainOverPlain"),
    GAP_CLOSED(8, "gapClosed");

    private final int column;
    private final String key;

    Metric(int column, String key) {
      this.column = column;
      this.key = key;
    }
  }

  TestComparison(List<Contender> contenders, DistillationDataset test, Questions questions) {
    this.contenders = contenders;
    this.test = test;
    this.seeds = contenders.stream().mapToInt(Contender::seeds).max().orElse(1);
    this.teacher = indexOf(Role.TEACHER);
    this.plain = indexOf(Role.PLAIN);
    List<Answers> all = new ArrayList<>();
    for (Contender contender : contenders) {
      List<Answers> own =
          contender.models().stream().map(model -> questions.ask(model, test)).toList();
      answers.add(own);
      all.addAll(own);
    }
    this.classes = Answers.allClasses(test.classNames(), all);
    answers.replaceAll(own -> own.stream().map(each -> each.in(classes)).toList());
    for (List<Answers> own : answers) {
      List<int @Nullable []> decisions = new ArrayList<>();
      own.forEach(each -> decisions.add(each.predicted()));
      predicted.add(decisions);
    }
    this.labels = new int[test.size()];
    Arrays.setAll(labels, test::label);
    this.labelledRows =
        (int) Arrays.stream(labels).filter(label -> label != DistillationDataset.NO_LABEL).count();
    for (int i = 0; i < contenders.size(); i++) {
      closeness.add(closeness(i));
    }
  }

  private int indexOf(Role role) {
    for (int i = 0; i < contenders.size(); i++) {
      if (contenders.get(i).role() == role) {
        return i;
      }
    }
    return -1;
  }

  Findings.Test test() {
    return new Findings.Test(test.size(), labelledRows, classes);
  }

  private List<Closeness> closeness(int contender) {
    List<Closeness> all = new ArrayList<>();
    if (teacher < 0 || contender == teacher) {
      return all;
    }
    for (int seed = 0; seed < seeds; seed++) {
      float[][] ofTeacher = answers(teacher, seed).logits();
      float[][] ofStudent = answers(contender, seed).logits();
      if (ofTeacher == null || ofStudent == null) {
        return List.of();
      }
      int[] teachers = requireNonNull(predicted(teacher, seed));
      int[] students = requireNonNull(predicted(contender, seed));
      double[] kl = new double[test.size()];
      double[] similarity = new double[test.size()];
      for (int row = 0; row < kl.length; row++) {
        kl[row] = Fidelity.kl(ofTeacher[row], ofStudent[row]);
        similarity[row] = Fidelity.similarity(ofTeacher[row], ofStudent[row]);
      }
      all.add(
          new Closeness(
              row -> teachers[row] == students[row] ? 1 : 0,
              row -> kl[row],
              row -> similarity[row]));
    }
    return all;
  }

  private Answers answers(int contender, int seed) {
    return answers.get(contender).get(contenders.get(contender).index(seed));
  }

  private int @Nullable [] predicted(int contender, int seed) {
    return predicted.get(contender).get(contenders.get(contender).index(seed));
  }

  /** Measures all models. */
  List<Map<String, Figure>> figures() {
    double[] values = values(Bootstrap.all(seeds, test.size()));
    List<Optional<Interval>> intervals = Bootstrap.intervals(this::values, seeds, test.size());
    List<Map<String, Figure>> figures = new ArrayList<>();
    int next = 0;
    for (int i = 0; i < contenders.size(); i++) {
      Map<String, Figure> own = new LinkedHashMap<>();
      for (Metric metric : Metric.values()) {
        double value = values[next];
        Optional<Interval> interval = intervals.get(next).map(over(contenders.get(i)));
        if (applies(metric, i)) {
          own.put(metric.key, Figure.of(value, interval, missing(metric, i, value)));
        }
        next++;
      }
      own.put("worstClassAccuracy", worstClass(i));
      own.put("calibrationError", calibrationError(i));
      if (teacher >= 0 && i != teacher) {
        embeddingCosine(i).ifPresent(figure -> own.put("embeddingCosine", figure));
      }
      figures.add(own);
    }
    return figures;
  }

  /** With a single model of its own the seeds of others say nothing of this one's. */
  private static java.util.function.UnaryOperator<Interval> over(Contender contender) {
    return interval ->
        contender.seeds() >= Bootstrap.MIN_SEEDS
            ? interval
            : new Interval(interval.low(), interval.high(), Interval.Over.ROWS);
  }

  private boolean applies(Metric metric, int contender) {
    return switch (metric) {
      case ACCURACY, BALANCED, F1 -> true;
      case AGREEMENT, KL, SIMILARITY, RETENTION -> contender != teacher;
      case GAIN, GAP_CLOSED -> contender != teacher && contender != plain;
    };
  }

  private String missing(Metric metric, int contender, double value) {
    Optional<String> noLogits =
        answers.get(contender).stream()
            .map(Answers::missing)
            .filter(reason -> !reason.isEmpty())
            .findFirst();
    if (noLogits.isPresent()) {
      return noLogits.get();
    }
    boolean ofTeacher =
        switch (metric) {
          case AGREEMENT, KL, SIMILARITY, RETENTION, GAP_CLOSED -> true;
          case ACCURACY, BALANCED, F1, GAIN -> false;
        };
    boolean ofLabels =
        switch (metric) {
          case AGREEMENT, KL, SIMILARITY -> false;
          case ACCURACY, BALANCED, F1, GAIN, RETENTION, GAP_CLOSED -> true;
        };
    if (ofLabels && labelledRows == 0) {
      return NO_LABELS;
    }
    if (ofTeacher && teacher < 0) {
      return NO_TEACHER;
    }
    if (ofTeacher && answers(teacher, 0).logits() == null) {
      return "the teacher gives " + answers(teacher, 0).missing();
    }
    if (metric == Metric.KL && Double.isInfinite(value)) {
      return "infinite: it rules out a class that the teacher does not";
    }
    if ((metric == Metric.GAIN || metric == Metric.GAP_CLOSED) && plain < 0) {
      return "no plainly trained student was given";
    }
    return switch (metric) {
      case GAP_CLOSED -> "undefined: the teacher is not better than the plain student";
      case RETENTION -> "undefined: the teacher recognises nothing";
      default -> "undefined";
    };
  }

  private double[] values(Bootstrap.Draw draw) {
    int[] rows = draw.rows(0);
    int metrics = Metric.values().length;
    double[] values = new double[contenders.size() * metrics];
    double[] accuracies = new double[contenders.size()];
    for (int i = 0; i < contenders.size(); i++) {
      double[] scores = scores(i, draw);
      accuracies[i] = scores[0];
      System.arraycopy(scores, 0, values, i * metrics, scores.length);
      values[i * metrics + Metric.AGREEMENT.column] = mean(i, draw, Closeness::agreement, rows);
      values[i * metrics + Metric.KL.column] = mean(i, draw, Closeness::kl, rows);
      values[i * metrics + Metric.SIMILARITY.column] = mean(i, draw, Closeness::similarity, rows);
    }
    double ofTeacher = teacher < 0 ? Double.NaN : accuracies[teacher];
    double ofPlain = plain < 0 ? Double.NaN : accuracies[plain];
    for (int i = 0; i < contenders.size(); i++) {
      values[i * metrics + Metric.RETENTION.column] =
          orNaN(Comparison.retention(accuracies[i], ofTeacher));
      values[i * metrics + Metric.GAIN.column] = accuracies[i] - ofPlain;
      values[i * metrics + Metric.GAP_CLOSED.column] =
          orNaN(Comparison.gapClosed(accuracies[i], ofPlain, ofTeacher));
    }
    return values;
  }

  static double orNaN(OptionalDouble value) {
    return value.orElse(Double.NaN);
  }

  private double[] scores(int contender, Bootstrap.Draw draw) {
    double[] sums = new double[3];
    for (int seed : draw.seeds()) {
      int[] decisions = predicted(contender, seed);
      if (decisions == null) {
        return new double[] {Double.NaN, Double.NaN, Double.NaN};
      }
      Tally tally = new Tally(classes.size()).add(labels, decisions, draw.rows(0));
      sums[0] += tally.accuracy();
      sums[1] += tally.balancedAccuracy();
      sums[2] += tally.macroF1();
    }
    return Arrays.stream(sums).map(sum -> sum / draw.seeds().length).toArray();
  }

  private double mean(
      int contender,
      Bootstrap.Draw draw,
      java.util.function.Function<Closeness, RowValues> part,
      int[] rows) {
    List<Closeness> own = closeness.get(contender);
    if (own.isEmpty()) {
      return Double.NaN;
    }
    double sum = 0;
    for (int seed : draw.seeds()) {
      sum += RowValues.mean(part.apply(own.get(seed)), rows);
    }
    return sum / draw.seeds().length;
  }

  /** Returns the accuracy of each class that rows have, a mean over the seeds. */
  List<Findings.OfClass> classes(int contender) {
    List<Tally> tallies = tallies(contender);
    List<Findings.OfClass> found = new ArrayList<>();
    for (int c = 0; c < classes.size() && !tallies.isEmpty(); c++) {
      int label = c;
      if (tallies.get(0).rows(label) > 0) {
        found.add(
            new Findings.OfClass(
                classes.get(c),
                tallies.get(0).rows(c),
                meanAndRange(tallies, tally -> tally.accuracy(label))));
      }
    }
    return found;
  }

  List<Double> accuracyBySeed(int contender) {
    return tallies(contender).stream().map(Tally::accuracy).toList();
  }

  private List<Tally> tallies(int contender) {
    int[] all = Bootstrap.all(1, test.size()).rows(0);
    List<Tally> tallies = new ArrayList<>();
    for (int[] decisions : predicted.get(contender)) {
      if (decisions == null || labelledRows == 0) {
        return List.of();
      }
      tallies.add(new Tally(classes.size()).add(labels, decisions, all));
    }
    return tallies;
  }

  private static <T> Figure meanAndRange(List<T> seeds, ToDoubleFunction<T> figure) {
    double[] values = seeds.stream().mapToDouble(figure).toArray();
    return meanAndRange(values);
  }

  static Figure meanAndRange(double[] values) {
    Optional<Interval> range =
        values.length < 2
            ? Optional.empty()
            : Optional.of(
                new Interval(
                    Arrays.stream(values).min().orElseThrow(),
                    Arrays.stream(values).max().orElseThrow(),
                    Interval.Over.RANGE_OF_SEEDS));
    return Figure.of(Arrays.stream(values).average().orElseThrow(), range, "undefined");
  }

  private Figure worstClass(int contender) {
    return classes(contender).stream()
        .map(Findings.OfClass::accuracy)
        .min(java.util.Comparator.comparingDouble(Figure::get))
        .orElseGet(() -> Figure.missing(missing(Metric.ACCURACY, contender, Double.NaN)));
  }

  private Figure calibrationError(int contender) {
    if (tallies(contender).isEmpty()) {
      return Figure.missing(missing(Metric.ACCURACY, contender, Double.NaN));
    }
    double[] errors =
        answers.get(contender).stream()
            .mapToDouble(
                own -> Calibration.of(requireNonNull(own.logits()), labels).orElseThrow().error())
            .toArray();
    return meanAndRange(errors);
  }

  /** Returns the calibration of the rows of all seeds together. */
  Optional<Calibration> reliability(int contender) {
    if (tallies(contender).isEmpty()) {
      return Optional.empty();
    }
    List<float[]> logits = new ArrayList<>();
    List<Integer> all = new ArrayList<>();
    for (Answers own : answers.get(contender)) {
      float[][] rows = requireNonNull(own.logits());
      for (int row = 0; row < rows.length; row++) {
        logits.add(rows[row]);
        all.add(labels[row]);
      }
    }
    return Calibration.of(
        logits.toArray(float[][]::new), all.stream().mapToInt(Integer::intValue).toArray());
  }

  /** Returns rows by actual and predicted class, summed over the seeds; empty without labels. */
  List<List<Integer>> confusion(int contender) {
    if (tallies(contender).isEmpty()) {
      return List.of();
    }
    int[][] counts = new int[classes.size()][classes.size()];
    for (int[] decisions : predicted.get(contender)) {
      for (int row = 0; row < labels.length; row++) {
        if (labels[row] != DistillationDataset.NO_LABEL) {
          counts[labels[row]][requireNonNull(decisions)[row]]++;
        }
      }
    }
    return Arrays.stream(counts).map(row -> Arrays.stream(row).boxed().toList()).toList();
  }

  /** Compares embeddings of models that do not classify, if they have the same width. */
  private Optional<Figure> embeddingCosine(int contender) {
    double[] means = new double[contenders.get(contender).seeds()];
    for (int seed = 0; seed < means.length; seed++) {
      float[][] student = answers(contender, seed).embeddings();
      float[][] ofTeacher = answers(teacher, seed).embeddings();
      if (student == null || ofTeacher == null || student[0].length != ofTeacher[0].length) {
        return Optional.empty();
      }
      for (int row = 0; row < student.length; row++) {
        means[seed] += cosine(student[row], ofTeacher[row]) / student.length;
      }
    }
    return Optional.of(meanAndRange(means));
  }

  private static double cosine(float[] first, float[] second) {
    double product = 0;
    double firstSquared = 0;
    double secondSquared = 0;
    for (int i = 0; i < first.length; i++) {
      product += (double) first[i] * second[i];
      firstSquared += (double) first[i] * first[i];
      secondSquared += (double) second[i] * second[i];
    }
    // a vector of zeros has no direction: it is like nothing
    return firstSquared == 0 || secondSquared == 0
        ? 0
        : product / Math.sqrt(firstSquared * secondSquared);
  }
}
