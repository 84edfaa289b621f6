package io.distill.report;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.evaluation.Bootstrap;
import io.distill.evaluation.Calibration;
import io.distill.evaluation.Interval;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Function;

/** Writes findings as JSON: all of them, and no NaN or infinity. */
final class JsonReport {

  static final String FORMAT = "io.distill.report";
  static final int VERSION = 1;

  private static final Gson GSON =
      new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

  private JsonReport() {}

  static String of(Findings findings) {
    JsonObject json = new JsonObject();
    json.addProperty("format", FORMAT);
    json.addProperty("version", VERSION);
    json.addProperty("title", findings.title());
    json.addProperty("created", findings.created().toString());
    json.add("headline", strings(findings.headline()));
    json.add("notes", strings(findings.notes()));
    JsonObject bootstrap = new JsonObject();
    bootstrap.addProperty("resamples", Bootstrap.RESAMPLES);
    bootstrap.addProperty("level", Bootstrap.LEVEL);
    bootstrap.addProperty("minSeeds", Bootstrap.MIN_SEEDS);
    json.add("bootstrap", bootstrap);
    json.add(
        "testSet", findings.test().<JsonElement>map(JsonReport::test).orElse(JsonNull.INSTANCE));
    json.add("models", array(findings.models(), JsonReport::model));
    json.add(
        "specialisation",
        findings
            .specialisation()
            .<JsonElement>map(JsonReport::specialisation)
            .orElse(JsonNull.INSTANCE));
    json.add("runs", array(findings.runs(), JsonReport::run));
    return GSON.toJson(json) + "\n";
  }

  private static JsonObject test(Findings.Test test) {
    JsonObject json = new JsonObject();
    json.addProperty("rows", test.rows());
    json.addProperty("labelledRows", test.labelledRows());
    json.add("classes", strings(test.classes()));
    return json;
  }

  private static JsonObject model(Findings.OfModel model) {
    JsonObject json = new JsonObject();
    json.addProperty("name", model.name());
    json.addProperty("role", model.role().key());
    json.addProperty("seeds", model.seeds());
    json.add("accuracyBySeed", array(model.accuracyBySeed(), JsonPrimitive::new));
    json.add("figures", figures(model.figures()));
    json.add("classes", array(model.classes(), JsonReport::ofClass));
    json.add(
        "confusion",
        model.confusion().isEmpty()
            ? JsonNull.INSTANCE
            : array(model.confusion(), row -> array(row, JsonPrimitive::new)));
    json.add(
        "reliability",
        model
            .reliability()
            .<JsonElement>map(each -> array(each.bins(), JsonReport::bin))
            .orElse(JsonNull.INSTANCE));
    return json;
  }

  private static JsonObject ofClass(Findings.OfClass each) {
    JsonObject json = new JsonObject();
    json.addProperty("name", each.name());
    json.addProperty("rows", each.rows());
    json.add("accuracy", figure(each.accuracy()));
    return json;
  }

  private static JsonObject bin(Calibration.Bin bin) {
    JsonObject json = new JsonObject();
    json.addProperty("rows", bin.rows());
    json.addProperty("confidence", bin.confidence());
    json.addProperty("accuracy", bin.accuracy());
    return json;
  }

  private static JsonObject figures(Map<String, Figure> figures) {
    JsonObject json = new JsonObject();
    figures.forEach((name, figure) -> json.add(name, figure(figure)));
    return json;
  }

  private static JsonObject figure(Figure figure) {
    JsonObject json = new JsonObject();
    json.add("value", figure.isPresent() ? new JsonPrimitive(figure.get()) : JsonNull.INSTANCE);
    if (figure.interval().isPresent()) {
      Interval interval = figure.interval().get();
      JsonObject range = new JsonObject();
      range.addProperty("low", interval.low());
      range.addProperty("high", interval.high());
      range.addProperty("over", interval.over().toString());
      json.add("interval", range);
    }
    if (!figure.isPresent()) {
      json.addProperty("missing", figure.missing());
    }
    return json;
  }

