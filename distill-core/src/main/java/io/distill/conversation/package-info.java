/**
 * Training on text: conversations, prompts with completions, plain texts.
 *
 * <p>{@link io.distill.conversation.Conversations} reads them, {@link
 * io.distill.conversation.ConversationDataset} makes of them rows of tokens in which only what the
 * assistant says is learned.
 */
@CheckReturnValue
@NullMarked
package io.distill.conversation;

import com.google.errorprone.annotations.CheckReturnValue;
import org.jspecify.annotations.NullMarked;
