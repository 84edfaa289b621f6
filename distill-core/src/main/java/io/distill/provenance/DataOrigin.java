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
 * @param tracesDigest the SHA-256 digest of the file of traces that the data were made of, which
 *     the teacher wrote; empty of other data
 */
public record DataOrigin(
    Optional<String> name,
    String fingerprint,
    int rows,
    Optional<String> licence,
    Optional<String> tracesDigest) {

  /**
   * Checks that all is there.
   *
   * @param name what the data are called
   * @param fingerprint a digest of all inputs, labels and class names, in order
   * @param rows the number of rows
   * @param licence the licence of the data
   * @param tracesDigest the digest of the traces that the data were made of
   */
  public DataOrigin {
    requireNonNull(name, "name");
    requireNonNull(fingerprint, "fingerprint");
    requireNonNull(licence, "licence");
    requireNonNull(tracesDigest, "tracesDigest");
  }

  /**
   * Describes data that no teacher wrote.
   *
   * @param name what the data are called
   * @param fingerprint a digest of all inputs, labels and class names, in order
   * @param rows the number of rows
   * @param licence the licence of the data
   */
  public DataOrigin(Optional<String> name, String fingerprint, int rows, Optional<String> licence) {
    this(name, fingerprint, rows, licence, Optional.empty());
  }
}
