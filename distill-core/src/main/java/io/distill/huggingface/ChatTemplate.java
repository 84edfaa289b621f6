package io.distill.huggingface;

import static java.util.Objects.requireNonNull;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.huggingface.internal.Template;
import io.distill.huggingface.internal.TemplateException;
import java.time.Clock;
import java.time.ZoneId;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The chat template of a model: Jinja source that writes messages as the text the model was trained
 * on. Immutable and thread-safe.
 *
 * <p>Templates see {@code messages}, {@code add_generation_prompt}, {@code tools} and {@code
 * documents} (None unless given), the special tokens ({@code bos_token}, {@code eos_token} and so
 * on), {@code raise_exception} and {@code strftime_now}. They are rendered as the transformers
 * library does it: with blocks and lines trimmed, values written as Python writes them, {@code
 * tojson} as {@code json.dumps} without ASCII escapes, members of messages that are null left out,
 * and {@code reasoning_content} also under its older names. A template that transformers refuses,
 * such as one that looks into what is undefined, is refused.
 *
 * <p>Templates reach nothing but these values, and can be as hostile as they like: the text, the
 * depth and the number of steps are limited. What messages say is never taken as a template.
 *
 * <p><b>Limits.</b> A template is refused, never rendered otherwise, if it uses what no published
 * template of the usual families does: recursive loops, {@code with}, {@code include}, {@code
 * import}, {@code extends} and {@code block}, texts formatted by {@code %} or {@code format},
 * integers beyond 64 bits, the order of lists, or filters such as {@code groupby}, {@code batch},
 * {@code unique}, {@code sum} and those that make HTML. A name that is read and then set inside of
 * the same block is seen from outside before it is set, where Jinja may take it as undefined.
 *
 * @see <a href="https://huggingface.co/docs/transformers/chat_templating">Chat templates</a>
 */
public final class ChatTemplate {

  private static final int LONGEST_SOURCE = 1 << 20;

  /** The names of what a model thought before it answered; the first is today's. */
  private static final List<String> REASONING =
      List.of("reasoning_content", "thinking", "reasoning");

  private final Template template;
  private final Map<String, String> specialTokens;
  private final Clock clock;

  private ChatTemplate(Template template, Map<String, String> specialTokens, Clock clock) {
    this.template = template;
    this.specialTokens = Map.copyOf(specialTokens);
    this.clock = clock;
  }

  /**
   * Makes a template.
   *
   * @param source the Jinja source
   * @param specialTokens the texts of special tokens by name, such as {@code bos_token}
   * @return the template
   * @throws DistillationException if the source is longer than a million characters, or malformed
   */
  public static ChatTemplate of(String source, Map<String, String> specialTokens) {
    if (requireNonNull(source, "source").length() > LONGEST_SOURCE) {
      throw new DistillationException(
          "chat template must have at most "
              + LONGEST_SOURCE
              + " characters but has "
              + source.length()
              + "; check the file");
    }
    try {
      return new ChatTemplate(
          Template.parse(source), specialTokens, Clock.system(ZoneId.systemDefault()));
    } catch (TemplateException e) {
      throw failure(e);
    }
  }

  /**
   * Makes the default template of a checkpoint.
   *
   * @param files the checkpoint's files
   * @return the template; empty if there is none
   * @throws DistillationException as {@link #of(String, Map)}
   */
  public static Optional<ChatTemplate> of(CheckpointFiles files) {
    return files
        .chatTemplateSource()
        .map(element -> of(defaultSource(element), specialTokens(files.tokenizerConfig())));
  }

  private static String defaultSource(JsonElement element) {
    if (element.isJsonPrimitive()) {
      return element.getAsString();
    }
    if (element.isJsonArray()) {
      for (JsonElement each : element.getAsJsonArray()) {
        if (each instanceof JsonObject named
            && named.has("name")
            && named.get("name").getAsString().equals("default")
            && named.has("template")) {
          return named.get("template").getAsString();
        }
      }
    }
    throw new DistillationException(
        "chat_template must be a text or a list with one that is named default but is neither;"
            + " make one with ChatTemplate.of(source, tokens)");
  }

