package io.distill.examples.email;

import static java.util.Objects.requireNonNull;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import io.distill.examples.email.Contest.Contestant;
import io.distill.examples.email.Contest.Outcome;
import io.distill.exception.DistillationException;
import io.distill.report.Report;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The figures of all contestants over all seeds, as a table and as JSON. */
final class Summary {

  private final Scenario scenario;
  private final List<Long> seeds;
  private final Map<Contestant, Figures> means = new EnumMap<>(Contestant.class);
  private final double untrainedOffTask;

  Summary(Scenario scenario, List<Long> seeds, List<Outcome> outcomes, Report report) {
    this.scenario = scenario;
    this.seeds = List.copyOf(seeds);
    for (Contestant contestant : Contestant.values()) {
      means.put(contestant, Contest.figures(report, contestant, outcomes));
    }
    this.untrainedOffTask =
        outcomes.stream().mapToDouble(Outcome::untrainedOffTask).average().orElse(Double.NaN);
  }

  private Figures mean(Contestant contestant) {
    return requireNonNull(means.get(contestant));
  }

  void print(PrintStream out) {
    out.printf(
        "%nHeld-out rows: %d in %d classes; means over %d seed%s%n%n",
        scenario.test().size(),
        scenario.test().classNames().size(),
        seeds.size(),
        seeds.size() == 1 ? "" : "s");
    out.printf(
        "%-36s %8s %9s %11s %11s %11s %9s %9s%n",
        "", "accuracy", "agreement", "parameters", "bytes", "sentences/s", "p50 ms", "training s");
    for (Contestant contestant : Contestant.values()) {
      Figures figures = mean(contestant);
      out.printf(
          Locale.ROOT,
          "%-36s %7.1f%% %8.1f%% %,11d %,11d %,11.0f %9.3f %9.1f%n",
          contestant.title(),
          100 * figures.accuracy(),
          100 * figures.agreement(),
          figures.parameters(),
          figures.bytes(),
          figures.sentencesPerSecond(),
          figures.p50Millis(),
          figures.trainingSeconds());
    }
    printComparison(out);
    printOffTask(out);
    out.flush();
  }

  private void printComparison(PrintStream out) {
    Figures teacher = mean(Contestant.TEACHER);
    Figures plain = mean(Contestant.PLAIN);
    Figures self = mean(Contestant.SELF_TRAINED);
    Figures distilled = mean(Contestant.DISTILLED);
    out.printf(
        Locale.ROOT,
        "%nThe distilled student keeps %.1f %% of the teacher's accuracy, %+.1f points against the"
            + " plain and %+.1f%nagainst the self-trained student. It has %.1f times fewer"
            + " parameters and bytes %.1f times fewer; on one%nthread, one text at a time, it is %.0f"
            + " times faster with tokenising (%.3f against %.3f ms) and %.0f times%nwithout (%.3f"
            + " against %.3f ms).%n",
        100 * distilled.accuracy() / teacher.accuracy(),
        100 * (distilled.accuracy() - plain.accuracy()),
        100 * (distilled.accuracy() - self.accuracy()),
        (double) teacher.parameters() / distilled.parameters(),
        (double) teacher.bytes() / distilled.bytes(),
        teacher.p50Millis() / distilled.p50Millis(),
        distilled.p50Millis(),
        teacher.p50Millis(),
        teacher.p50MillisWithoutTokenising() / distilled.p50MillisWithoutTokenising(),
        distilled.p50MillisWithoutTokenising(),
        teacher.p50MillisWithoutTokenising());
    if (!scenario.hasUnlabelledRows()) {
      out.println(
          "Every training row has a label here. A teacher mostly helps where labels are few: try"
              + " --labels-per-class 10.");
    }
  }

  private void printOffTask(PrintStream out) {
    out.printf(
        "%nOff task: can a linear probe on the representation tell %s apart?%n",
        String.join(", ", scenario.others().classNames()));
    double teacher = mean(Contestant.TEACHER).offTask();
    for (Contestant contestant : Contestant.values()) {
      out.printf(
          Locale.ROOT,
          "%-36s %7.1f%%   (%.0f %% of the teacher's)%n",
          contestant.title(),
          100 * mean(contestant).offTask(),
          100 * mean(contestant).offTask() / teacher);
    }
    out.printf(
        Locale.ROOT,
        "%-36s %7.1f%%   (%.0f %% of the teacher's)%n",
        "student, untrained",
        100 * untrainedOffTask,
        100 * untrainedOffTask / teacher);
    out.println(
        "The untrained student starts from the teacher's word embeddings; training on one task"
            + " costs part of that.");
  }

  void writeJson(Path file) {
    Gson gson =
        new GsonBuilder().setPrettyPrinting().serializeSpecialFloatingPointValues().create();
    JsonObject json = new JsonObject();
    for (Contestant contestant : Contestant.values()) {
      json.add(contestant.key(), gson.toJsonTree(mean(contestant)));
    }
    json.addProperty("untrainedOffTask", untrainedOffTask);
    json.add("seeds", gson.toJsonTree(new ArrayList<>(seeds)));
    json.addProperty("testRows", scenario.test().size());
    json.addProperty("classes", scenario.test().classNames().size());
    json.addProperty("trainingRows", scenario.training(seeds.get(0)).size());
    json.addProperty("labelledRows", scenario.training(seeds.get(0)).labelledRows().length);
    try {
      Path beside = file.resolveSibling(file.getFileName() + ".part");
      Files.writeString(beside, gson.toJson(json) + "\n");
      Files.move(beside, file, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new DistillationException(
          "--json must name a file that can be written but " + file + " cannot (" + e + ")", e);
    }
  }
}
