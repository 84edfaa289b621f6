package io.distill.provenance;

import static java.util.Objects.requireNonNull;

import java.util.Optional;

/**
 * What a student learned from.
 *
 * @param name what the data are called; empty if nobody said
 * @param fingerprint a digest of all inputs, labels and class names, in order
 * @param rows the number of rows
 * @param licence the licence of the data, as an SPDX id or in words; empty if nobody said
 */
public record DataOrigin(
    Optional<String> name, String fingerprint, int rows, Optional<String> licence) {

  /**
   * Checks that all is there.
   *
   * @param name what the data are called
   * @param fingerprint a digest of all inputs, labels and class names, in order
   * @param rows the number of rows
   * @param licence the licence of the data
   */
  public DataOrigin {
    requireNonNull(name, "name");
    requireNonNull(fingerprint, "fingerprint");
    requireNonNull(licence, "licence");
  }
}
