package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableSetMultimap;
import com.google.common.collect.Sets;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/** Languages by their codes of two letters (ISO 639-1) and of three (ISO 639-3). */
final class LanguageCodes {

  /** Languages that are several of three letters, or whose three letters a detector replaces. */
  private static final ImmutableSetMultimap<String, String> MEMBERS =
      ImmutableSetMultimap.<String, String>builder()
          .putAll("zh", "cmn", "nan", "zho")
          .putAll("no", "nob", "nno", "nor")
          .putAll("fa", "fas", "pes")
          .putAll("et", "est", "ekk")
          .putAll("lv", "lav", "lvs")
          .putAll("pa", "pan", "pnb")
          .putAll("mg", "mlg", "plt")
          .build();

  private static final Map<String, String> SHORT =
      Arrays.stream(Locale.getISOLanguages())
          .collect(
              Collectors.toMap(
                  code -> new Locale(code).getISO3Language(), code -> code, (one, other) -> one));

  private LanguageCodes() {}

  /**
   * Returns the codes of three letters of a language, as far as they are known.
   *
   * @throws IllegalArgumentException if none is
   */
  static Set<String> of(String language, Set<String> known) {
    Set<String> codes =
        MEMBERS.containsKey(language)
            ? MEMBERS.get(language)
            : Set.of(language.length() == 2 ? new Locale(language).getISO3Language() : language);
    Set<String> found = Sets.intersection(codes, known);
    checkArgument(
        !found.isEmpty(),
        "language must be one of %s but was %s; use a code of ISO 639-1, or of ISO 639-3 where there"
            + " is no shorter one, in lower case",
        known.stream().map(LanguageCodes::shortened).collect(Collectors.toCollection(TreeSet::new)),
        language);
    return Set.copyOf(found);
  }

  /** Returns the code of two letters, or the code itself where there is none. */
  static String shortened(String code) {
    // a language of its own may be a member too: Nynorsk is nn
    String own = SHORT.get(code);
    if (own != null) {
      return own;
    }
    return MEMBERS.inverse().get(code).stream().findFirst().orElse(code);
  }
}
