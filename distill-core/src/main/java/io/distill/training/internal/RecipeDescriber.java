package io.distill.training.internal;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.RowTemperature;
import io.distill.mapping.LayerMapping;
import io.distill.model.Precision;
import io.distill.provenance.RecipeDescription;
import io.distill.provenance.internal.PartCodec;
import io.distill.provenance.spi.RecipePart;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.Progress;
import io.distill.schedule.TemperatureSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.EarlyStopping;
import io.distill.training.Every;
import io.distill.training.Optimizer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Writes down everything that decides the weights of a run, and makes the parts of a recipe from it
 * again.
 *
 * <p>Listeners, checkpoints and, without early stopping, validation data are left out: they decide
 * nothing.
 */
public final class RecipeDescriber {

  private static final int FORMAT = 1;
  private static final String NO_TEACHER = "none";
  private static final Pattern DEVICE = Pattern.compile("cpu|gpu\\d{1,3}");

  /** A lambda is told from others by what it says at so many points of a run. */
  private static final int SAMPLES = 33;

  /** Steps between two points, so that schedules by steps differ too. */
  private static final int SAMPLE_STRIDE = 32;

  /** Numbers of student and teacher layers at which a mapping is asked for its pairs. */
  private static final int[][] LAYERS = {{1, 1}, {2, 4}, {2, 12}, {3, 12}, {4, 6}, {6, 12}, {6, 2}};

  /** The members that a description may have. */
  static final Set<String> MEMBERS =
      Set.of(
          "format",
          "teacher",
          "data",
          "student",
          "loss",
          "temperature",
          "rowTemperature",
          "layerMapping",
          "epochs",
          "steps",
          "batchSize",
          "gradientAccumulation",
          "gradientClipping",
          "optimizer",
          "learningRateSchedule",
          "seed",
          "device",
          "precision",
          "activationCheckpointing",
          "gradientNormSteps",
          "earlyStopping",
          "evaluations",
          "validation");

  private final PartCodec codec = new PartCodec(RecipeDescriber::facts);

  private RecipeDescriber() {}

  /**
   * Describes a run before its first step; a DJL model that is trained in place has other weights
   * later.
   */
  public static RecipeDescription describe(Recipe recipe, DistillationDataset dataset) {
    return RecipeDescription.of(new RecipeDescriber().json(recipe, dataset));
  }

  private JsonObject json(Recipe recipe, DistillationDataset dataset) {
    JsonObject json = new JsonObject();
    json.addProperty("format", FORMAT);
    json.add("teacher", teacher(recipe.teacher()));
    json.add("data", data(dataset));
    json.add("student", codec.encode(OpenStudent.described(recipe.student())));
    json.add("loss", codec.encode(recipe.loss()));
    if (recipe.rowTemperature() == null) {
      json.add("temperature", codec.encode(recipe.temperature()));
    } else {
      json.add("rowTemperature", codec.encode(recipe.rowTemperature()));
    }
    json.add("layerMapping", codec.encode(recipe.layerMapping()));
    recipe.epochs().ifPresent(epochs -> json.addProperty("epochs", epochs));
    recipe.steps().ifPresent(steps -> json.addProperty("steps", steps));
    json.addProperty("batchSize", recipe.batchSize());
    json.addProperty("gradientAccumulation", recipe.gradientAccumulation());
    json.add("gradientClipping", codec.encode(recipe.gradientClipping()));
    json.add("optimizer", codec.encode(recipe.optimizer()));
    json.add("learningRateSchedule", codec.encode(recipe.learningRateSchedule()));
    json.addProperty("seed", recipe.seed());
    json.addProperty("device", name(recipe.device()));
    json.add("precision", codec.encode(recipe.precision()));
    json.addProperty("activationCheckpointing", recipe.activationCheckpointing());
    recipe.gradientNormSteps().ifPresent(steps -> json.addProperty("gradientNormSteps", steps));
    addEarlyStopping(json, recipe);
    return json;
  }

  /** Where the best student is kept, what it is tried on decides too. */
  private void addEarlyStopping(JsonObject json, Recipe recipe) {
    if (recipe.earlyStopping() != null) {
      json.add("earlyStopping", codec.encode(recipe.earlyStopping(), EarlyStopping.class));
      JsonArray evaluations = new JsonArray();
      recipe.evaluations().forEach(each -> evaluations.add(codec.encode(each, Every.class)));
      json.add("evaluations", evaluations);
      if (recipe.validation() != null) {
        json.add("validation", data(recipe.validation()));
      }
    }
  }

