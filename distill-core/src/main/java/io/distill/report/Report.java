package io.distill.report;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.model.DeployableModel;
import io.distill.teacher.Teacher;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a run did and what its student is worth: the teacher, a plainly trained student and the
 * distilled student side by side.
 *
 * <pre>{@code
 * result.report().writeHtml(path);                    // what the run alone knows
 *
 * Report report = Report.builder()
 *     .title("E-mail intents")
 *     .teacher(teacher)
 *     .plain("labels only", plain1, plain2, plain3)   // one result for each seed
 *     .student("self-trained", self1, self2, self3)
 *     .distilled("distilled", distilled1, distilled2, distilled3)
 *     .testSet(test)
 *     .target("mails", train, test)                   // specialised in what ...
 *     .other("prose", proseTrain, proseTest)          // ... and at the expense of what
 *     .build();                                       // measures
 * report.writeHtml(Path.of("report.html"));
 * report.writeJson(Path.of("report.json"));
 * }</pre>
 *
 * <p>A figure that is undefined or was not measured is said to be so; it is never a number. The
 * report is immutable and needs the models no longer.
 */
public final class Report {

  private final Findings findings;

  private Report(Findings findings) {
    this.findings = findings;
  }

  /**
   * Starts a report.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Returns what the numbers say, in plain words.
   *
   * @return a few sentences
   */
  public String headline() {
    return String.join(" ", findings.headline());
  }

  /**
   * Returns a figure of a model, such as {@code figure("distilled", "gapClosed")}.
   *
   * @param model the name of the model; the teacher's is {@value Builder#TEACHER}
   * @param name the name of the figure, as in the JSON file; figures of the specialisation report
   *     come after those of the test set, and those of another set are named such as {@code
   *     prose/retention}
   * @return the figure
   * @throws IllegalArgumentException if there is no such model or figure
   */
  public Figure figure(String model, String name) {
    requireNonNull(model, "model");
    requireNonNull(name, "name");
    Map<String, Figure> all = new LinkedHashMap<>();
    findings.models().stream()
        .filter(each -> each.name().equals(model))
        .forEach(each -> all.putAll(each.figures()));
    findings.specialisation().stream()
        .flatMap(found -> found.models().stream())
        .filter(each -> each.name().equals(model))
        .forEach(
            each -> {
              each.figures().forEach(all::putIfAbsent);
              each.others()
                  .forEach(
                      (set, figures) ->
                          figures.forEach((key, figure) -> all.put(set + "/" + key, figure)));
            });
    checkArgument(
        findings.models().stream().anyMatch(each -> each.name().equals(model)),
        "model must be one of %s but was %s",
        findings.models().stream().map(Findings.OfModel::name).toList(),
        model);
    Figure figure = all.get(name);
    if (figure == null) {
      throw new IllegalArgumentException(
          "name must be one of " + all.keySet() + " but was " + name);
    }
    return figure;
  }

  /**
   * Returns the report as one HTML page that refers to nothing outside itself.
   *
   * @return the page; well-formed XML too
   */
  public String html() {
    return HtmlReport.of(findings);
  }

  /**
   * Returns every number of the report as JSON.
   *
   * <p>The schema, version 1; fields are only ever added to a version:
   *
   * <pre>{@code
   * {"format": "io.distill.report", "version": 1, "title", "created" (ISO 8601),
   *  "headline": [sentence], "notes": [sentence],
   *  "bootstrap": {"resamples", "level", "minSeeds"},
   *  "testSet": {"rows", "labelledRows", "classes": [name]} or null,
   *  "models": [{"name", "role": "teacher" | "plain" | "student" | "distilled", "seeds",
   *    "accuracyBySeed": [number], "figures": {name: figure},
   *    "classes": [{"name", "rows", "accuracy": figure}],
   *    "confusion": [[rows of all seeds by actual and predicted class]] or null,
   *    "reliability": [{"rows", "confidence", "accuracy"}] or null}],
   *  "specialisation": {"target", "measuredBy", "rareClasses": [name], "others": [name],
   *    "models": [{"name", "role", "figures": {name: figure},
   *      "others": {set: {"score" | "retention" | "agreement" | "similarity": figure}}}]} or null,
   *  "runs": [{"model", "seed" (from 1), "steps", "seconds", "teacherSeconds", "joules" or null,
   *    "epochs": [{"epoch", "loss", "terms", "learningRate", "temperature", "metrics", "seconds"}],
   *    "points": {"firstStep", "lastStep", "loss", "learningRate", "temperature", "gradientNorm":
   *      [number or null], "terms" | "weights": {term: [number]}},
   *    "gradientScales": [{"step", "norms": {term: number}}]}]}
   *
   * figure: {"value": number or null,
   *          "interval": {"low", "high", "over": "seeds and rows" | "rows" | "range of the seeds"},
   *          "missing": why the value is null}
   * }</pre>
   *
   * <p>Shares are from 0 to 1, times in the unit of their name, memory and sizes in bytes. A figure
   * without interval, or with a value, lacks that field; a figure that makes no sense for a model
   * (the retention of the teacher itself) is not there.
   *
   * @return a JSON object without NaN or infinities
   */
  public String json() {
    return JsonReport.of(findings);
  }

