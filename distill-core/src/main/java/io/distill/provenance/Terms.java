package io.distill.provenance;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.time.LocalDate;
import java.util.Optional;

/**
 * Under which licence or terms of service a model answers, and whether other models may be trained
 * on its answers.
 *
 * <p>What the library says of known licences and services is information, not legal advice: it may
 * be wrong, out of date, or read differently where you are. Read the terms themselves.
 *
 * @param id the SPDX id, such as {@code Apache-2.0}, or the name of a service, such as {@code
 *     openai}
 * @param name the full name
 * @param kind what it is
 * @param trainingOthers whether other models may be trained on the outputs
 * @param clause what the terms say about that, quoted shortly or in other words, with the section
 * @param url where the terms stand
 * @param checked when somebody last looked
 * @param source how it is known
 * @see TermsTable
 */
public record Terms(
    String id,
    String name,
    Kind kind,
    Permission trainingOthers,
    String clause,
    Optional<String> url,
    Optional<LocalDate> checked,
    Source source) {

  /** The number of characters that each text may have. */
  public static final int MAXIMUM_LENGTH = 1000;

  private static final String UNDECLARED = "undeclared";

  /** What terms are. */
  public enum Kind {
    /** The licence of weights. */
    LICENCE,
    /** The terms of a hosted service. */
    SERVICE,
    /** An agreement of the user's own. */
    AGREEMENT,
    /** Nothing was declared. */
    NONE
  }

  /** Whether other models may be trained on a model's outputs. */
  public enum Permission {
    /** Nothing in the terms forbids it. */
    YES,
    /** Yes, under conditions that the clause names. */
    CONDITIONAL,
    /** The terms forbid it. */
    NO,
    /** It is not known. */
    UNKNOWN
  }

  /** How the library knows what terms say. */
  public enum Source {
    /** The terms themselves were read. */
    READ,
    /** Others who quote the terms, with their address, were read. */
    QUOTED,
    /** From memory, unverified. */
    MEMORY,
    /** The user says so. */
    USER
  }

  /**
   * Checks the texts.
   *
   * @param id the SPDX id or the name of a service; not blank
   * @param name the full name; not blank
   * @param kind what it is
   * @param trainingOthers whether other models may be trained on the outputs
   * @param clause what the terms say about that; may be empty
   * @param url where the terms stand
   * @param checked when somebody last looked
   * @param source how it is known
   * @throws IllegalArgumentException if a text is blank that must not be, or longer than 1000
   *     characters
   */
  public Terms {
    check("id", id);
    check("name", name);
    requireNonNull(kind, "kind");
    requireNonNull(trainingOthers, "trainingOthers");
    checkLength("clause", clause);
    url.ifPresent(address -> checkLength("url", address));
    requireNonNull(checked, "checked");
    requireNonNull(source, "source");
  }

  private static void check(String what, String text) {
    checkArgument(!requireNonNull(text, what).isBlank(), "%s must not be blank", what);
    checkLength(what, text);
  }

  private static void checkLength(String what, String text) {
    checkArgument(
        requireNonNull(text, what).length() <= MAXIMUM_LENGTH,
        "%s must have at most %s characters but has %s",
        what,
        MAXIMUM_LENGTH,
        text.length());
  }

  /**
   * Returns the terms of a model that declares none.
   *
   * @return terms of kind {@link Kind#NONE}
   */
  public static Terms undeclared() {
    return new Terms(
        UNDECLARED,
        "nothing declared",
        Kind.NONE,
        Permission.UNKNOWN,
        "",
        Optional.empty(),
        Optional.empty(),
        Source.USER);
  }

  /**
   * Returns a licence by its SPDX id, or as Hugging Face calls it.
   *
   * @param id such as {@code Apache-2.0} or {@code llama3.1}; case does not matter
   * @return the row of the {@linkplain TermsTable#shipped() shipped table}; for an id that is not
   *     in it, a licence of which nothing is known
   * @throws IllegalArgumentException if the id is blank
   */
  public static Terms spdx(String id) {
    check("id", id);
    return TermsTable.shipped().find(id).orElseGet(() -> unknown(id.strip()));
  }

  private static Terms unknown(String id) {
    return new Terms(
        id,
        id,
        Kind.LICENCE,
        Permission.UNKNOWN,
        "",
        Optional.empty(),
        Optional.empty(),
        Source.USER);
  }

  /**
   * Returns the terms of a hosted service.
   *
   * @param id the name in the {@linkplain TermsTable#shipped() shipped table}, such as {@code
   *     openai}; case does not matter
   * @return its terms
   * @throws IllegalArgumentException if the table has none of that name
   */
  public static Terms service(String id) {
    return TermsTable.shipped()
        .find(requireNonNull(id, "id"))
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "id must be a service of the table, one of "
                        + TermsTable.shipped().services()
                        + ", but was "
                        + id
                        + "; describe others with Terms.agreement(...)"));
  }

  /**
   * Describes terms that no table has, such as a contract of one's own.
   *
   * @param name what the terms are called; not blank
   * @param trainingOthers whether other models may be trained on the outputs
   * @param clause what they say about that; may be empty
   * @return the terms
   * @throws IllegalArgumentException if the name is blank or a text longer than 1000 characters
   */
  public static Terms agreement(String name, Permission trainingOthers, String clause) {
    return new Terms(
        name,
        name,
        Kind.AGREEMENT,
        trainingOthers,
        clause,
        Optional.empty(),
        Optional.empty(),
        Source.USER);
  }

  /**
   * Returns whether anything was declared at all.
   *
   * @return false for {@link #undeclared()}
   */
  public boolean declared() {
    return kind != Kind.NONE;
  }

  /**
   * Returns these terms or others, whichever allow less: for a teacher that is made of several.
   *
   * @param other the other terms
   * @return those that forbid, before those of which nothing is known, before those with conditions
   */
  public Terms stricter(Terms other) {
    return strictness(other.trainingOthers) > strictness(trainingOthers) ? other : this;
  }

  /**
   * Returns these terms, or those of a model that this one comes from where they count instead:
   * where none are declared here, or where the others forbid.
   *
   * @param inherited the terms that the model before answered under
   * @return the terms that count
   */
  public Terms orInherited(Terms inherited) {
    return !declared() || inherited.trainingOthers == Permission.NO ? inherited : this;
  }

  private static int strictness(Permission permission) {
    return switch (permission) {
      case YES -> 0;
      case CONDITIONAL -> 1;
      case UNKNOWN -> 2;
      case NO -> 3;
    };
  }
}
