package io.distill.report;

import static java.util.Objects.requireNonNull;

import io.distill.data.DistillationDataset;
import io.distill.evaluation.Bootstrap;
import io.distill.evaluation.Calibration;
import io.distill.evaluation.Comparison;
import io.distill.evaluation.Fidelity;
import io.distill.evaluation.Interval;
import io.distill.evaluation.LinearProbe;
import io.distill.exception.DistillationException;
import io.distill.teacher.ModelTeacher;
import io.distill.teacher.Teacher;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Measures what students know of their target and beyond it. */
final class SpecialisationComparison {

  private static final double RARE_QUANTILE = 0.25;

  private final List<Contender> contenders;
  private final Map<String, Contender> before;
  private final Map<String, Contender> recovered;
  private final Questions questions;
  private final TaskSet target;
  private final List<TaskSet> others;
  private final int seeds;
  private final int teacher;
  private final boolean byClassifier;
  private final List<Scores> scores = new ArrayList<>();

  /** A set of rows that a representation is tried on. */
  record TaskSet(String name, DistillationDataset train, DistillationDataset test) {

    int[] labelledRows() {
      List<Integer> rows = new ArrayList<>();
      for (int row = 0; row < test.size(); row++) {
        if (test.label(row) != DistillationDataset.NO_LABEL) {
          rows.add(row);
        }
      }
      return rows.stream().mapToInt(Integer::intValue).toArray();
    }
  }

  /**
   * Which rows the models of a contender recognise.
   *
   * @param target of each seed, each labelled row of the target
   * @param others of each other set and seed, each labelled row
   */
  private record Recognised(List<boolean[]> target, List<List<boolean[]>> others) {

    static double mean(List<boolean[]> ofSeeds, int[] seeds, int[] rows) {
      double sum = 0;
      for (int seed : seeds) {
        boolean[] recognised = ofSeeds.get(ofSeeds.size() == 1 ? 0 : seed);
        int right = 0;
        for (int row : rows) {
          right += recognised[row] ? 1 : 0;
        }
        sum += (double) right / rows.length;
      }
      return sum / seeds.length;
    }
  }

  /** All that is known of one contender. */
  private record Scores(
      Contender contender,
      @Nullable Recognised now,
      @Nullable Recognised before,
      @Nullable Recognised recovered,
      String missing) {}

  SpecialisationComparison(
      List<Contender> contenders,
      Map<String, Contender> before,
      Map<String, Contender> recovered,
      TaskSet target,
      List<TaskSet> others,
      Questions questions) {
    this.questions = questions;
    this.contenders = contenders;
    this.before = before;
    this.recovered = recovered;
    this.target = target;
    this.others = others;
    this.seeds = contenders.stream().mapToInt(Contender::seeds).max().orElse(1);
    int found = -1;
    for (int i = 0; i < contenders.size(); i++) {
      found = contenders.get(i).role() == Role.TEACHER ? i : found;
    }
    this.teacher = found;
    List<Contender> everyone = new ArrayList<>(contenders);
    everyone.addAll(before.values());
    everyone.addAll(recovered.values());
    this.byClassifier =
        everyone.stream().flatMap(each -> each.models().stream()).allMatch(this::classifiesTarget);
    for (Contender contender : contenders) {
      scores.add(scores(contender));
    }
  }

  /** The classifier counts only if all models have one for the classes of the target. */
  private boolean classifiesTarget(Teacher model) {
    return model.provides().contains(io.distill.signal.SignalKind.LOGITS)
        && (model.classNames().isEmpty()
            || model.classNames().containsAll(target.test().classNames()));
  }

  private Scores scores(Contender contender) {
    try {
      Contender earlier = before.get(contender.name());
      Contender later = recovered.get(contender.name());
      return new Scores(
          contender,
          recognised(contender),
          earlier == null ? null : recognised(earlier),
          later == null ? null : recognised(later),
          "");
    } catch (DistillationException e) {
      return new Scores(contender, null, null, null, "not measured: " + e.getMessage());
    }
  }

