package io.distill.huggingface;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.model.ModelFormat;
import io.distill.model.SavedModel;
import java.nio.file.Path;

/** Hugging Face checkpoints as a format that {@link SavedModel#of} knows. */
public final class CheckpointFormat implements ModelFormat {

  private static final String OWN = "distill";

  /** Makes the format; {@link java.util.ServiceLoader} does. */
  public CheckpointFormat() {}

  /**
   * Tells whether a directory is a checkpoint.
   *
   * @param directory the directory
   * @param config what its {@code config.json} says
   * @return whether it names a {@code model_type} that is not this library's own
   */
  @Override
  public boolean reads(Path directory, JsonObject config) {
    JsonElement type = config.get("model_type");
    return type != null
        && type.isJsonPrimitive()
        && !type.getAsString().equals(OWN)
        && !config.has(OWN);
  }

  @Override
  public SavedModel read(Path directory, JsonObject config) {
    return Checkpoint.of(directory, config);
  }
}
