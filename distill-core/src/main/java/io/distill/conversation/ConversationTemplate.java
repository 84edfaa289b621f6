package io.distill.conversation;

import io.distill.huggingface.ChatMessage;
import java.util.List;

/** Writes messages as the text that a model was trained on; a lambda is one. */
@FunctionalInterface
public interface ConversationTemplate {

  /**
   * Writes messages.
   *
   * @param messages the messages in order, at least one
   * @param generationPrompt whether to end with what makes the model answer, such as the header of
   *     the assistant's turn
   * @return the text, special tokens included
   */
  String render(List<ChatMessage> messages, boolean generationPrompt);
}