  private static JsonObject data(DistillationDataset dataset) {
    JsonObject data = new JsonObject();
    data.addProperty("fingerprint", dataset.fingerprint());
    data.addProperty("rows", dataset.size());
    return data;
  }

  /** What a teacher is does not count where its answers are known to be the same. */
  private JsonElement teacher(Teacher teacher) {
    if (teacher == Teacher.none()) {
      return new JsonPrimitive(NO_TEACHER);
    }
    Optional<String> fingerprint = teacher.fingerprint();
    if (fingerprint.isEmpty() && teacher instanceof RecipePart) {
      return codec.encode(teacher);
    }
    JsonObject json = new JsonObject();
    if (fingerprint.isPresent()) {
      json.addProperty("fingerprint", fingerprint.get());
    } else {
      json.addProperty(PartCodec.OPAQUE, PartCodec.className(teacher));
    }
    return json;
  }

  static String name(Device device) {
    return device.getDeviceType() + (device.isGpu() ? device.getDeviceId() : "");
  }

  /** What pure functions say, by which two lambdas of one class are told apart. */
  private static Map<String, JsonElement> facts(Object part) {
    JsonArray samples = new JsonArray();
    if (part instanceof TemperatureSchedule schedule) {
      sample(samples, schedule::at);
    } else if (part instanceof WeightSchedule schedule) {
      sample(samples, schedule::at);
    } else if (part instanceof LearningRateSchedule schedule) {
      sample(samples, schedule::factor);
    } else if (part instanceof LayerMapping mapping) {
      sample(samples, mapping);
    }
    return samples.isEmpty() ? Map.of() : Map.of("samples", samples);
  }

  private static void sample(JsonArray samples, ToDoubleFunction<Progress> function) {
    long total = (SAMPLES - 1) * SAMPLE_STRIDE + 1L;
    for (int i = 0; i < SAMPLES; i++) {
      try {
        double value = function.applyAsDouble(new Progress(i, (long) i * SAMPLE_STRIDE, total, 0));
        samples.add(
            Double.isFinite(value)
                ? new JsonPrimitive(value)
                : new JsonPrimitive(Double.toString(value)));
      } catch (RuntimeException e) {
        samples.add(e.getClass().getName());
      }
    }
  }

  private static void sample(JsonArray samples, LayerMapping mapping) {
    for (int[] layers : LAYERS) {
      try {
        samples.add(String.valueOf(mapping.pairs(layers[0], layers[1])));
      } catch (RuntimeException e) {
        samples.add(e.getClass().getName());
      }
    }
  }

  /**
   * The parts of a recipe that a description holds.
   *
   * @param withoutTeacher whether the student learned from labels alone; otherwise the teacher is
   *     the user's to set
   * @param missing what the user must set again: the name on the builder, and what it was
   */
  public record Parts(
      boolean withoutTeacher,
      @Nullable Student student,
      @Nullable DistillationLoss loss,
      @Nullable TemperatureSchedule temperature,
      @Nullable RowTemperature rowTemperature,
      @Nullable LayerMapping layerMapping,
      @Nullable Integer epochs,
      @Nullable Long steps,
      int batchSize,
      int gradientAccumulation,
      double gradientClipping,
      Optimizer optimizer,
      @Nullable LearningRateSchedule learningRateSchedule,
      long seed,
      Device device,
      Precision precision,
      boolean activationCheckpointing,
      @Nullable Integer gradientNormSteps,
      @Nullable EarlyStopping earlyStopping,
      List<Every> evaluations,
      Map<String, String> missing) {

    /** Copies the collections. */
    public Parts {
      evaluations = List.copyOf(evaluations);
      missing = Collections.unmodifiableMap(new LinkedHashMap<>(missing));
    }
  }

  /**
   * Makes the parts that a description holds.
   *
   * @throws DistillationException if a member is missing, unknown or refused
   */
  public static Parts restore(RecipeDescription description) {
    return new RecipeDescriber().new Reader(description.json()).parts();
  }

  /** Reads one description. */
  private final class Reader {
    private final JsonObject json;
    private final Map<String, String> missing = new LinkedHashMap<>();