  private static JsonObject specialisation(Findings.Specialisation found) {
    JsonObject json = new JsonObject();
    json.addProperty("target", found.target());
    json.addProperty("measuredBy", found.measuredBy());
    json.add("rareClasses", strings(found.rareClasses()));
    json.add("others", strings(found.others()));
    json.add(
        "models",
        array(
            found.models(),
            model -> {
              JsonObject each = new JsonObject();
              each.addProperty("name", model.name());
              each.addProperty("role", model.role().key());
              each.add("figures", figures(model.figures()));
              JsonObject others = new JsonObject();
              model.others().forEach((name, figures) -> others.add(name, figures(figures)));
              each.add("others", others);
              return each;
            }));
    return json;
  }

  private static JsonObject run(Findings.Run run) {
    JsonObject json = new JsonObject();
    json.addProperty("model", run.model());
    json.addProperty("seed", run.seed());
    json.addProperty("steps", run.steps());
    json.addProperty("seconds", run.seconds());
    json.addProperty("teacherSeconds", run.teacherSeconds());
    json.add("joules", optional(run.record().joules()));
    json.add("epochs", array(run.epochs(), JsonReport::epoch));
    json.add("points", points(run.record().points()));
    json.add("gradientScales", array(run.gradientScales(), JsonReport::scales));
    return json;
  }

  private static JsonObject epoch(TrainingListener.Epoch epoch) {
    JsonObject json = new JsonObject();
    json.addProperty("epoch", epoch.epoch());
    json.add("loss", number(epoch.loss()));
    json.add("terms", numbers(epoch.terms()));
    json.add("learningRate", number(epoch.learningRate()));
    json.add("temperature", number(epoch.temperature()));
    json.add("metrics", numbers(epoch.metrics()));
    json.add("seconds", number(epoch.seconds()));
    return json;
  }

  /** Writes the curves by columns: a name and as many numbers as there are points. */
  private static JsonObject points(List<RunRecord.Point> points) {
    JsonObject json = new JsonObject();
    json.add("firstStep", array(points, point -> new JsonPrimitive(point.firstStep())));
    json.add("lastStep", array(points, point -> new JsonPrimitive(point.lastStep())));
    json.add("loss", array(points, point -> number(point.loss())));
    json.add("terms", columns(points, RunRecord.Point::terms));
    json.add("weights", columns(points, RunRecord.Point::weights));
    json.add("learningRate", array(points, point -> number(point.learningRate())));
    json.add("temperature", array(points, point -> optional(point.temperature())));
    json.add("gradientNorm", array(points, point -> number(point.gradientNorm())));
    return json;
  }

  private static JsonObject columns(
      List<RunRecord.Point> points, Function<RunRecord.Point, Map<String, Double>> values) {
    JsonObject json = new JsonObject();
    points.stream()
        .flatMap(point -> values.apply(point).keySet().stream())
        .distinct()
        .forEach(
            name ->
                json.add(
                    name,
                    array(
                        points,
                        point -> number(values.apply(point).getOrDefault(name, Double.NaN)))));
    return json;
  }

  private static JsonObject scales(GradientScales scales) {
    JsonObject json = new JsonObject();
    json.addProperty("step", scales.progress().step() + 1);
    json.add("norms", numbers(scales.norms()));
    return json;
  }

  private static JsonObject numbers(Map<String, Double> values) {
    JsonObject json = new JsonObject();
    values.forEach((name, value) -> json.add(name, number(value)));
    return json;
  }

  /** Returns null instead of what JSON has no numbers for. */
  private static JsonElement number(double value) {
    return Double.isFinite(value) ? new JsonPrimitive(value) : JsonNull.INSTANCE;
  }

  private static JsonElement optional(OptionalDouble value) {
    return value.isPresent() ? number(value.getAsDouble()) : JsonNull.INSTANCE;
  }

  private static JsonArray strings(List<String> values) {
    return array(values, JsonPrimitive::new);
  }

  private static <T> JsonArray array(List<T> values, Function<T, JsonElement> each) {
    JsonArray array = new JsonArray();
    values.forEach(value -> array.add(each.apply(value)));
    return array;
  }
}
