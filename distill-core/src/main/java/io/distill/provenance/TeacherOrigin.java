package io.distill.provenance;

import static java.util.Objects.requireNonNull;

import java.util.Optional;

/**
 * Who taught.
 *
 * @param id the name of the teacher, for people
 * @param fingerprint a digest of its weights, tokenizer and classes; empty if it cannot tell
 * @param terms the licence or terms that it declares
 */
public record TeacherOrigin(String id, Optional<String> fingerprint, Terms terms) {

  /**
   * Checks that all is there.
   *
   * @param id the name of the teacher, for people
   * @param fingerprint a digest of its weights, tokenizer and classes; empty if it cannot tell
   * @param terms the licence or terms that it declares
   */
  public TeacherOrigin {
    requireNonNull(id, "id");
    requireNonNull(fingerprint, "fingerprint");
    requireNonNull(terms, "terms");
  }
}