    Reader(JsonObject json) {
      this.json = json;
    }

    Parts parts() {
      checkMembers();
      return new Parts(
          withoutTeacher(),
          part("student", Student.class),
          part("loss", DistillationLoss.class),
          part("temperature", TemperatureSchedule.class),
          part("rowTemperature", RowTemperature.class),
          part("layerMapping", LayerMapping.class),
          optional("epochs", Integer.class),
          optional("steps", Long.class),
          value("batchSize", Integer.class),
          value("gradientAccumulation", Integer.class),
          value("gradientClipping", Double.class),
          requireNonNull(part("optimizer", Optimizer.class)),
          part("learningRateSchedule", LearningRateSchedule.class),
          value("seed", Long.class),
          device(),
          value("precision", Precision.class),
          value("activationCheckpointing", Boolean.class),
          optional("gradientNormSteps", Integer.class),
          part("earlyStopping", EarlyStopping.class),
          evaluations(),
          missing);
    }

    private void checkMembers() {
      Set<String> unknown = new HashSet<>(json.keySet());
      unknown.removeAll(MEMBERS);
      int format = value("format", Integer.class);
      if (format != FORMAT || !unknown.isEmpty()) {
        throw new DistillationException(
            "recipe must have format "
                + FORMAT
                + " and no members but "
                + MEMBERS.stream().sorted().toList()
                + " but has format "
                + format
                + " and also "
                + unknown.stream().sorted().limit(3).toList()
                + "; read it with the version that wrote it");
      }
      for (String name : List.of("teacher", "data", "student", "loss", "layerMapping")) {
        member(name);
      }
      exactlyOne("temperature", "rowTemperature");
      exactlyOne("epochs", "steps");
      if (json.has("validation")) {
        missing.put("validation", "the validation data of the run");
      }
    }

    private List<Every> evaluations() {
      List<Every> evaluations = new ArrayList<>();
      if (json.has("evaluations")) {
        if (!(json.get("evaluations") instanceof JsonArray array)) {
          throw new DistillationException(
              "recipe's evaluations must be a list but is none; use a recipe that is whole");
        }
        for (int i = 0; i < array.size(); i++) {
          evaluations.add(
              codec.decode("recipe's evaluations[" + i + "]", array.get(i), Every.class));
        }
      }
      return evaluations;
    }

    private void exactlyOne(String one, String other) {
      if (json.has(one) == json.has(other)) {
        throw new DistillationException(
            "recipe must have either "
                + one
                + " or "
                + other
                + " but has "
                + (json.has(one) ? "both" : "none")
                + "; use a recipe that is whole");
      }
    }

    private JsonElement member(String name) {
      JsonElement element = json.get(name);
      if (element == null) {
        throw new DistillationException(
            "recipe must have a member '" + name + "' but has none; use a recipe that is whole");
      }
      return element;
    }

    private <T> T value(String name, Class<T> type) {
      return codec.decode("recipe's " + name, member(name), type);
    }

    private <T> @Nullable T optional(String name, Class<T> type) {
      return json.has(name) ? value(name, type) : null;
    }

    /** Returns a part, or null if the user must set it again. */
    private <T> @Nullable T part(String name, Class<T> type) {
      if (!json.has(name)) {
        return null;
      }
      Map<String, String> opaque = PartCodec.opaqueParts(name, json.get(name));
      missing.putAll(opaque);
      return opaque.isEmpty() ? value(name, type) : null;
    }

    private boolean withoutTeacher() {
      if (member("teacher").equals(new JsonPrimitive(NO_TEACHER))) {
        return true;
      }
      missing.put("teacher", teacherName());
      return false;
    }

    private String teacherName() {
      JsonElement opaque =
          member("teacher") instanceof JsonObject teacher ? teacher.get(PartCodec.OPAQUE) : null;
      return opaque == null ? "the teacher of the recorded fingerprint" : opaque.toString();
    }

    private Device device() {
      String name = value("device", String.class);
      if (!DEVICE.matcher(name).matches()) {
        throw new DistillationException(
            "recipe's device must be cpu, or gpu with a number, but is "
                + new JsonPrimitive(name)
                + "; use a recipe that is whole");
      }
      return Device.fromName(name);
    }
  }
}
