package io.distill.provenance;

/**
 * Decides whether a teacher may be learned from, by the terms under which it answers; a lambda is
 * one.
 *
 * <p>A policy helps to keep to terms that were declared. It is no legal advice.
 */
@FunctionalInterface
public interface TermsPolicy {

  /** What a policy says. */
  enum Verdict {
    /** The run starts. */
    ALLOW,
    /** The run starts, and a warning is logged. */
    WARN,
    /** The run does not start, unless the user overrides with a reason. */
    REFUSE
  }

  /**
   * Decides on one teacher.
   *
   * @param terms what the teacher declares, or has inherited from its own teachers
   * @return the verdict
   */
  Verdict decide(Terms terms);

  /**
   * Refuses teachers whose terms forbid training other models on their outputs; warns where nothing
   * is known and where there are conditions.
   *
   * @return the default policy
   */
  static TermsPolicy standard() {
    return terms ->
        switch (terms.trainingOthers()) {
          case YES -> Verdict.ALLOW;
          case CONDITIONAL, UNKNOWN -> Verdict.WARN;
          case NO -> Verdict.REFUSE;
        };
  }

  /**
   * Refuses all teachers but those whose terms are known to allow training other models without
   * conditions.
   *
   * @return the strict policy
   */
  static TermsPolicy strict() {
    return terms -> terms.trainingOthers() == Terms.Permission.YES ? Verdict.ALLOW : Verdict.REFUSE;
  }

  /**
   * Refuses nothing, and warns where the standard policy would warn or refuse.
   *
   * @return the warning policy
   */
  static TermsPolicy warning() {
    return terms -> terms.trainingOthers() == Terms.Permission.YES ? Verdict.ALLOW : Verdict.WARN;
  }
}
