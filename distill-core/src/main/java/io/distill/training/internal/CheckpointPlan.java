package io.distill.training.internal;

import io.distill.training.Every;
import java.nio.file.Path;
import java.util.List;

/**
 * Where and how often a run is kept.
 *
 * @param directory the directory of its checkpoints
 * @param every how often; at least one interval
 * @param kept how many of the newest stay
 */
public record CheckpointPlan(Path directory, List<Every> every, int kept) {
  /** Copies the list. */
  public CheckpointPlan {
    every = List.copyOf(every);
  }
}