  private Recognised recognised(Contender contender) {
    List<boolean[]> ofTarget = new ArrayList<>();
    List<List<boolean[]>> ofOthers = new ArrayList<>();
    others.forEach(other -> ofOthers.add(new ArrayList<>()));
    for (Teacher model : contender.models()) {
      ofTarget.add(byClassifier ? classified(model) : probed(model, target));
      for (int i = 0; i < others.size(); i++) {
        ofOthers.get(i).add(probed(model, others.get(i)));
      }
    }
    return new Recognised(ofTarget, ofOthers);
  }

  private boolean[] classified(Teacher model) {
    Answers answers = questions.ask(model, target.test());
    if (answers.logits() == null) {
      throw new DistillationException(answers.missing());
    }
    List<String> classes = Answers.allClasses(target.test().classNames(), List.of(answers));
    int[] predicted = requireNonNull(answers.in(classes).predicted());
    int[] rows = target.labelledRows();
    boolean[] recognised = new boolean[rows.length];
    for (int i = 0; i < rows.length; i++) {
      recognised[i] = predicted[rows[i]] == target.test().label(rows[i]);
    }
    return recognised;
  }

  private static boolean[] probed(Teacher model, TaskSet set) {
    if (model instanceof ModelTeacher local) {
      return LinearProbe.recognised(local.model(), set.train(), set.test());
    }
    throw new DistillationException("the model is not in this process, so nothing can probe it");
  }

  Findings.Specialisation findings() {
    int[] rows = new int[others.size() + 1];
    rows[0] = target.labelledRows().length;
    for (int i = 0; i < others.size(); i++) {
      rows[i + 1] = others.get(i).labelledRows().length;
    }
    Set<String> rare = rareClasses();
    List<Findings.OfSpecialist> found = new ArrayList<>();
    for (Scores each : scores) {
      found.add(specialist(each, rows, rare));
    }
    return new Findings.Specialisation(
        target.name(),
        byClassifier
            ? "the accuracy of the models' own classifiers"
            : "the accuracy of a linear probe on the frozen representation",
        List.copyOf(rare),
        others.stream().map(TaskSet::name).toList(),
        found);
  }

  /** The names of the figures of one contender, in the order in which they are computed. */
  private List<String> names() {
    List<String> names =
        new ArrayList<>(
            List.of(
                "targetScore",
                "targetRetention",
                "offTaskRetentionMean",
                "offTaskRetentionWorst",
                "specialisationIndex",
                "transferabilityIndex",
                "recoveredTargetRetention",
                "recoveredOffTaskRetentionMean",
                "recoveredOffTaskRetentionWorst"));
    for (TaskSet other : others) {
      names.add("score/" + other.name());
      names.add("retention/" + other.name());
    }
    return names;
  }

  private Findings.OfSpecialist specialist(Scores own, int[] rows, Set<String> rare) {
    Map<String, Figure> figures = new LinkedHashMap<>();
    Map<String, Map<String, Figure>> ofOthers = new LinkedHashMap<>();
    others.forEach(other -> ofOthers.put(other.name(), new LinkedHashMap<>()));
    Recognised ofTeacher = teacher < 0 ? null : scores.get(teacher).now();
    List<String> names = names();
    if (own.now() == null) {
      figures.put("targetScore", Figure.missing(own.missing()));
    } else {
      double[] values = values(own, ofTeacher, Bootstrap.all(seeds, rows));
      boolean enough = own.contender().seeds() >= Bootstrap.MIN_SEEDS;
      List<Optional<Interval>> intervals =
          enough
              ? Bootstrap.intervals(draw -> values(own, ofTeacher, draw), seeds, rows)
              : List.of();
      boolean isTeacher = own.contender().role() == Role.TEACHER;
      for (int i = 0; i < names.size(); i++) {
        Optional<Interval> interval = enough ? intervals.get(i) : Optional.empty();
        Figure figure = Figure.of(values[i], interval, missing(names.get(i), own));
        String[] parts = names.get(i).split("/", 2);
        if (parts.length == 2) {
          if (!(isTeacher && parts[0].equals("retention"))) {
            requireNonNull(ofOthers.get(parts[1])).put(parts[0], figure);
          }
        } else if (!isTeacher || i == 0) {
          if (!parts[0].startsWith("recovered") || own.recovered() != null) {
            figures.put(names.get(i), figure);
          }
        }
      }
      figures.put("targetCalibrationError", calibrationError(own.contender()));
      figures.put("rareClassAccuracy", rareClassAccuracy(own.now(), rare));
      if (!isTeacher && teacher >= 0) {
        fidelity(own.contender(), figures, ofOthers);
      }
    }
    return new Findings.OfSpecialist(
        own.contender().name(), own.contender().role(), figures, ofOthers);
  }

