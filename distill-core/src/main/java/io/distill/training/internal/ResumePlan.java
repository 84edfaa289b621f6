package io.distill.training.internal;

import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * Which checkpoint a run goes on from.
 *
 * @param directory the directory of the checkpoints
 * @param required whether there must be one; else the run starts afresh without
 * @param atMost the last step that counts, if newer checkpoints do not; they are then discarded
 */
public record ResumePlan(Path directory, boolean required, OptionalLong atMost) {

  /** Takes the newest checkpoint. */
  public ResumePlan(Path directory, boolean required) {
    this(directory, required, OptionalLong.empty());
  }
}