  private static Map<String, String> specialTokens(JsonObject config) {
    Map<String, String> tokens = new HashMap<>();
    for (Map.Entry<String, JsonElement> each : config.entrySet()) {
      if (each.getKey().endsWith("_token")) {
        JsonElement value = each.getValue();
        if (value instanceof JsonObject object && object.has("content")) {
          value = object.get("content");
        }
        if (value.isJsonPrimitive() && value.getAsJsonPrimitive().isString()) {
          tokens.put(each.getKey(), value.getAsString());
        }
      }
    }
    return tokens;
  }

  /**
   * Returns this template with another clock, for templates that write the date.
   *
   * @param other the clock; default that of the system
   * @return a copy
   */
  public ChatTemplate withClock(Clock other) {
    return new ChatTemplate(template, specialTokens, requireNonNull(other, "other"));
  }

  /**
   * Writes messages.
   *
   * @param messages the messages in order
   * @param addGenerationPrompt whether to end with what makes the model answer
   * @return the text, special tokens included: encode it without adding any
   * @throws DistillationException if the template refuses the messages, or is malformed
   */
  public String render(List<ChatMessage> messages, boolean addGenerationPrompt) {
    return render(messages, addGenerationPrompt, Map.of());
  }

  /**
   * Writes messages with further variables.
   *
   * @param messages the messages in order
   * @param addGenerationPrompt whether to end with what makes the model answer
   * @param variables what the template shall see besides, such as {@code tools} or {@code
   *     enable_thinking}: texts, numbers, booleans, null, lists and maps of these
   * @return the text, special tokens included: encode it without adding any
   * @throws DistillationException if the template refuses the messages, or is malformed
   */
  public String render(
      List<ChatMessage> messages, boolean addGenerationPrompt, Map<String, ?> variables) {
    return renderMarked(messages, addGenerationPrompt, variables).text();
  }

  /**
   * What was written, and which parts of it the template marks as the assistant's.
   *
   * @param text the text
   * @param generated the parts between {@code generation} tags in order; empty if the template has
   *     none
   */
  public record Marked(String text, List<Span> generated) {
    /**
     * Copies the list.
     *
     * @param text the text
     * @param generated the parts
     */
    public Marked {
      requireNonNull(text, "text");
      generated = List.copyOf(generated);
    }
  }

  /**
   * A part of a text.
   *
   * @param begin the first character, from 0
   * @param end the character after the last one
   */
  public record Span(int begin, int end) {}

  /**
   * Writes messages and tells what of it the assistant said, for templates that mark it.
   *
   * @param messages the messages in order
   * @param addGenerationPrompt whether to end with what makes the model answer
   * @param variables what the template shall see besides, as in {@link #render(List, boolean, Map)}
   * @return the text with the marked parts
   * @throws DistillationException if the template refuses the messages, or is malformed
   */
  public Marked renderMarked(
      List<ChatMessage> messages, boolean addGenerationPrompt, Map<String, ?> variables) {
    Map<String, @Nullable Object> all = new HashMap<>(specialTokens);
    all.put("tools", null);
    all.put("documents", null);
    all.putAll(variables);
    all.put("messages", messages.stream().map(ChatTemplate::seen).toList());
    all.put("add_generation_prompt", addGenerationPrompt);
    try {
      Template.Result result = template.render(all, clock);
      return new Marked(
          result.text(),
          result.generated().stream().map(span -> new Span(span[0], span[1])).toList());
    } catch (TemplateException e) {
      throw failure(e);
    }
  }

  /** Returns a message as templates see it. */
  private static Map<String, Object> seen(ChatMessage message) {
    Map<String, Object> seen = new LinkedHashMap<>();
    seen.put("role", message.role());
    seen.put("content", message.content());
    message
        .fields()
        .forEach(
            (name, value) -> {
              if (value == null) {
                seen.remove(name);
              } else {
                seen.put(name, value);
              }
            });
    REASONING.stream()
        .filter(seen::containsKey)
        .findFirst()
        .map(seen::get)
        .ifPresent(
            reasoning -> {
              seen.putIfAbsent("thinking", reasoning);
              seen.put("reasoning_content", reasoning);
            });
    return seen;
  }

  private static DistillationException failure(TemplateException e) {
    if (e.refusal()) {
      return new DistillationException("chat template refuses the messages: " + e.getMessage());
    }
    return new DistillationException(
        "chat template must be rendered without errors but was not (line "
            + e.line()
            + ": "
            + e.getMessage()
            + "); check it, or give ConversationDataset a template of your own",
        e);
  }
}