  private String missing(String name, Scores own) {
    if (teacher < 0) {
      return "no teacher was given";
    }
    if (scores.get(teacher).now() == null) {
      return "the teacher was " + scores.get(teacher).missing();
    }
    if (others.isEmpty()) {
      return "no other set was given";
    }
    if (name.equals("transferabilityIndex")) {
      return own.before() == null
          ? "not measured: the student before it was specialised was not given"
          : "undefined: specialising gained nothing on the target";
    }
    return "undefined: the teacher recognises nothing there";
  }

  private double[] values(Scores own, @Nullable Recognised ofTeacher, Bootstrap.Draw draw) {
    Recognised now = requireNonNull(own.now());
    double[] values = new double[9 + 2 * others.size()];
    Arrays.fill(values, Double.NaN);
    values[0] = Recognised.mean(now.target(), draw.seeds(), draw.rows(0));
    for (int i = 0; i < others.size(); i++) {
      values[9 + 2 * i] = score(now, i, draw);
    }
    if (ofTeacher == null) {
      return values;
    }
    double[] retention = retentions(now, ofTeacher, draw);
    double[] off = Arrays.copyOfRange(retention, 1, retention.length);
    values[1] = retention[0];
    for (int i = 0; i < off.length; i++) {
      values[10 + 2 * i] = off[i];
    }
    if (off.length > 0) {
      values[2] = mean(off);
      values[3] = Arrays.stream(off).min().orElseThrow();
      values[4] = Comparison.specialisationIndex(retention[0], off);
      if (own.before() != null) {
        double[] earlier = retentions(own.before(), ofTeacher, draw);
        double[] changes = new double[off.length];
        for (int i = 0; i < off.length; i++) {
          changes[i] = off[i] - earlier[i + 1];
        }
        values[5] =
            TestComparison.orNaN(
                Comparison.transferabilityIndex(retention[0] - earlier[0], changes));
      }
    }
    if (own.recovered() != null) {
      double[] later = retentions(own.recovered(), ofTeacher, draw);
      double[] laterOff = Arrays.copyOfRange(later, 1, later.length);
      values[6] = later[0];
      if (laterOff.length > 0) {
        values[7] = mean(laterOff);
        values[8] = Arrays.stream(laterOff).min().orElseThrow();
      }
    }
    return values;
  }

  private static double mean(double[] values) {
    return Arrays.stream(values).average().orElseThrow();
  }

  private static double score(Recognised recognised, int other, Bootstrap.Draw draw) {
    return Recognised.mean(recognised.others().get(other), draw.seeds(), draw.rows(other + 1));
  }

  /** Returns the retention on the target and then on each other set. */
  private double[] retentions(Recognised student, Recognised ofTeacher, Bootstrap.Draw draw) {
    double[] retentions = new double[others.size() + 1];
    retentions[0] =
        TestComparison.orNaN(
            Comparison.retention(
                Recognised.mean(student.target(), draw.seeds(), draw.rows(0)),
                Recognised.mean(ofTeacher.target(), draw.seeds(), draw.rows(0))));
    for (int i = 0; i < others.size(); i++) {
      retentions[i + 1] =
          TestComparison.orNaN(
              Comparison.retention(score(student, i, draw), score(ofTeacher, i, draw)));
    }
    return retentions;
  }

  /** Classes whose number of labelled training rows is within the lowest quarter; may be none. */
  private Set<String> rareClasses() {
    DistillationDataset train = target.train();
    int[] counts = new int[train.classNames().size()];
    for (int row = 0; row < train.size(); row++) {
      if (train.label(row) != DistillationDataset.NO_LABEL) {
        counts[train.label(row)]++;
      }
    }
    int[] present = Arrays.stream(counts).filter(count -> count > 0).sorted().toArray();
    Set<String> rare = new TreeSet<>();
    if (present.length == 0) {
      return rare;
    }
    int limit = present[(int) Math.ceil(RARE_QUANTILE * present.length) - 1];
    for (int c = 0; c < counts.length; c++) {
      if (counts[c] > 0 && counts[c] <= limit && limit < present[present.length - 1]) {
        rare.add(train.classNames().get(c));
      }
    }
    return rare;
  }

