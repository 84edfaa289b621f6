package io.distill.report;

import io.distill.evaluation.Calibration;
import io.distill.evaluation.Interval;
import io.distill.schedule.Progress;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/** Made-up findings of any shape, to look at pages of reports without training anything. */
final class SampleFindings {

  private final Random random = new Random(7);
  private final int classes;
  private final int seeds;
  private final int epochs;
  private final IntFunction<String> className;
  private final boolean specialised;

  private SampleFindings(
      int classes, int seeds, int epochs, IntFunction<String> className, boolean specialised) {
    this.classes = classes;
    this.seeds = seeds;
    this.epochs = epochs;
    this.className = className;
    this.specialised = specialised;
  }

  static Findings of(int classes, int seeds, int epochs, IntFunction<String> className) {
    return new SampleFindings(classes, seeds, epochs, className, true)
        .findings("Report of " + classes + " classes", List.of("labels only", "distilled"));
  }

  static Findings named(String title, String student, IntFunction<String> className) {
    return new SampleFindings(3, 3, 2, className, true)
        .findings(title, List.of("labels only", student));
  }

  private Findings findings(String title, List<String> students) {
    List<String> names = IntStream.range(0, classes).mapToObj(className).toList();
    List<Findings.OfModel> models = new ArrayList<>();
    models.add(model("teacher", Role.TEACHER, names, 0.92));
    models.add(model(students.get(0), Role.PLAIN, names, 0.71));
    models.add(model(students.get(1), Role.DISTILLED, names, 0.89));
    List<Findings.Run> runs = new ArrayList<>();
    for (String student : students) {
      for (int seed = 1; seed <= seeds; seed++) {
        runs.add(run(student, seed));
      }
    }
    Findings findings =
        new Findings(
            title,
            Instant.parse("2026-01-02T03:04:05Z"),
            List.of(),
            List.of("A note on " + title + "."),
            Optional.of(new Findings.Test(20 * classes, 20 * classes, names)),
            models,
            specialised ? Optional.of(specialisation(students)) : Optional.empty(),
            runs);
    return new Findings(
        title,
        findings.created(),
        Headline.of(findings),
        findings.notes(),
        findings.test(),
        models,
        findings.specialisation(),
        runs);
  }

  private Figure figure(double value) {
    return Figure.of(
        value,
        Optional.of(
            new Interval(
                0.97 * value,
                1.03 * value,
                seeds >= 3 ? Interval.Over.SEEDS_AND_ROWS : Interval.Over.ROWS)),
        "");
  }

  private Findings.OfModel model(String name, Role role, List<String> names, double accuracy) {
    Map<String, Figure> figures = new LinkedHashMap<>();
    figures.put("accuracy", figure(accuracy));
    figures.put("balancedAccuracy", figure(accuracy - 0.01));
    figures.put("macroF1", figure(accuracy - 0.02));
    figures.put("worstClassAccuracy", figure(accuracy - 0.3));
    figures.put("calibrationError", figure(0.04));
    figures.put("parameters", Figure.of(role == Role.TEACHER ? 22_569_996 : 422_796));
    figures.put("bytes", Figure.of(role == Role.TEACHER ? 90_795_833 : 1_785_283));
    figures.put("p50Millis", Figure.of(role == Role.TEACHER ? 11.9 : 0.031));
    figures.put("peakMemoryBytes", Figure.missing("not measured: <b>no</b> \"such\" file & more"));
    if (role != Role.TEACHER) {
      figures.put("agreement", figure(accuracy - 0.03));
      figures.put("kl", figure(0.31));
      figures.put("similarity", figure(0.78));
      figures.put("retention", figure(accuracy / 0.92));
      figures.put("timesFewerParameters", Figure.of(53.4));
      figures.put("timesFaster", Figure.of(381));
      figures.put("trainingSeconds", figure(12.5));
      figures.put("trainingJoules", Figure.missing("not measured"));
    }
    if (role == Role.DISTILLED) {
      figures.put("gainOverPlain", figure(0.18));
      figures.put("gapClosed", figure(0.857));
    }
    int[][] confusion = new int[classes][classes];
    List<Findings.OfClass> ofClasses = new ArrayList<>();
    for (int c = 0; c < classes; c++) {
      for (int row = 0; row < 20 * seeds; row++) {
        int answer = random.nextDouble() < accuracy ? c : random.nextInt(classes);
        confusion[c][answer]++;
      }
      ofClasses.add(
          new Findings.OfClass(names.get(c), 20, Figure.of(confusion[c][c] / (20.0 * seeds))));
    }
    double[] confidence = random.doubles(200, 1.0 / classes, 1).toArray();
    boolean[] correct = new boolean[confidence.length];
    for (int i = 0; i < correct.length; i++) {
      correct[i] = random.nextDouble() < confidence[i] - 0.05;
    }
    return new Findings.OfModel(
        name,
        role,
        seeds,
        java.util.Collections.nCopies(seeds, accuracy),
        figures,
        ofClasses,
        java.util.Arrays.stream(confusion)
            .map(row -> java.util.Arrays.stream(row).boxed().toList())
            .toList(),
        Optional.of(Calibration.of(confidence, correct)));
  }

