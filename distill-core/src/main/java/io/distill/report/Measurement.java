package io.distill.report;

import static java.util.Objects.requireNonNull;

import io.distill.data.DistillationDataset;
import io.distill.evaluation.Bootstrap;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Finds out everything that a report says. */
final class Measurement {

  /** Above this load for each processor, others took time from what was measured. */
  private static final double BUSY = 1.5;

  private final String title;
  private final List<Contender> contenders;
  private final Map<String, Contender> before;
  private final Map<String, Contender> recovered;
  private final Optional<DistillationDataset> testSet;
  private final Optional<SpecialisationComparison.TaskSet> target;
  private final List<SpecialisationComparison.TaskSet> others;
  private final Duration time;
  private final Questions questions = new Questions();

  Measurement(
      String title,
      List<Contender> contenders,
      Map<String, Contender> before,
      Map<String, Contender> recovered,
      Optional<DistillationDataset> testSet,
      Optional<SpecialisationComparison.TaskSet> target,
      List<SpecialisationComparison.TaskSet> others,
      Duration time) {
    this.title = title;
    this.contenders = List.copyOf(contenders);
    this.before = before;
    this.recovered = recovered;
    this.testSet = testSet;
    this.target = target;
    this.others = List.copyOf(others);
    this.time = time;
  }

  Findings findings(Instant created) {
    Optional<TestComparison> comparison =
        testSet.map(test -> new TestComparison(contenders, test, questions));
    List<Map<String, Figure>> figures = figures(comparison);
    List<Findings.OfModel> models = new ArrayList<>();
    for (int i = 0; i < contenders.size(); i++) {
      int index = i;
      Contender contender = contenders.get(i);
      models.add(
          new Findings.OfModel(
              contender.name(),
              contender.role(),
              contender.seeds(),
              comparison.map(each -> each.accuracyBySeed(index)).orElse(List.of()),
              figures.get(i),
              comparison.map(each -> each.classes(index)).orElse(List.of()),
              comparison.map(each -> each.confusion(index)).orElse(List.of()),
              comparison.flatMap(each -> each.reliability(index))));
    }
    Optional<Findings.Specialisation> specialisation =
        target.map(
            set ->
                new SpecialisationComparison(contenders, before, recovered, set, others, questions)
                    .findings());
    Findings findings =
        new Findings(
            title,
            created,
            List.of(),
            notes(specialisation.isPresent()),
            comparison.map(TestComparison::test),
            models,
            specialisation,
            runs());
    return new Findings(
        title,
        created,
        Headline.of(findings),
        findings.notes(),
        findings.test(),
        models,
        specialisation,
        findings.runs());
  }

  private List<Map<String, Figure>> figures(Optional<TestComparison> comparison) {
    List<Map<String, Figure>> figures = new ArrayList<>();
    comparison.ifPresentOrElse(
        each -> figures.addAll(each.figures()),
        () -> contenders.forEach(each -> figures.add(new LinkedHashMap<>())));
    List<String> texts =
        testSet
            .or(() -> target.map(SpecialisationComparison.TaskSet::test))
            .map(Report::texts)
            .orElse(List.of());
    for (int i = 0; i < contenders.size(); i++) {
      requireNonNull(figures.get(i)).putAll(Costs.of(contenders.get(i), texts, time));
    }
    for (int i = 1; i < contenders.size(); i++) {
      if (contenders.get(0).role() == Role.TEACHER) {
        Costs.compare(figures.get(i), figures.get(0));
      }
    }
    return figures;
  }

  private List<String> notes(boolean specialisation) {
    int seeds = contenders.stream().mapToInt(Contender::seeds).max().orElse(1);
    List<String> notes = new ArrayList<>();
    if (seeds < Bootstrap.MIN_SEEDS && (testSet.isPresent() || specialisation)) {
      notes.add(
          "Only "
              + (seeds == 1 ? "1 seed was" : seeds + " seeds were")
              + " trained. Intervals leave out how much training differs from seed to seed"
              + (specialisation ? ", and those of the specialisation report are missing" : "")
              + "; train at least "
              + Bootstrap.MIN_SEEDS
              + " seeds.");
    }
    double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    int processors = Runtime.getRuntime().availableProcessors();
    if (load > BUSY * processors
        && !time.isZero()
        && testSet.or(() -> target.map(SpecialisationComparison.TaskSet::test)).isPresent()) {
      notes.add(
          String.format(
              Locale.ROOT,
              "The machine was busy while speeds were measured (load %.1f on %d processors): times"
                  + " are too long, most of all those of the larger model.",
              load,
              processors));
    }
    boolean students =
        contenders.stream()
            .anyMatch(each -> each.role() == Role.DISTILLED || each.role() == Role.STUDENT);
    boolean plain = contenders.stream().anyMatch(each -> each.role() == Role.PLAIN);
    if (testSet.isPresent() && students && !plain) {
      notes.add(
          "No plainly trained student is compared: nothing here tells whether distilling helped.");
    }
    return notes;
  }

  private List<Findings.Run> runs() {
    List<Findings.Run> runs = new ArrayList<>();
    for (Contender contender : contenders) {
      for (int seed = 0; seed < contender.runs().size(); seed++) {
        TrainedStudent run = contender.runs().get(seed);
        runs.add(
            new Findings.Run(
                contender.name(),
                seed + 1,
                run.steps(),
                run.seconds(),
                run.teacherSeconds(),
                run.history(),
                run.gradientScales(),
                run.runRecord()));
      }
    }
    return runs;
  }
}
