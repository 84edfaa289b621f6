package io.distill.trace;

import static java.util.Objects.requireNonNull;

import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * What a run of a {@link TracePipeline} left behind.
 *
 * @param report the counts
 * @param file the traces that were kept, JSON Lines in the order of the prompts; what fine-tuning
 *     reads
 * @param provenance where they come from, JSON
 */
public record TraceResult(TraceReport report, Path file, Path provenance) {

  /**
   * Checks that all parts are present.
   *
   * @param report the counts
   * @param file the traces that were kept
   * @param provenance where they come from
   */
  public TraceResult {
    requireNonNull(report, "report");
    requireNonNull(file, "file");
    requireNonNull(provenance, "provenance");
  }

  /**
   * Reads the traces.
   *
   * @return the traces, read as they are needed; close the stream
   */
  public Stream<Trace> traces() {
    return Trace.read(file);
  }
}
