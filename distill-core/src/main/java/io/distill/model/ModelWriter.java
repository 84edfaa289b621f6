package io.distill.model;

import java.io.IOException;
import java.nio.file.Path;

/** Writes a model into a directory in a format of its own. */
@FunctionalInterface
public interface ModelWriter {

  /**
   * Writes everything but provenance and model card.
   *
   * @param model the model
   * @param directory an empty directory, which appears to others only when it is complete
   * @throws IOException if a file cannot be written
   */
  void write(DeployableModel model, Path directory) throws IOException;
}