  /**
   * Writes the report as one HTML file that opens offline.
   *
   * @param file the file; whole or not at all
   * @throws DistillationException if it cannot be written
   */
  public void writeHtml(Path file) {
    AtomicFiles.write(requireNonNull(file, "file"), html());
  }

  /**
   * Writes every number of the report as JSON.
   *
   * @param file the file; whole or not at all
   * @throws DistillationException if it cannot be written
   */
  public void writeJson(Path file) {
    AtomicFiles.write(requireNonNull(file, "file"), json());
  }

  /**
   * Says what is to be compared. Models stay the caller's to close; they must be open until {@link
   * #build} has returned.
   *
   * <p>Everything is optional: without a test set the report tells of the runs alone. Where several
   * models of one kind are given, one for each seed, figures are means over the seeds; all kinds
   * must then have equally many, in the order of the same seeds, or a single one.
   */
  public static final class Builder {

    /** What the teacher is called. */
    public static final String TEACHER = "teacher";

    /** The default title. */
    public static final String DEFAULT_TITLE = "Distillation report";

    private static final String ONLY_ONCE = "%s must be set only once but was already set";

    private final List<Contender> contenders = new ArrayList<>();
    private final Map<String, Contender> before = new LinkedHashMap<>();
    private final Map<String, Contender> recovered = new LinkedHashMap<>();
    private final List<SpecialisationComparison.TaskSet> others = new ArrayList<>();
    private @Nullable String title;
    private @Nullable DistillationDataset testSet;
    private SpecialisationComparison.@Nullable TaskSet target;
    private @Nullable Duration measuringTime;

    private Builder() {}

    /**
     * Sets the title.
     *
     * @param title the title; default {@value #DEFAULT_TITLE}
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder title(String title) {
      checkState(this.title == null, ONLY_ONCE, "title");
      this.title = requireNonNull(title, "title");
      return this;
    }

    /**
     * Sets the rows that all models are compared on.
     *
     * @param testSet rows that no student saw in training; those with labels give accuracies, all
     *     give fidelity to the teacher
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder testSet(DistillationDataset testSet) {
      checkState(this.testSet == null, ONLY_ONCE, "testSet");
      this.testSet = requireNonNull(testSet, "testSet");
      return this;
    }

    /**
     * Sets the teacher.
     *
     * @param teachers one, or one for each seed if each seed had its own
     * @return this builder
     * @throws IllegalArgumentException if there is none
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder teacher(Teacher... teachers) {
      return add(new Contender(TEACHER, Role.TEACHER, List.of(teachers), List.of()), true);
    }

    /**
     * Sets the student that saw the same labels without a teacher, which the gap is measured from.
     *
     * @param name what to call it
     * @param results one result for each seed
     * @return this builder
     * @throws IllegalArgumentException if there is none, or the name is taken or blank
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder plain(String name, TrainedStudent... results) {
      return add(trained(name, Role.PLAIN, results), true);
    }

    /**
     * Sets the student that saw the same labels without a teacher, which the gap is measured from.
     *
     * @param name what to call it
     * @param models one model for each seed
     * @return this builder
     * @throws IllegalArgumentException if there is none, or the name is taken or blank
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder plain(String name, DeployableModel... models) {
      return add(bare(name, Role.PLAIN, models), true);
    }

    /**
     * Adds another student, such as a self-trained one.
     *
     * @param name what to call it
     * @param results one result for each seed
     * @return this builder
     * @throws IllegalArgumentException if there is none, or the name is taken or blank
     */
    @CanIgnoreReturnValue
    public Builder student(String name, TrainedStudent... results) {
      return add(trained(name, Role.STUDENT, results), false);
    }

