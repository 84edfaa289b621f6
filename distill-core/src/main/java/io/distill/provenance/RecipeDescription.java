package io.distill.provenance;

import static java.util.Objects.requireNonNull;

import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import java.util.List;
import java.util.Set;

/**
 * A recipe as JSON: everything that decides the weights of a student, and nothing else. Equal
 * descriptions train equal weights, bit for bit on the same kind of CPU.
 *
 * <p>The members are {@code teacher} and {@code data} (by fingerprint), {@code student}, {@code
 * loss}, {@code temperature}, {@code layerMapping}, {@code epochs} or {@code steps}, {@code
 * batchSize}, {@code optimizer}, {@code seed} and so on, named as on {@code Distiller.Builder}. A
 * part is an object with a {@code type} and its settings; constants are bare numbers. A part of the
 * user's own that cannot be written down, such as a lambda, is an object with its class under
 * {@code opaque}; schedules also have {@code samples}, by which a changed lambda is noticed.
 *
 * <p>Immutable; equal if the JSON is, whatever the order of its members.
 */
public final class RecipeDescription {

  /** The number of characters that a description may have. */
  public static final int MAXIMUM_LENGTH = 1 << 20;

  private final JsonObject json;
  private final String fingerprint;

  private RecipeDescription(JsonObject json) {
    this.json = json;
    this.fingerprint = StrictJson.digest(json);
  }

  /**
   * Wraps JSON.
   *
   * @param json the members; copied
   * @return the description
   */
  public static RecipeDescription of(JsonObject json) {
    return new RecipeDescription(requireNonNull(json, "json").deepCopy());
  }

  /**
   * Reads a description.
   *
   * @param text what {@link #toString()} gave
   * @return the description
   * @throws DistillationException if the text is no JSON object, or too long or too deep
   */
  public static RecipeDescription parse(String text) {
    if (StrictJson.parse(requireNonNull(text, "text"), "recipe", MAXIMUM_LENGTH)
        instanceof JsonObject object) {
      return new RecipeDescription(object);
    }
    throw new DistillationException(
        "recipe must be a JSON object but is another value; use the recipe of a provenance");
  }

  /**
   * Returns the members.
   *
   * @return a copy
   */
  public JsonObject json() {
    return json.deepCopy();
  }

  /**
   * Returns a digest of the whole description.
   *
   * @return a SHA-256 digest in hexadecimal
   */
  public String fingerprint() {
    return fingerprint;
  }

  /**
   * Says what is different in another description.
   *
   * @param later the other description
   * @return sentences such as {@code optimizer.learningRate was 0.001 and is 0.002}; empty if they
   *     are equal
   */
  public List<String> differences(RecipeDescription later) {
    return JsonDifferences.between(json, later.json).stream()
        .map(JsonDifferences.Difference::sentence)
        .toList();
  }

  /**
   * Says what is different in another description, but for some members.
   *
   * @param later the other description
   * @param except the names of members that may differ, such as {@code data}
   * @return sentences as {@link #differences(RecipeDescription)} gives them
   */
  public List<String> differences(RecipeDescription later, Set<String> except) {
    return JsonDifferences.between(json, later.json).stream()
        .filter(difference -> !except.contains(difference.member()))
        .map(JsonDifferences.Difference::sentence)
        .toList();
  }

  /**
   * Says which members are different in another description.
   *
   * @param later the other description
   * @return names such as {@code data} or {@code optimizer}; empty if they are equal
   */
  public List<String> differingMembers(RecipeDescription later) {
    return JsonDifferences.between(json, later.json).stream()
        .map(JsonDifferences.Difference::member)
        .distinct()
        .toList();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof RecipeDescription description
        && fingerprint.equals(description.fingerprint);
  }

  @Override
  public int hashCode() {
    return fingerprint.hashCode();
  }

  /**
   * Returns the JSON.
   *
   * @return the text, indented
   */
  @Override
  public String toString() {
    return new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create().toJson(json);
  }
}
