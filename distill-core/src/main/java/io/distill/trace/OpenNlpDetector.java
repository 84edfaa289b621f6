package io.distill.trace;

import io.distill.exception.DistillationException;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import opennlp.tools.langdetect.Language;
import opennlp.tools.langdetect.LanguageDetectorME;
import opennlp.tools.langdetect.LanguageDetectorModel;
import org.jspecify.annotations.Nullable;

/** The detector of Apache OpenNLP: character n-grams, 103 languages. Thread-safe. */
final class OpenNlpDetector implements LanguageDetector {

  private static final String ARTIFACT = "org.apache.opennlp:opennlp-models-langdetect";

  /** Where the model is in the jar of {@link #ARTIFACT}. */
  private static final String RESOURCE = "/langdetect-183.bin";

  /** The one that all share: its model takes a second to read, and 40 MB. */
  private static @Nullable OpenNlpDetector shared;

  private final LanguageDetectorME detector;

  private OpenNlpDetector(InputStream model) throws IOException {
    this.detector = new LanguageDetectorME(new LanguageDetectorModel(model));
  }

  static synchronized OpenNlpDetector shared() {
    if (shared == null) {
      shared = read();
    }
    return shared;
  }

  private static OpenNlpDetector read() {
    try (InputStream model = OpenNlpDetector.class.getResourceAsStream(RESOURCE)) {
      if (model == null) {
        throw LanguageDetector.absent(ARTIFACT, null);
      }
      return new OpenNlpDetector(model);
    } catch (IOException e) {
      throw new DistillationException(
          "language model "
              + RESOURCE
              + " must be readable but is not: "
              + e.getMessage()
              + "; restore "
              + ARTIFACT,
          e);
    }
  }

  @Override
  public Set<String> languages() {
    return Set.copyOf(Arrays.asList(detector.getSupportedLanguages()));
  }

  @Override
  public synchronized Map<String, Double> probabilities(String text) {
    Map<String, Double> probabilities = new HashMap<>();
    for (Language language : detector.predictLanguages(text)) {
      probabilities.put(language.getLang(), language.getConfidence());
    }
    return probabilities;
  }
}
