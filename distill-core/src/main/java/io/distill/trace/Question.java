package io.distill.trace;

import static java.util.Objects.requireNonNull;

import io.distill.huggingface.ChatMessage;
import java.util.List;
import java.util.Optional;

/**
 * One answer that a source is asked for.
 *
 * @param promptId the id of the prompt
 * @param text what is continued; empty if there are messages
 * @param messages what is replied to; empty if there is a text
 * @param index which answer to the prompt it is, from 0
 * @param seed the seed for sampling, from 0 to 2^53 - 1; the same in every run with the same seed,
 *     prompt id and index, and another one for other answers
 */
public record Question(
    String promptId, Optional<String> text, List<ChatMessage> messages, int index, long seed) {

  /**
   * Checks that all is there.
   *
   * @param promptId the id of the prompt
   * @param text what is continued
   * @param messages what is replied to
   * @param index which answer to the prompt it is
   * @param seed the seed for sampling
   */
  public Question {
    requireNonNull(promptId, "promptId");
    requireNonNull(text, "text");
    messages = List.copyOf(messages);
  }

  /**
   * Returns the text to be continued.
   *
   * @return the text of the prompt
   * @throws IllegalStateException if it has messages instead
   */
  public String prompt() {
    return text.orElseThrow(
        () ->
            new IllegalStateException(
                "prompt "
                    + promptId
                    + " must have a text but has messages; ask a source that replies to messages"));
  }
}
