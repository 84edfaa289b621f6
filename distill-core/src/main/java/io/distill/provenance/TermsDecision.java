package io.distill.provenance;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.exception.DistillationException;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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

  private static final Logger LOGGER = LoggerFactory.getLogger(Provenance.class);

  private static final int MAXIMUM_WARNINGS = 1000;

  /** What was warned of before in this process; it need not be said for every run. */
  private static final Set<String> WARNED = ConcurrentHashMap.newKeySet();

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

  /**
   * Decides whether a teacher may be learned from. Where the policy warns, a warning is logged once
   * for each teacher and terms.
   *
   * @param teacher the id of the teacher
   * @param terms the terms that count
   * @param policy who decides
   * @param override why the user goes against a refusal; empty if a refusal is to hold
   * @return the decision; it carries the override only if there was a refusal
   * @throws DistillationException if the policy refuses and there is no override
   */
  public static TermsDecision decide(
      String teacher, Terms terms, TermsPolicy policy, Optional<String> override) {
    TermsPolicy.Verdict verdict = policy.decide(terms);
    boolean refused = verdict == TermsPolicy.Verdict.REFUSE;
    if (refused && override.isEmpty()) {
      throw new DistillationException(refusal(teacher, terms));
    }
    if (verdict == TermsPolicy.Verdict.WARN) {
      warn(teacher, terms);
    }
    return new TermsDecision(teacher, terms, verdict, refused ? override : Optional.empty());
  }

  private static String refusal(String teacher, Terms terms) {
    return "teacher '"
        + teacher
        + "' must allow other models to be trained on its outputs, but "
        + terms.name()
        + (terms.trainingOthers() == Terms.Permission.NO ? " do not" : " are refused by the policy")
        + (terms.clause().isEmpty() ? "" : " (" + terms.clause() + ")")
        + terms.url().map(url -> " " + url).orElse("")
        + "; choose another teacher, or call allowTerms(\"the reason\") if you may: it is recorded"
        + " with the student. This is information, not legal advice";
  }

  private static void warn(String teacher, Terms terms) {
    if (!WARNED.add(teacher + "\n" + terms.id()) || WARNED.size() > MAXIMUM_WARNINGS) {
      return;
    }
    if (terms.declared()) {
      LOGGER.warn(
          "Teacher '{}' is under {}: {} {}",
          teacher,
          terms.name(),
          terms.clause(),
          terms.url().orElse(""));
    } else {
      LOGGER.warn(
          "Teacher '{}' declares no licence; say under which terms it may be learned from with"
              + " teacher.declaring(Terms.spdx(...))",
          teacher);
    }
  }
}
