package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import io.distill.huggingface.ChatMessage;
import io.distill.internal.StrictJson;
import java.util.List;
import java.util.Optional;

/**
 * What a teacher is asked: a text that it continues, or messages that it replies to.
 *
 * @param id the name of the prompt, unlike all others of a run; not blank
 * @param text what is continued; empty if there are messages
 * @param messages what is replied to, the last one not by the assistant; empty if there is a text
 * @param reference the right answer, which the teacher is not shown; empty if there is none
 * @param metadata whatever else belongs to the prompt; it is copied into the traces
 */
public record Prompt(
    String id,
    Optional<String> text,
    List<ChatMessage> messages,
    Optional<String> reference,
    JsonObject metadata) {

  /** The number of characters that an id may have. */
  public static final int MAXIMUM_ID_LENGTH = 1000;

  private static final int DIGEST_LENGTH = 32;

  /**
   * Checks the parts.
   *
   * @param id the name of the prompt; not blank
   * @param text what is continued
   * @param messages what is replied to
   * @param reference the right answer
   * @param metadata whatever else belongs to the prompt; copied
   * @throws IllegalArgumentException if the id is blank or too long, there are both a text and
   *     messages or none of them, the text or all messages are blank, or the last message is by the
   *     assistant
   */
  public Prompt {
    checkArgument(!requireNonNull(id, "id").isBlank(), "id must not be blank");
    checkArgument(
        id.length() <= MAXIMUM_ID_LENGTH,
        "id must have at most %s characters but has %s",
        MAXIMUM_ID_LENGTH,
        id.length());
    messages = List.copyOf(messages);
    checkArgument(
        text.isPresent() == messages.isEmpty(),
        "prompt must have either a text or messages but has %s",
        text.isPresent() ? "both" : "none of them");
    checkArgument(text.isEmpty() || !text.get().isBlank(), "prompt must not be blank");
    checkArgument(
        messages.isEmpty()
            || messages.stream()
                .anyMatch(each -> !each.content().isBlank() || !each.fields().isEmpty()),
        "messages must not all be blank");
    checkArgument(
        messages.isEmpty() || !messages.get(messages.size() - 1).role().equals("assistant"),
        "last message must not be by the assistant, whose answer is asked for");
    requireNonNull(reference, "reference");
    metadata = metadata.deepCopy();
  }

  /**
   * Returns a prompt to be continued; its id is a digest of the text.
   *
   * @param text the text; not blank
   * @return the prompt
   * @throws IllegalArgumentException if the text is blank
   */
  public static Prompt of(String text) {
    requireNonNull(text, "text");
    return new Prompt(
        digest(Optional.of(text), List.of()),
        Optional.of(text),
        List.of(),
        Optional.empty(),
        new JsonObject());
  }

  /**
   * Returns a prompt with the right answer; its id is a digest of the text.
   *
   * @param text the text; not blank
   * @param reference the right answer
   * @return the prompt
   * @throws IllegalArgumentException if the text is blank
   */
  public static Prompt of(String text, String reference) {
    return of(text).withReference(reference);
  }

  /**
   * Returns messages to be replied to; the id is a digest of them.
   *
   * @param messages the conversation so far, at least one message
   * @return the prompt
   * @throws IllegalArgumentException if there is no message, all are blank, or the last one is by
   *     the assistant
   */
  public static Prompt chat(List<ChatMessage> messages) {
    return new Prompt(
        digest(Optional.empty(), messages),
        Optional.empty(),
        messages,
        Optional.empty(),
        new JsonObject());
  }

  /**
   * Returns this prompt under another name.
   *
   * @param id the name; not blank
   * @return a copy
   * @throws IllegalArgumentException if it is blank or too long
   */
  public Prompt withId(String id) {
    return new Prompt(id, text, messages, reference, metadata);
  }

  /**
   * Returns this prompt with the right answer.
   *
   * @param reference the right answer
   * @return a copy
   */
  public Prompt withReference(String reference) {
    return new Prompt(id, text, messages, Optional.of(reference), metadata);
  }

  /**
   * Returns this prompt with one more piece of metadata.
   *
   * @param name its name
   * @param value its value
   * @return a copy
   */
  public Prompt with(String name, String value) {
    JsonObject more = metadata.deepCopy();
    more.addProperty(requireNonNull(name, "name"), requireNonNull(value, "value"));
    return new Prompt(id, text, messages, reference, more);
  }

  /**
   * Returns the metadata.
   *
   * @return a copy, which may be changed
   */
  @Override
  public JsonObject metadata() {
    return metadata.deepCopy();
  }

  /**
   * Looks a piece of metadata up.
   *
   * @param name its name
   * @return a string, number or boolean as text; empty if there is none
   */
  public Optional<String> metadata(String name) {
    return metadata.get(name) instanceof JsonPrimitive value
        ? Optional.of(value.getAsString())
        : Optional.empty();
  }

  boolean hasMetadata() {
    return !metadata.isEmpty();
  }

  /** Returns a digest of what the teacher sees. */
  String questionDigest() {
    return digest(text, messages);
  }

  /** Returns a digest of everything. */
  String digest() {
    JsonObject json = new JsonObject();
    json.addProperty("id", id);
    json.add("question", question(text, messages));
    reference.ifPresent(value -> json.addProperty("reference", value));
    json.add("metadata", metadata);
    return StrictJson.digest(json);
  }

  private static String digest(Optional<String> text, List<ChatMessage> messages) {
    return StrictJson.digest(question(text, messages)).substring(0, DIGEST_LENGTH);
  }

  private static JsonElement question(Optional<String> text, List<ChatMessage> messages) {
    return text.<JsonElement>map(JsonPrimitive::new).orElseGet(() -> json(messages));
  }

  /** Returns messages as data files have them. */
  static JsonArray json(List<ChatMessage> messages) {
    JsonArray array = new JsonArray();
    messages.forEach(message -> array.add(message.toJson()));
    return array;
  }
}
