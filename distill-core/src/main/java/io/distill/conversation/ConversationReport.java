package io.distill.conversation;

import com.google.common.collect.ImmutableSortedMap;
import java.util.Locale;
import java.util.Map;

/**
 * What became of samples on their way to rows of tokens.
 *
 * @param samples how many there were
 * @param kept how many are in the data set, whole or in part
 * @param dropped how many are not, by reason
 * @param truncated how many were cut off at the maximum length
 * @param split how many became several rows
 * @param lastTurnOnly how many conversations are learned from their last answer alone, because the
 *     template writes earlier ones otherwise once more follows
 * @param rows the number of rows of the data set
 * @param tokens the number of tokens of all rows
 * @param learnedTokens how many of them are learned
 * @param filled the share of the positions that hold a token if all rows had the maximum length
 */
public record ConversationReport(
    int samples,
    int kept,
    Map<String, Integer> dropped,
    int truncated,
    int split,
    int lastTurnOnly,
    int rows,
    long tokens,
    long learnedTokens,
    double filled) {

  /** The completion, or what the assistant says, is empty. */
  public static final String EMPTY = "empty completion";

  /** No message is the assistant's. */
  public static final String NO_ASSISTANT = "no assistant message";

  /** More tokens than the maximum length. */
  public static final String TOO_LONG = "too long";

  /** Nothing that is learned was left below the maximum length. */
  public static final String NOTHING_LEFT = "nothing to learn before the maximum length";

  /** The template does not write the beginning of a conversation as that of the whole. */
  public static final String UNSTABLE_TEMPLATE = "template rewrites the conversation";

  /** The template refused the messages. */
  public static final String REFUSED = "refused by the template";

  /**
   * Copies the map.
   *
   * @param samples how many there were
   * @param kept how many are in the data set
   * @param dropped how many are not, by reason
   * @param truncated how many were cut off
   * @param split how many became several rows
   * @param lastTurnOnly how many are learned from their last answer alone
   * @param rows the number of rows
   * @param tokens the number of tokens
   * @param learnedTokens how many are learned
   * @param filled the share of filled positions
   */
  public ConversationReport {
    dropped = ImmutableSortedMap.copyOf(dropped);
  }

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "%d samples: %d kept, dropped %s, %d truncated, %d split; %d rows of %d tokens, %d of them"
            + " learned, %.1f %% filled",
        samples,
        kept,
        dropped,
        truncated,
        split,
        rows,
        tokens,
        learnedTokens,
        100 * filled);
  }
}
