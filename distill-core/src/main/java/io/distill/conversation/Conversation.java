package io.distill.conversation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.huggingface.ChatMessage;
import java.util.List;

/** One sample of text to learn from. */
public sealed interface Conversation {

  /**
   * Messages; what the assistant says is learned.
   *
   * @param messages the messages in order, at least one
   */
  record Messages(List<ChatMessage> messages) implements Conversation {
    /**
     * Copies the list.
     *
     * @param messages the messages in order
     * @throws IllegalArgumentException if there is none
     */
    public Messages {
      messages = List.copyOf(messages);
      checkArgument(!messages.isEmpty(), "messages must be at least one but were none");
    }
  }

  /**
   * A prompt and what shall follow it; only the latter is learned.
   *
   * @param prompt what comes before
   * @param completion what is learned
   */
  record Completion(String prompt, String completion) implements Conversation {
    /**
     * Checks that both are present.
     *
     * @param prompt what comes before
     * @param completion what is learned
     */
    public Completion {
      requireNonNull(prompt, "prompt");
      requireNonNull(completion, "completion");
    }
  }

  /**
   * A text; all of it is learned.
   *
   * @param text the text
   */
  record Text(String text) implements Conversation {
    /**
     * Checks that it is present.
     *
     * @param text the text
     */
    public Text {
      requireNonNull(text, "text");
    }
  }

  /**
   * Returns a sample of messages.
   *
   * @param messages the messages in order, at least one
   * @return the sample
   */
  static Conversation of(List<ChatMessage> messages) {
    return new Messages(messages);
  }

  /**
   * Returns a sample of a prompt and its completion.
   *
   * @param prompt what comes before
   * @param completion what is learned
   * @return the sample
   */
  static Conversation of(String prompt, String completion) {
    return new Completion(prompt, completion);
  }

  /**
   * Returns a sample that is learned as a whole.
   *
   * @param text the text
   * @return the sample
   */
  static Conversation of(String text) {
    return new Text(text);
  }
}
