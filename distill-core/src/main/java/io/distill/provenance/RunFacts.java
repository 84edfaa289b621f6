package io.distill.provenance;

import static java.util.Objects.requireNonNull;

import java.time.Instant;

/**
 * How a run went, and what it cost.
 *
 * @param started when it started; of a run that went on from a checkpoint, when it was taken up
 * @param seconds how long it took, stretches before a checkpoint included
 * @param teacherSeconds the part of it in which the teacher answered
 * @param steps the number of optimizer steps
 * @param endReason why it ended: {@code COMPLETED}, {@code EARLY_STOPPED} or {@code STOPPED}
 */
public record RunFacts(
    Instant started, double seconds, double teacherSeconds, long steps, String endReason) {

  /**
   * Checks that all is there.
   *
   * @param started when it started
   * @param seconds how long it took
   * @param teacherSeconds the part of it in which the teacher answered
   * @param steps the number of optimizer steps
   * @param endReason why it ended
   */
  public RunFacts {
    requireNonNull(started, "started");
    requireNonNull(endReason, "endReason");
  }
}