    /**
     * Adds another student, such as a self-trained one.
     *
     * @param name what to call it
     * @param models one model for each seed
     * @return this builder
     * @throws IllegalArgumentException if there is none, or the name is taken or blank
     */
    @CanIgnoreReturnValue
    public Builder student(String name, DeployableModel... models) {
      return add(bare(name, Role.STUDENT, models), false);
    }

    /**
     * Adds a distilled student; the headline tells of the first one.
     *
     * @param name what to call it
     * @param results one result for each seed
     * @return this builder
     * @throws IllegalArgumentException if there is none, or the name is taken or blank
     */
    @CanIgnoreReturnValue
    public Builder distilled(String name, TrainedStudent... results) {
      return add(trained(name, Role.DISTILLED, results), false);
    }

    /**
     * Adds a distilled student; the headline tells of the first one.
     *
     * @param name what to call it
     * @param models one model for each seed
     * @return this builder
     * @throws IllegalArgumentException if there is none, or the name is taken or blank
     */
    @CanIgnoreReturnValue
    public Builder distilled(String name, DeployableModel... models) {
      return add(bare(name, Role.DISTILLED, models), false);
    }

    /**
     * Names what the students are specialised in; makes the specialisation report.
     *
     * <p>The score on the target is the accuracy of the models' own classifiers if all of them have
     * one for these classes, else that of a {@linkplain io.distill.evaluation.LinearProbe linear
     * probe} on their representations.
     *
     * @param name what to call it
     * @param train labelled rows of the target, as the students were trained on: they tell which
     *     classes are rare, and a probe is fitted on them
     * @param test labelled rows to measure on
     * @return this builder
     * @throws IllegalStateException if it was set before
     * @throws IllegalArgumentException if the name is blank, or no row of {@code test} has a label
     */
    @CanIgnoreReturnValue
    public Builder target(String name, DistillationDataset train, DistillationDataset test) {
      checkState(target == null, ONLY_ONCE, "target");
      target = taskSet(name, train, test);
      return this;
    }

    /**
     * Adds a set that the students were not specialised in. All models are scored on it by a
     * {@linkplain io.distill.evaluation.LinearProbe linear probe} on their frozen representations,
     * fitted on the same rows with the same penalty.
     *
     * @param name what to call it
     * @param train labelled rows that a probe is fitted on
     * @param test labelled rows to measure on
     * @return this builder
     * @throws IllegalArgumentException if the name is blank or taken, or no row of {@code test} has
     *     a label
     */
    @CanIgnoreReturnValue
    public Builder other(String name, DistillationDataset train, DistillationDataset test) {
      checkArgument(
          others.stream().noneMatch(other -> other.name().equals(name)),
          "name must differ from those of other sets but %s was given twice",
          name);
      others.add(taskSet(name, train, test));
      return this;
    }

    /**
     * Gives the models that a student was before it was specialised, which the transferability
     * index compares with.
     *
     * @param student the name of the student
     * @param models one for each seed, or a single one
     * @return this builder
     * @throws IllegalArgumentException if there is none, or that student has them already
     */
    @CanIgnoreReturnValue
    public Builder before(String student, DeployableModel... models) {
      Contender contender = bare(student, Role.STUDENT, models);
      checkArgument(
          before.put(student, contender) == null,
          "student must be given once but %s was given twice",
          student);
      return this;
    }

    /**
     * Gives the models that a student became when general data were mixed in again, usually 30 %.
     *
     * @param student the name of the student
     * @param models one for each seed, or a single one
     * @return this builder
     * @throws IllegalArgumentException if there is none, or that student has them already
     */
    @CanIgnoreReturnValue
    public Builder recovered(String student, DeployableModel... models) {
      Contender contender = bare(student, Role.STUDENT, models);
      checkArgument(
          recovered.put(student, contender) == null,
          "student must be given once but %s was given twice",
          student);
      return this;
    }

    /**
     * Sets how long the latency of each kind of model is measured; the throughput takes half of it,
     * the peak memory a few seconds more.
     *
     * @param time the time, warm-up included; zero to measure no speed and no memory; default 2 s
     * @return this builder
     * @throws IllegalStateException if it was set before
     * @throws IllegalArgumentException if it is negative
     */
    @CanIgnoreReturnValue
    public Builder measuringTime(Duration time) {
      checkState(measuringTime == null, ONLY_ONCE, "measuringTime");
      checkArgument(
          !requireNonNull(time, "time").isNegative(), "time must be at least 0 but was %s", time);
      measuringTime = time;
      return this;
    }

