package io.distill.provenance;

import static java.util.Objects.requireNonNull;

import java.util.List;
import java.util.Optional;

/**
 * What came out of a run.
 *
 * @param architecture the name of the architecture
 * @param parameters the number of parameters
 * @param fingerprint a digest of its weights, tokenizer and classes: by it one can tell whether a
 *     run gave the same student
 * @param classNames the names of its classes, by index
 * @param readsText whether it has a tokenizer
 * @param licence the licence under which it is passed on; empty if nobody said
 */
public record StudentOrigin(
    String architecture,
    long parameters,
    String fingerprint,
    List<String> classNames,
    boolean readsText,
    Optional<String> licence) {

  /**
   * Copies the list.
   *
   * @param architecture the name of the architecture
   * @param parameters the number of parameters
   * @param fingerprint a digest of its weights, tokenizer and classes
   * @param classNames the names of its classes, by index
   * @param readsText whether it has a tokenizer
   * @param licence the licence under which it is passed on
   */
  public StudentOrigin {
    requireNonNull(architecture, "architecture");
    requireNonNull(fingerprint, "fingerprint");
    classNames = List.copyOf(classNames);
    requireNonNull(licence, "licence");
  }
}
