package io.distill.training.internal;

import io.distill.provenance.Environment;
import io.distill.provenance.RecipeDescription;
import io.distill.provenance.TermsPolicy;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What the user says about a run that decides no weights.
 *
 * @param policy decides whether the teacher may be learned from
 * @param allowReason why a refusal of the policy is overridden
 * @param dataName what the data are called
 * @param dataLicence the licence of the data
 * @param studentLicence the licence of the student
 * @param recorded what the run shall repeat
 * @param recordedOn what the repeated run ran on
 * @param mayDiffer the members of the recorded recipe in which this run is meant to differ
 */
public record Declarations(
    TermsPolicy policy,
    @Nullable String allowReason,
    @Nullable String dataName,
    @Nullable String dataLicence,
    @Nullable String studentLicence,
    @Nullable RecipeDescription recorded,
    @Nullable Environment recordedOn,
    Set<String> mayDiffer) {

  /** Copies the set. */
  public Declarations {
    mayDiffer = Set.copyOf(mayDiffer);
  }

  /** Returns what holds where the user says nothing. */
  public static Declarations none() {
    return new Declarations(TermsPolicy.standard(), null, null, null, null, null, null, Set.of());
  }
}