    private static SpecialisationComparison.TaskSet taskSet(
        String name, DistillationDataset train, DistillationDataset test) {
      requireName(name);
      SpecialisationComparison.TaskSet set =
          new SpecialisationComparison.TaskSet(
              name, requireNonNull(train, "train"), requireNonNull(test, "test"));
      checkArgument(
          set.labelledRows().length > 0, "test of %s must have labels but no row has one", name);
      return set;
    }

    private static void requireName(String name) {
      checkArgument(!requireNonNull(name, "name").isBlank(), "name must not be blank");
    }

    private static Contender trained(String name, Role role, TrainedStudent... results) {
      return new Contender(
          name,
          role,
          Arrays.stream(results).map(result -> (Teacher) Teacher.of(result.student())).toList(),
          List.of(results));
    }

    private static Contender bare(String name, Role role, DeployableModel... models) {
      return new Contender(
          name,
          role,
          Arrays.stream(models).map(model -> (Teacher) Teacher.of(model)).toList(),
          List.of());
    }

    @CanIgnoreReturnValue
    private Builder add(Contender contender, boolean once) {
      requireName(contender.name());
      checkArgument(
          contender.seeds() > 0, "%s must have at least one model but had none", contender.name());
      checkState(
          !once || contenders.stream().noneMatch(each -> each.role() == contender.role()),
          ONLY_ONCE,
          contender.role().key());
      checkArgument(
          contenders.stream().noneMatch(each -> each.name().equals(contender.name())),
          "name must differ from those of other models but %s was given twice",
          contender.name());
      contenders.add(contender);
      return this;
    }

    /**
     * Measures. Takes some seconds for each kind of model.
     *
     * @return the report
     * @throws IllegalStateException if nothing is to be reported, or parts do not fit each other
     * @throws DistillationException if a model cannot answer at all
     */
    public Report build() {
      check();
      List<Contender> ordered = new ArrayList<>(contenders);
      ordered.sort(java.util.Comparator.comparing(Contender::role));
      return new Report(
          new Measurement(
                  title == null ? DEFAULT_TITLE : title,
                  ordered,
                  before,
                  recovered,
                  Optional.ofNullable(testSet),
                  Optional.ofNullable(target),
                  others,
                  measuringTime == null
                      ? io.distill.evaluation.Latency.DEFAULT_TIME
                      : measuringTime)
              .findings(Instant.now()));
    }

    private void check() {
      List<String> problems = new ArrayList<>();
      if (contenders.isEmpty()) {
        problems.add("a model must be given; call distilled(...)");
      }
      int seeds = contenders.stream().mapToInt(Contender::seeds).max().orElse(1);
      List<Contender> all = new ArrayList<>(contenders);
      all.addAll(before.values());
      all.addAll(recovered.values());
      for (Contender each : all) {
        if (each.seeds() != 1 && each.seeds() != seeds) {
          problems.add(
              each.name()
                  + " must have one model for each of the "
                  + seeds
                  + " seeds, or a single one, but had "
                  + each.seeds());
        }
      }
      for (Map<String, Contender> extra : List.of(before, recovered)) {
        for (String name : extra.keySet()) {
          if (contenders.stream().noneMatch(each -> each.name().equals(name))) {
            problems.add("before(...) and recovered(...) must name a student but named " + name);
          }
        }
      }
      if (target == null && !(others.isEmpty() && before.isEmpty() && recovered.isEmpty())) {
        problems.add("other(...), before(...) and recovered(...) must come with target(...)");
      }
      checkState(problems.isEmpty(), "report cannot be built: %s", String.join("; ", problems));
    }

    /**
     * Measures and writes; literally {@code build().writeHtml(file)}. To write JSON too, build the
     * report once.
     *
     * @param file the file; whole or not at all
     * @throws IllegalStateException as {@link #build}
     * @throws DistillationException as {@link #build}, or if the file cannot be written
     */
    public void writeHtml(Path file) {
      build().writeHtml(file);
    }

    /**
     * Measures and writes; literally {@code build().writeJson(file)}.
     *
     * @param file the file; whole or not at all
     * @throws IllegalStateException as {@link #build}
     * @throws DistillationException as {@link #build}, or if the file cannot be written
     */
    public void writeJson(Path file) {
      build().writeJson(file);
    }
  }

  /** Returns the texts of a data set to time models on; empty if it is none of texts. */
  static List<String> texts(DistillationDataset dataset) {
    return dataset instanceof TextDataset texts ? texts.texts() : List.of();
  }
}
