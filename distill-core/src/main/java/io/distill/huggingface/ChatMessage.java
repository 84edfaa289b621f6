package io.distill.huggingface;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

/**
 * One message of a conversation.
 *
 * @param role who speaks, such as {@code system}, {@code user} or {@code assistant}; not blank
 * @param content what is said
 */
public record ChatMessage(String role, String content) {

  /**
   * Checks the role.
   *
   * @param role who speaks; not blank
   * @param content what is said
   * @throws IllegalArgumentException if the role is blank
   */
  public ChatMessage {
    checkArgument(!requireNonNull(role, "role").isBlank(), "role must not be blank");
    requireNonNull(content, "content");
  }
}
