package io.distill.report;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import io.distill.evaluation.Latency;
import io.distill.evaluation.ModelSize;
import io.distill.evaluation.PeakMemory;
import io.distill.evaluation.Throughput;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.teacher.ModelTeacher;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Supplier;

/** Measures what models cost: to keep, to ask, to train. */
final class Costs {

  private static final int TEXTS = 200;

  private Costs() {}

  /** Measures the first model of each contender; {@code texts} may be empty. */
  static Map<String, Figure> of(Contender contender, List<String> texts, Duration time) {
    Map<String, Figure> figures = new LinkedHashMap<>();
    if (contender.models().get(0) instanceof ModelTeacher local) {
      DeployableModel model = local.model();
      figures.put("parameters", Figure.of((double) model.parameterCount()));
      figures.put("bytes", bytes(model));
      speeds(figures, model, texts, time);
    }
    training(figures, contender.runs());
    return figures;
  }

  private static Figure bytes(DeployableModel model) {
    try {
      Path directory = Files.createTempDirectory("distill-report");
      try {
        model.save(directory.resolve("model"));
        return Figure.of((double) ModelSize.bytes(directory.resolve("model")));
      } finally {
        MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    } catch (IOException | DistillationException e) {
      return Figure.missing("not measured: " + e.getMessage());
    }
  }

  private static void speeds(
      Map<String, Figure> figures, DeployableModel model, List<String> texts, Duration time) {
    String reason = "";
    if (time.isZero()) {
      reason = "not measured: no time was given for it";
    } else if (model.tokenizer().isEmpty()) {
      reason = "not measured: the model reads no text";
    } else if (texts.isEmpty()) {
      reason = "not measured: the test set has no texts";
    }
    List<String> asked = texts.subList(0, Math.min(TEXTS, texts.size()));
    String why = reason;
    measure(
        figures,
        List.of(
            "p50Millis",
            "p95Millis",
            "tokenizerP50Millis",
            "modelP50Millis",
            "modelP95Millis",
            "textsPerSecond"),
        why,
        () -> {
          Latency latency = Latency.measure(model, asked, time);
          return new double[] {
            latency.p50Millis(),
            latency.p95Millis(),
            latency.tokenizerP50Millis(),
            latency.modelP50Millis(),
            latency.modelP95Millis(),
            latency.sentencesPerSecond()
          };
        });
    measure(
        figures,
        List.of("batchTextsPerSecond"),
        why,
        () -> new double[] {Throughput.measure(model, asked, time.dividedBy(2)).textsPerSecond()});
    if (why.isEmpty()) {
      memory(figures, model, asked);
    } else {
      figures.put("peakMemoryBytes", Figure.missing(why));
    }
  }

  private static void memory(
      Map<String, Figure> figures, DeployableModel model, List<String> texts) {
    try {
      PeakMemory memory = PeakMemory.measure(model, texts);
      figures.put("peakMemoryBytes", Figure.of((double) memory.bytes()));
      figures.put("engineMemoryBytes", Figure.of((double) memory.engineBytes()));
    } catch (DistillationException e) {
      figures.put("peakMemoryBytes", Figure.missing("not measured: " + e.getMessage()));
    }
  }

  /** Adds measured figures, or why there are none. */
  private static void measure(
      Map<String, Figure> figures, List<String> names, String why, Supplier<double[]> measurement) {
    String missing = why;
    double[] values = new double[0];
    if (why.isEmpty()) {
      try {
        values = measurement.get();
      } catch (DistillationException e) {
        missing = "not measured: " + e.getMessage();
      }
    }
    for (int i = 0; i < names.size(); i++) {
      figures.put(
          names.get(i), values.length == 0 ? Figure.missing(missing) : Figure.of(values[i]));
    }
  }

  private static void training(Map<String, Figure> figures, List<TrainedStudent> runs) {
    if (runs.isEmpty()) {
      return;
    }
    double[] seconds = runs.stream().mapToDouble(TrainedStudent::seconds).toArray();
    double[] teacher = runs.stream().mapToDouble(TrainedStudent::teacherSeconds).toArray();
    double[] share = new double[seconds.length];
    for (int i = 0; i < share.length; i++) {
      share[i] = seconds[i] > 0 ? teacher[i] / seconds[i] : 0;
    }
    figures.put(
        "trainingSteps",
        TestComparison.meanAndRange(runs.stream().mapToDouble(TrainedStudent::steps).toArray()));
    figures.put("trainingSeconds", TestComparison.meanAndRange(seconds));
    figures.put("teacherSeconds", TestComparison.meanAndRange(teacher));
    figures.put("teacherShare", TestComparison.meanAndRange(share));
    List<Double> joules = new ArrayList<>();
    for (TrainedStudent run : runs) {
      OptionalDouble energy = run.runRecord().joules();
      if (energy.isPresent()) {
        joules.add(energy.getAsDouble());
      }
    }
    figures.put(
        "trainingJoules",
        joules.size() < runs.size()
            ? Figure.missing("not measured: this machine has no readable energy counter")
            : TestComparison.meanAndRange(
                joules.stream().mapToDouble(Double::doubleValue).toArray()));
  }

  /** Adds how much less a student costs than the teacher. */
  static void compare(Map<String, Figure> student, Map<String, Figure> teacher) {
    ratio(student, "timesFewerParameters", teacher, student, "parameters");
    ratio(student, "timesFewerBytes", teacher, student, "bytes");
    ratio(student, "timesFaster", teacher, student, "p50Millis");
    ratio(student, "timesFasterWithoutTokenising", teacher, student, "modelP50Millis");
    ratio(student, "timesTheThroughput", student, teacher, "batchTextsPerSecond");
  }

  private static void ratio(
      Map<String, Figure> into,
      String name,
      Map<String, Figure> above,
      Map<String, Figure> below,
      String key) {
    Figure top = above.get(key);
    Figure bottom = below.get(key);
    if (top != null && bottom != null && top.isPresent() && bottom.isPresent()) {
      into.put(name, Figure.of(top.get() / bottom.get()));
    }
  }
}
