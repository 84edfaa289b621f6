package io.distill.conversation;

import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.data.JsonLines;
import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatMessage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads samples from JSON Lines in the usual forms: {@code {"messages": [{"role": ..., "content":
 * ...}, ...]}}, {@code {"prompt": ..., "completion": ...}} (texts, or lists of messages) and {@code
 * {"text": ...}}. Other members are not looked at.
 */
public final class Conversations {

  private final Path path;
  private boolean skipBadRows;
  private long skipped;

  private Conversations(Path path) {
    this.path = requireNonNull(path, "path");
  }

  /**
   * Names the file.
   *
   * @param path the file; gzip is recognised by its content
   * @return a reader with options
   */
  public static Conversations jsonLines(Path path) {
    return new Conversations(path);
  }

  /**
   * Sets whether lines that are none of the forms are left out and counted.
   *
   * @param skipBadRows whether to go on; default false, which refuses the file at the first one
   * @return this reader
   */
  @CanIgnoreReturnValue
  public Conversations skipBadRows(boolean skipBadRows) {
    this.skipBadRows = skipBadRows;
    return this;
  }

  /**
   * Reads the file.
   *
   * @return the samples, in the order of the file
   * @throws DistillationException if the file cannot be read, a line is none of the forms, or there
   *     is no sample
   */
  public List<Conversation> read() {
    List<Conversation> all = new ArrayList<>();
    skipped = 0;
    JsonLines.read(
        path,
        (line, object) -> {
          try {
            all.add(parse(object));
          } catch (IllegalArgumentException
              | IllegalStateException
              | UnsupportedOperationException
              | ClassCastException
              | NullPointerException e) {
            bad(
                new DistillationException(
                    "line "
                        + line
                        + " of "
                        + path
                        + " must have messages, prompt and completion, or text, but has not ("
                        + e.getMessage()
                        + "); correct it, or call skipBadRows(true)",
                    e));
          }
        },
        (line, problem) -> bad(problem));
    if (all.isEmpty()) {
      throw new DistillationException(
          "data file " + path + " must have at least one sample but has none; check the path");
    }
    return all;
  }

  /**
   * Returns how many lines the last {@link #read} left out.
   *
   * @return the number of bad lines
   */
  public long skipped() {
    return skipped;
  }

  private void bad(DistillationException problem) {
    if (!skipBadRows) {
      throw problem;
    }
    skipped++;
  }

  private static Conversation parse(JsonObject object) {
    if (object.has("messages")) {
      return Conversation.of(messages(object.get("messages")));
    }
    if (object.has("prompt") && object.has("completion")) {
      JsonElement prompt = object.get("prompt");
      JsonElement completion = object.get("completion");
      if (prompt.isJsonArray()) {
        List<ChatMessage> all = new ArrayList<>(messages(prompt));
        if (completion.isJsonArray()) {
          all.addAll(messages(completion));
        } else {
          all.add(new ChatMessage("assistant", string(completion, "completion")));
        }
        return Conversation.of(all);
      }
      return Conversation.of(string(prompt, "prompt"), string(completion, "completion"));
    }
    if (object.has("text")) {
      return Conversation.of(string(object.get("text"), "text"));
    }
    throw new IllegalArgumentException("it has " + object.keySet());
  }

  private static List<ChatMessage> messages(JsonElement element) {
    List<ChatMessage> messages = new ArrayList<>();
    for (JsonElement each : element.getAsJsonArray()) {
      messages.add(ChatMessage.fromJson(each.getAsJsonObject()));
    }
    return messages;
  }

  private static String string(JsonElement element, String name) {
    if (element == null || !element.isJsonPrimitive() || !element.getAsJsonPrimitive().isString()) {
      throw new IllegalArgumentException(name + " is no text");
    }
    return element.getAsString();
  }
}
