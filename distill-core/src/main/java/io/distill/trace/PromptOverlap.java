package io.distill.trace;

import static java.util.Objects.requireNonNull;

import com.google.common.hash.HashCode;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * How many held-out prompts also occur among those that are trained on, which makes an evaluation
 * worthless. Two prompts are the same if their texts are but for case and blanks; ids, references
 * and metadata are not looked at. A paraphrase is not noticed.
 *
 * @param heldOut the number of held-out prompts
 * @param shared how many of them are among the training prompts
 * @param examples the ids of the first of them, at most 5
 */
public record PromptOverlap(long heldOut, long shared, List<String> examples) {

  private static final int EXAMPLES = 5;
  private static final Pattern BLANKS = Pattern.compile("\\s+");

  /**
   * Copies the list.
   *
   * @param heldOut the number of held-out prompts
   * @param shared how many of them are among the training prompts
   * @param examples the ids of the first of them
   */
  public PromptOverlap {
    examples = List.copyOf(examples);
  }

  /**
   * Looks for held-out prompts among training prompts. Of each held-out prompt a digest is in
   * memory; training prompts stream.
   *
   * @param training the prompts that a student learns from
   * @param heldOut the prompts that it is evaluated on
   * @return how many occur in both
   */
  public static PromptOverlap between(Prompts training, Prompts heldOut) {
    requireNonNull(training, "training");
    Map<HashCode, List<String>> wanted = new HashMap<>();
    long count = 0;
    try (UniquePrompts all = UniquePrompts.open(heldOut, 0)) {
      while (all.hasNext()) {
        Prompt prompt = all.next();
        wanted.computeIfAbsent(digest(prompt), key -> new ArrayList<>()).add(prompt.id());
        count++;
      }
    }
    List<String> shared = new ArrayList<>();
    try (Stream<Prompt> all = training.open()) {
      all.forEach(
          prompt -> {
            List<String> found = wanted.remove(digest(prompt));
            if (found != null) {
              shared.addAll(found);
            }
          });
    }
    return new PromptOverlap(
        count, shared.size(), shared.subList(0, Math.min(EXAMPLES, shared.size())));
  }

  private static HashCode digest(Prompt prompt) {
    Hasher hasher = Hashing.sha256().newHasher();
    prompt.text().ifPresent(text -> put(hasher, text));
    prompt
        .messages()
        .forEach(
            message -> {
              put(hasher, message.role());
              put(hasher, message.content());
            });
    return hasher.hash();
  }

  private static void put(Hasher hasher, String text) {
    String plain = BLANKS.matcher(text.strip()).replaceAll(" ").toLowerCase(Locale.ROOT);
    byte[] bytes = plain.getBytes(StandardCharsets.UTF_8);
    hasher.putInt(bytes.length).putBytes(bytes);
  }
}
