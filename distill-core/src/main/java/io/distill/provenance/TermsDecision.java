package io.distill.provenance;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.util.Optional;

/**
 * What was decided about one teacher.
 *
 * @param teacher the id of the teacher
 * @param terms the terms that were decided on
 * @param verdict what the policy said
 * @param reason why the user went against a refusal; empty if there was none
 */
public record TermsDecision(
    String teacher, Terms terms, TermsPolicy.Verdict verdict, Optional<String> reason) {

  /**
   * Checks that a refusal has a reason to go against it: a run that was refused leaves no student.
   *
   * @param teacher the id of the teacher
   * @param terms the terms that were decided on
   * @param verdict what the policy said
   * @param reason why the user went against a refusal
   * @throws IllegalArgumentException if a refusal has no reason, or the reason is blank or longer
   *     than 1000 characters
   */
  public TermsDecision {
    requireNonNull(teacher, "teacher");
    requireNonNull(terms, "terms");
    requireNonNull(verdict, "verdict");
    checkArgument(
        verdict != TermsPolicy.Verdict.REFUSE || reason.isPresent(),
        "reason must be given where the verdict is REFUSE");
    checkArgument(
        reason.isEmpty()
            || (!reason.get().isBlank() && reason.get().length() <= Terms.MAXIMUM_LENGTH),
        "reason must not be blank and have at most %s characters",
        Terms.MAXIMUM_LENGTH);
  }
}