  private Figure rareClassAccuracy(Recognised now, Set<String> rare) {
    if (rare.isEmpty()) {
      return Figure.missing("undefined: all classes are equally frequent in training");
    }
    int[] labelled = target.labelledRows();
    List<Integer> rows = new ArrayList<>();
    for (int i = 0; i < labelled.length; i++) {
      if (rare.contains(target.test().classNames().get(target.test().label(labelled[i])))) {
        rows.add(i);
      }
    }
    if (rows.isEmpty()) {
      return Figure.missing("undefined: no test row has a rare class");
    }
    int[] counted = rows.stream().mapToInt(Integer::intValue).toArray();
    double[] values = new double[now.target().size()];
    for (int seed = 0; seed < values.length; seed++) {
      values[seed] = Recognised.mean(now.target(), new int[] {seed}, counted);
    }
    return TestComparison.meanAndRange(values);
  }

  private Figure calibrationError(Contender contender) {
    int[] rows = target.labelledRows();
    double[] errors = new double[contender.seeds()];
    for (int seed = 0; seed < errors.length; seed++) {
      Answers answers = questions.ask(contender.models().get(seed), target.test());
      if (answers.logits() == null) {
        return Figure.missing(answers.missing());
      }
      List<String> classes = Answers.allClasses(target.test().classNames(), List.of(answers));
      float[][] logits = requireNonNull(answers.in(classes).logits());
      errors[seed] =
          Calibration.of(
                  Arrays.stream(rows).mapToObj(row -> logits[row]).toArray(float[][]::new),
                  Arrays.stream(rows).map(target.test()::label).toArray())
              .orElseThrow()
              .error();
    }
    return TestComparison.meanAndRange(errors);
  }

  private void fidelity(
      Contender contender, Map<String, Figure> figures, Map<String, Map<String, Figure>> ofOthers) {
    fidelity(contender, target.test(), figures, "targetAgreement", "targetSimilarity");
    double agreement = 0;
    double similarity = 0;
    boolean measured = !others.isEmpty();
    for (TaskSet other : others) {
      Map<String, Figure> own = requireNonNull(ofOthers.get(other.name()));
      fidelity(contender, other.test(), own, "agreement", "similarity");
      Figure agreed = requireNonNull(own.get("agreement"));
      measured &= agreed.isPresent();
      if (agreed.isPresent()) {
        agreement += agreed.get() / others.size();
        similarity += requireNonNull(own.get("similarity")).get() / others.size();
      }
    }
    String reason = others.isEmpty() ? "no other set was given" : "no logits to compare";
    figures.put("offTaskAgreement", measured ? Figure.of(agreement) : Figure.missing(reason));
    figures.put("offTaskSimilarity", measured ? Figure.of(similarity) : Figure.missing(reason));
  }

  private void fidelity(
      Contender contender,
      DistillationDataset rows,
      Map<String, Figure> into,
      String agreement,
      String similarity) {
    double[] agreements = new double[seeds];
    double[] similarities = new double[seeds];
    for (int seed = 0; seed < seeds; seed++) {
      Contender master = contenders.get(teacher);
      Answers ofTeacher = questions.ask(master.models().get(master.index(seed)), rows);
      Answers ofStudent = questions.ask(contender.models().get(contender.index(seed)), rows);
      if (ofTeacher.logits() == null || ofStudent.logits() == null) {
        String reason = ofTeacher.logits() == null ? ofTeacher.missing() : ofStudent.missing();
        into.put(agreement, Figure.missing(reason));
        into.put(similarity, Figure.missing(reason));
        return;
      }
      // the rows are of another task: their classes do not matter, those of the models do
      List<String> classes = Answers.allClasses(List.of(), List.of(ofTeacher, ofStudent));
      Fidelity fidelity =
          Fidelity.of(
              requireNonNull(ofTeacher.in(classes).logits()),
              requireNonNull(ofStudent.in(classes).logits()));
      agreements[seed] = fidelity.agreement();
      similarities[seed] = fidelity.similarity();
    }
    into.put(agreement, TestComparison.meanAndRange(agreements));
    into.put(similarity, TestComparison.meanAndRange(similarities));
  }
}
