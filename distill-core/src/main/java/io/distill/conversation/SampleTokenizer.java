package io.distill.conversation;

import static java.util.Objects.requireNonNull;

import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatMessage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Turns samples into tokens and finds those that are the assistant's. */
final class SampleTokenizer {

  private static final String ASSISTANT = "assistant";

  private final Tokenizer tokenizer;
  private final @Nullable ConversationTemplate template;
  private final int @Nullable [] endId;
  private final boolean endTexts;
  private final Set<String> special;

  SampleTokenizer(
      Tokenizer tokenizer,
      @Nullable ConversationTemplate template,
      int @Nullable [] endId,
      boolean endTexts) {
    this.tokenizer = tokenizer;
    this.template = template;
    this.endId = endId;
    this.endTexts = endTexts;
    this.special =
        tokenizer.specialIds().stream()
            .flatMap(id -> tokenizer.piece(id).stream())
            .collect(Collectors.toSet());
  }

  /** Why a sample cannot be learned. */
  static final class Dropped extends Exception {
    private static final long serialVersionUID = 1;

    Dropped(String reason) {
      super(reason, null, false, false);
    }
  }

  /** What a sample became. */
  record Result(TokenisedSample sample, boolean lastTurnOnly) {}

  Result tokenise(Conversation conversation) throws Dropped {
    if (conversation instanceof Conversation.Messages messages) {
      return messages(messages.messages());
    }
    if (conversation instanceof Conversation.Completion completion) {
      return new Result(completion(completion.prompt(), completion.completion()), false);
    }
    String text = ((Conversation.Text) conversation).text();
    if (text.isEmpty()) {
      throw new Dropped(ConversationReport.EMPTY);
    }
    int[] ids = tokenizer.encode(text, true);
    if (endTexts) {
      ids = ended(ids);
    }
    return new Result(TokenisedSample.of(ids, new int[] {0, ids.length}), false);
  }

  private TokenisedSample completion(String prompt, String completion) throws Dropped {
    if (completion.isEmpty()) {
      throw new Dropped(ConversationReport.EMPTY);
    }
    int[] ids = ended(tokenizer.encode(prompt + completion, true));
    int begin = prompt.isEmpty() ? 0 : begin(tokenizer.encode(prompt, true), ids);
    return TokenisedSample.of(ids, new int[] {begin, ids.length});
  }

  /** Adds the end token unless it is there. */
  private int[] ended(int[] ids) {
    if (endId == null || (ids.length > 0 && contains(endId, ids[ids.length - 1]))) {
      return ids;
    }
    int[] longer = Arrays.copyOf(ids, ids.length + 1);
    longer[ids.length] = endId[0];
    return longer;
  }

  private static boolean contains(int[] values, int value) {
    return Arrays.stream(values).anyMatch(each -> each == value);
  }

  private Result messages(List<ChatMessage> messages) throws Dropped {
    if (template == null) {
      throw new IllegalStateException("template must be set for messages");
    }
    if (messages.stream().noneMatch(message -> message.role().equals(ASSISTANT))) {
      throw new Dropped(ConversationReport.NO_ASSISTANT);
    }
    // what comes after the last answer has no answer to learn
    int end = messages.size();
    while (!messages.get(end - 1).role().equals(ASSISTANT)) {
      end--;
    }
    List<ChatMessage> answered = messages.subList(0, end);
    if (saysNothing(answered.get(end - 1))) {
      throw new Dropped(ConversationReport.EMPTY);
    }
    String whole = render(answered, false);
    List<int[]> spans = new ArrayList<>();
    boolean stable = true;
    for (int i = 0; i < end && stable; i++) {
      if (answered.get(i).role().equals(ASSISTANT) && !saysNothing(answered.get(i))) {
        String before = i == 0 ? "" : render(answered.subList(0, i), true);
        String after = i == end - 1 ? whole : render(answered.subList(0, i + 1), false);
        stable = whole.startsWith(after) && after.startsWith(before);
        spans.add(new int[] {before.length(), after.length()});
      }
    }
    if (!stable) {
      spans.clear();
      String before = end == 1 ? "" : render(answered.subList(0, end - 1), true);
      if (!whole.startsWith(before)) {
        throw new Dropped(ConversationReport.UNSTABLE_TEMPLATE);
      }
      spans.add(new int[] {before.length(), whole.length()});
    }
    int[] ids = tokenizer.encode(whole, false);
    int[][] tokens = new int[spans.size()][];
    for (int i = 0; i < tokens.length; i++) {
      int[] span = spans.get(i);
      int last = spanEnd(whole, span[0], span[1]);
      int from =
          span[0] == 0 ? 0 : begin(tokenizer.encode(whole.substring(0, span[0]), false), ids);
      int to =
          last == whole.length()
              ? ids.length
              : end(tokenizer.encode(whole.substring(0, last), false), ids);
      tokens[i] = new int[] {from, to};
    }
    int[] last = tokens[tokens.length - 1];
    if (!endsSpecially(whole.substring(0, spanEnd(whole, 0, whole.length())))) {
      ids = ended(Arrays.copyOf(ids, last[1]));
      last[1] = ids.length;
    }
    return new Result(TokenisedSample.of(ids, tokens), !stable);
  }

  /** An answer without content may still call tools. */
  private static boolean saysNothing(ChatMessage message) {
    return message.content().isEmpty() && !message.fields().containsKey("tool_calls");
  }

  private String render(List<ChatMessage> messages, boolean prompt) throws Dropped {
    try {
      return requireNonNull(template).render(messages, prompt);
    } catch (DistillationException e) {
      throw new Dropped(ConversationReport.REFUSED);
    }
  }

  /** What follows the special token that ends a turn, such as a line end, is not the answer's. */
  private int spanEnd(String whole, int begin, int end) {
    int last = end;
    while (last > begin && Character.isWhitespace(whole.charAt(last - 1))) {
      last--;
    }
    return endsSpecially(whole.substring(begin, last)) ? last : end;
  }

  private boolean endsSpecially(String text) {
    return special.stream().anyMatch(piece -> !piece.isEmpty() && text.endsWith(piece));
  }

  /** Returns the first token that begins where a prefix ends, or later. */
  private static int begin(int[] prefix, int[] ids) {
    int common = common(prefix, ids);
    return common == prefix.length ? common : common + 1;
  }

  /** Returns the token after the last one that begins before a prefix ends. */
  private static int end(int[] prefix, int[] ids) {
    int common = common(prefix, ids);
    return common == prefix.length ? common : common + 1;
  }

  private static int common(int[] prefix, int[] ids) {
    int mismatch = Arrays.mismatch(prefix, ids);
    return mismatch < 0 ? prefix.length : mismatch;
  }
}
