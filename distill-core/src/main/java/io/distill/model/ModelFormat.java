package io.distill.model;

import com.google.gson.JsonObject;
import java.nio.file.Path;

/**
 * A way to keep models in directories besides {@link DeployableModel#save}'s own; {@link
 * DeployableModel#load} and {@link SavedModel#of} ask all formats that {@link
 * java.util.ServiceLoader} finds. A format must only read data, never code.
 */
public interface ModelFormat {

  /**
   * Tells whether a directory has this format.
   *
   * @param directory the directory
   * @param config what its {@code config.json} says
   * @return whether {@link #read} shall be asked
   */
  boolean reads(Path directory, JsonObject config);

  /**
   * Reads what is small.
   *
   * @param directory the directory
   * @param config what its {@code config.json} says
   * @return the description, which can open the model
   * @throws io.distill.exception.DistillationException if a file is missing or damaged
   */
  SavedModel read(Path directory, JsonObject config);
}
