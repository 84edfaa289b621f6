package io.distill.training.internal;

import java.nio.file.Path;

/**
 * Which checkpoint a run goes on from.
 *
 * @param directory the directory of the checkpoints
 * @param required whether there must be one; else the run starts afresh without
 */
public record ResumePlan(Path directory, boolean required) {}
