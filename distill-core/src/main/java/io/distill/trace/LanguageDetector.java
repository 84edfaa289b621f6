package io.distill.trace;

import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Says how likely a text is of each language. */
interface LanguageDetector {

  /**
   * Returns the languages it knows.
   *
   * @return codes of ISO 639-3
   */
  Set<String> languages();

  /**
   * Judges a text.
   *
   * @param text the text
   * @return a probability for each language; of short texts all are about the same
   */
  Map<String, Double> probabilities(String text);

  /** Returns the detector of Apache OpenNLP, or tells what the class path lacks. */
  static LanguageDetector openNlp() {
    try {
      return OpenNlpDetector.shared();
    } catch (NoClassDefFoundError e) {
      throw absent("org.apache.opennlp:opennlp-tools", e);
    }
  }

  /** An artifact is not there. */
  static IllegalStateException absent(String artifact, @Nullable Throwable cause) {
    return new IllegalStateException(
        "the class path must have "
            + artifact
            + " to tell languages but has not; add org.apache.opennlp:opennlp-tools and"
            + " org.apache.opennlp:opennlp-models-langdetect, or give a detector of your own to"
            + " language(detector, ...)",
        cause);
  }
}
