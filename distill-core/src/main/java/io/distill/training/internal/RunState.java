package io.distill.training.internal;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.TypeAdapter;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.JsonWriter;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import io.distill.provenance.RecipeDescription;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Everything of a run besides arrays that the next step depends on, or the result tells.
 *
 * @param step the number of steps taken; the sampler's position and all randomness follow from it
 * @param totalSteps the number of steps of the whole run
 * @param seconds the time spent so far
 * @param teacherSeconds the part of it in which the teacher answered
 * @param learningRate the rate of the last step
 * @param temperature the temperature of the last step
 * @param epoch the means over the present epoch so far
 * @param history the epochs behind
 * @param gradientScales the comparisons so far
 * @param best the best trial so far; null without early stopping, or before the first trial
 * @param trialsWithoutImprovement how many trials in a row were no better
 * @param earlyStopped whether early stopping has ended the run
 */
record RunState(
    long step,
    long totalSteps,
    double seconds,
    double teacherSeconds,
    double learningRate,
    double temperature,
    Means epoch,
    List<TrainingListener.Epoch> history,
    List<GradientScales> gradientScales,
    @Nullable Best best,
    int trialsWithoutImprovement,
    boolean earlyStopped) {

  private static final String FORMAT = "distill checkpoint";
  private static final int VERSION = 1;

  /** Enough for the history of a hundred thousand epochs. */
  private static final int MAXIMUM_BYTES = 1 << 26;

  private static final Gson GSON =
      new GsonBuilder()
          .registerTypeAdapter(Double.class, new AnyDouble())
          .registerTypeAdapter(double.class, new AnyDouble())
          .setPrettyPrinting()
          .disableHtmlEscaping()
          .create();

  RunState {
    Objects.requireNonNull(epoch, "epoch");
    history = List.copyOf(history);
    gradientScales = List.copyOf(gradientScales);
  }

  /**
   * The best trial so far.
   *
   * @param value the value of the metric
   * @param step the number of steps taken before it
   */
  record Best(double value, long step) {}

  /** What is in a manifest. */
  record Manifest(RunState state, RecipeDescription recipe) {}

  /** JSON knows no NaN and no infinity; they become strings. */
  private static final class AnyDouble extends TypeAdapter<Double> {
    @Override
    public void write(JsonWriter out, Double value) throws IOException {
      if (Double.isFinite(value)) {
        out.value(value);
      } else {
        out.value(value.toString());
      }
    }

    @Override
    public Double read(JsonReader in) throws IOException {
      return in.peek() == JsonToken.STRING ? Double.valueOf(in.nextString()) : in.nextDouble();
    }
  }

  /** Returns the text of a manifest. */
  String toJson(RecipeDescription recipe) {
    JsonObject json = new JsonObject();
    json.addProperty("format", FORMAT);
    json.addProperty("version", VERSION);
    json.add("state", GSON.toJsonTree(this));
    json.add("recipe", recipe.json());
    return GSON.toJson(json) + "\n";
  }

  /** Reads a manifest. */
  static Manifest read(Path file) {
    JsonElement read = StrictJson.read(file, "checkpoint manifest", MAXIMUM_BYTES);
    try {
      JsonObject json = read.getAsJsonObject();
      String format = json.get("format").getAsString();
      int version = StrictJson.integer(json.get("version"));
      if (!format.equals(FORMAT) || version != VERSION) {
        throw new DistillationException(
            "checkpoint manifest "
                + file
                + " must be of format '"
                + FORMAT
                + "', version "
                + VERSION
                + ", but was '"
                + format
                + "', version "
                + version
                + "; resume with the version of the library that wrote it");
      }
      RunState state = GSON.fromJson(json.get("state"), RunState.class);
      if (state == null || state.step < 0 || state.totalSteps < state.step) {
        throw new JsonParseException("state is missing or out of range");
      }
      return new Manifest(state, RecipeDescription.of(json.getAsJsonObject("recipe")));
    } catch (DistillationException e) {
      throw e;
    } catch (RuntimeException e) {
      throw new DistillationException(
          "checkpoint manifest "
              + file
              + " must have a state and a recipe but could not be understood ("
              + e
              + "); use a checkpoint that is whole",
          e);
    }
  }
}
