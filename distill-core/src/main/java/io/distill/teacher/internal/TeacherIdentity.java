package io.distill.teacher.internal;

import com.google.common.hash.Hashing;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import io.distill.exception.DistillationException;
import io.distill.provenance.TeacherOrigin;
import io.distill.provenance.Terms;
import io.distill.provenance.internal.PartCodec;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Whose answers a cache holds.
 *
 * @param teacher the teacher's fingerprint
 * @param tokenizer the fingerprint of its tokenizer, which includes the maximum length; null if it
 *     has none
 * @param maxLength the maximum length of its tokenizer, for messages; 0 if it has none
 * @param classNames the names of its classes
 * @param topK how many logits of each row or token are kept, where there are more; 0 for all
 * @param half whether numbers are kept in two bytes instead of four
 * @param origin the teacher's name and terms, which outlive the model: answers of a teacher that
 *     forbids training on them stay forbidden in its cache. Decides no answer and is not compared
 */
public record TeacherIdentity(
    String teacher,
    @Nullable String tokenizer,
    int maxLength,
    List<String> classNames,
    int topK,
    boolean half,
    TeacherOrigin origin) {

  private static final PartCodec CODEC = PartCodec.ofPlainRecords();

  /** Describes a teacher that declares nothing. */
  public TeacherIdentity(
      String teacher,
      @Nullable String tokenizer,
      int maxLength,
      List<String> classNames,
      int topK,
      boolean half) {
    this(
        teacher,
        tokenizer,
        maxLength,
        classNames,
        topK,
        half,
        new TeacherOrigin("teacher", Optional.of(teacher), Terms.undeclared()));
  }

  /** Copies the list. */
  public TeacherIdentity {
    classNames = List.copyOf(classNames);
  }

  /** Returns all that differs, with both values; empty if nothing does. */
  public List<String> differences(TeacherIdentity other) {
    List<String> differences = new ArrayList<>();
    compare("teacher fingerprint", teacher, other.teacher, differences);
    compare("tokenizer", tokenizerText(), other.tokenizerText(), differences);
    compare("class names", classNames, other.classNames, differences);
    compare("top k", topKText(), other.topKText(), differences);
    compare("dtype", dtype(), other.dtype(), differences);
    return differences;
  }

  private String tokenizerText() {
    return tokenizer == null ? "none" : tokenizer + " (maxLength " + maxLength + ")";
  }

  private String topKText() {
    return topK == 0 ? "all" : Integer.toString(topK);
  }

  private String dtype() {
    return half ? "float16" : "float32";
  }

  /** Returns a digest of everything that the answers of the cache depend on besides the rows. */
  public String fingerprint() {
    return topK == 0 && !half
        ? teacher
        : Hashing.sha256()
            .hashString(teacher + "|" + topKText() + "|" + dtype(), StandardCharsets.UTF_8)
            .toString();
  }

  /** Adds a line if two values differ. */
  private static void compare(String what, Object cached, Object now, List<String> differences) {
    if (!cached.equals(now)) {
      differences.add(what + " is " + cached + " in the cache and " + now + " now");
    }
  }

  String toJson() {
    JsonObject json = new JsonObject();
    json.addProperty("teacher", teacher);
    json.addProperty("tokenizer", tokenizer);
    json.addProperty("maxLength", maxLength);
    JsonArray names = new JsonArray();
    classNames.forEach(names::add);
    json.add("classNames", names);
    json.addProperty("topK", topK);
    json.addProperty("half", half);
    json.add("origin", CODEC.encode(origin, TeacherOrigin.class));
    return json.toString();
  }

  /**
   * Reads what {@link #toJson} wrote.
   *
   * @throws IllegalArgumentException if it is anything else
   */
  static TeacherIdentity parse(String text) {
    try {
      JsonObject json = JsonParser.parseString(text).getAsJsonObject();
      List<String> names = new ArrayList<>();
      json.getAsJsonArray("classNames").forEach(name -> names.add(name.getAsString()));
      return new TeacherIdentity(
          json.get("teacher").getAsString(),
          json.get("tokenizer").isJsonNull() ? null : json.get("tokenizer").getAsString(),
          json.get("maxLength").getAsInt(),
          names,
          json.get("topK").getAsInt(),
          json.get("half").getAsBoolean(),
          CODEC.decode("origin", json.get("origin"), TeacherOrigin.class));
    } catch (JsonParseException
        | IllegalStateException
        | ClassCastException
        | NullPointerException
        | UnsupportedOperationException
        | DistillationException e) {
      throw new IllegalArgumentException("a header must be JSON with all its parts: " + e, e);
    }
  }
}