  private Findings.Specialisation specialisation(List<String> students) {
    List<Findings.OfSpecialist> found = new ArrayList<>();
    found.add(
        new Findings.OfSpecialist(
            "teacher",
            Role.TEACHER,
            Map.of("targetScore", figure(0.92)),
            Map.of(
                "prose", Map.of("score", figure(0.9)), "recipes", Map.of("score", figure(0.95)))));
    for (String student : students) {
      Map<String, Figure> figures = new LinkedHashMap<>();
      figures.put("targetScore", figure(0.89));
      figures.put("targetRetention", figure(0.967));
      figures.put("offTaskRetentionMean", figure(0.71));
      figures.put("offTaskRetentionWorst", figure(0.6));
      figures.put("specialisationIndex", figure(0.257));
      figures.put(
          "transferabilityIndex",
          Figure.missing("undefined: specialising gained nothing on the target"));
      figures.put("rareClassAccuracy", figure(0.55));
      found.add(
          new Findings.OfSpecialist(
              student,
              student.equals(students.get(0)) ? Role.PLAIN : Role.DISTILLED,
              figures,
              Map.of(
                  "prose",
                  Map.of("score", figure(0.54), "retention", figure(0.6)),
                  "recipes",
                  Map.of("score", figure(0.78), "retention", figure(0.82)))));
    }
    return new Findings.Specialisation(
        "mails", "the accuracy", List.of(className.apply(0)), List.of("prose", "recipes"), found);
  }

  private Findings.Run run(String model, int seed) {
    int perEpoch = 40;
    List<TrainingListener.Epoch> history = new ArrayList<>();
    List<RunRecord.Point> points = new ArrayList<>();
    List<GradientScales> scales = new ArrayList<>();
    long total = (long) perEpoch * epochs;
    for (int epoch = 0; epoch < epochs; epoch++) {
      double level = 2.0 / (1 + epoch);
      history.add(
          new TrainingListener.Epoch(
              epoch + 1,
              epochs,
              level,
              Map.of("softTargets", level, "hardLabels", 2 * level),
              1e-3,
              Double.NaN,
              Map.of("accuracy", 0.9 - level / 4),
              epoch + 1.0));
      scales.add(
          new GradientScales(
              new Progress(epoch, (long) perEpoch * epoch, total, 1),
              Map.of("softTargets", level / 3, "hardLabels", level)));
      for (int step = 1; step <= perEpoch; step++) {
        long at = (long) perEpoch * epoch + step;
        double loss = level * (1 + 0.2 * random.nextGaussian());
        points.add(
            new RunRecord.Point(
                at,
                at,
                loss,
                Map.of("softTargets", loss, "hardLabels", 2 * loss),
                Map.of("softTargets", 0.9, "hardLabels", 1 - (double) at / total),
                1e-3 * (1 - (double) at / total),
                epoch == 0 && step == 1
                    ? OptionalDouble.empty()
                    : OptionalDouble.of(6 - 5.0 * at / total),
                3 * loss));
      }
    }
    return new Findings.Run(
        model,
        seed,
        total,
        12.5,
        9,
        history,
        scales,
        new RunRecord(points, OptionalDouble.empty()));
  }

  /** Writes pages to look at: {@code SampleFindings DIRECTORY}. */
  public static void main(String[] arguments) throws java.io.IOException {
    java.nio.file.Path directory = java.nio.file.Path.of(arguments[0]);
    IntFunction<String> plain = c -> "class_" + c;
    IntFunction<String> lengthy =
        c ->
            "A very long name of a class that somebody chose with care and without limits, no. "
                + c;
    Map<String, Findings> all =
        Map.of(
            "two", of(2, 3, 3, plain),
            "many", of(77, 3, 10, c -> "intent_number_" + c),
            "one-seed", of(5, 1, 1, plain),
            "long-names", of(12, 3, 4, lengthy),
            "hostile",
                named("<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", plain));
    for (Map.Entry<String, Findings> each : all.entrySet()) {
      java.nio.file.Files.writeString(
          directory.resolve(each.getKey() + ".html"), HtmlReport.of(each.getValue()));
    }
  }
}
