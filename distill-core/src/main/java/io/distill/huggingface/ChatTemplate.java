package io.distill.huggingface;

import static java.util.Objects.requireNonNull;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import io.distill.exception.DistillationException;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The chat template of a model: Jinja source that writes messages as the text the model was trained
 * on. Immutable and thread-safe.
 *
 * <p>Templates see {@code messages}, {@code add_generation_prompt}, the special tokens ({@code
 * bos_token}, {@code eos_token} and so on), {@code raise_exception} and {@code strftime_now}, with
 * blocks and lines trimmed as the transformers library does it. They are rendered by Jinjava, which
 * gives them no access to Java. Jinja that Jinjava would render otherwise is refused when the
 * template is made: loops with a condition ({@code for x in xs if ...}), and {@code tojson}.
 *
 * @see <a href="https://huggingface.co/docs/transformers/chat_templating">Chat templates</a>
 */
public final class ChatTemplate {

  private static final int LONGEST_SOURCE = 1 << 20;
  private static final long LONGEST_TEXT = 1L << 26;
  private static final int DEPTH = 32;
  private static final String CLOCK = "distill_clock";
  private static final String REFUSAL = "distill_refusal";

  /** Marks what the assistant says for training; it writes nothing itself. */
  private static final Pattern GENERATION =
      Pattern.compile("\\{%(-?)\\s*(end)?generation\\s*(-?)%}");

  private static final Pattern UNLIKE =
      Pattern.compile("\\{%-?\\s*for\\s[^%]*?\\sin\\s[^%]*?\\sif\\s|\\|\\s*tojson\\b");

  /** Jinja's lstrip_blocks: spaces between the beginning of a line and a tag. */
  private static final Pattern INDENTED_TAG = Pattern.compile("(?m)^[ \\t]+(?=\\{[%#](?![-+]))");

  /** Jinja's trim_blocks: the line end after a tag. */
  private static final Pattern TAG_AND_LINE_END = Pattern.compile("((?<![-+])[%#]\\})\\r?\\n");

  private static final Jinjava ENGINE = engine();

  private final String source;
  private final Map<String, String> specialTokens;
  private final Clock clock;

  private ChatTemplate(String source, Map<String, String> specialTokens, Clock clock) {
    this.source = source;
    this.specialTokens = Map.copyOf(specialTokens);
    this.clock = clock;
  }

  private static Jinjava engine() {
    Jinjava engine =
        new Jinjava(
            JinjavaConfig.newBuilder()
                // what users say is no template
                .withNestedInterpretationEnabled(false)
                .withMaxOutputSize(LONGEST_TEXT)
                .withMaxRenderDepth(DEPTH)
                .withLegacyOverrides(
                    LegacyOverrides.newBuilder()
                        .withIterateOverMapKeys(true)
                        .withUsePyishObjectMapper(true)
                        .withAllowAdjacentTextNodes(true)
                        .withUseTrimmingForNotesAndExpressions(true)
                        .build())
                .build());
    engine
        .getGlobalContext()
        .registerFunction(
            new ELFunctionDefinition(
                "", "raise_exception", ChatTemplate.class, "raise", String.class));
    engine
        .getGlobalContext()
        .registerFunction(
            new ELFunctionDefinition("", "strftime_now", ChatTemplate.class, "now", String.class));
    return engine;
  }

  /**
   * Makes a template.
   *
   * @param source the Jinja source
   * @param specialTokens the texts of special tokens by name, such as {@code bos_token}
   * @return the template
   * @throws DistillationException if the source is longer than a million characters, or uses what
   *     would be rendered otherwise than by Jinja
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
    Matcher unlike = UNLIKE.matcher(source);
    if (unlike.find()) {
      throw new DistillationException(
          "chat template must do without loops with a condition and without tojson, which are not"
              + " rendered as transformers does it yet, but has '"
              + unlike.group().strip()
              + "'; give ConversationDataset a template of your own");
    }
    StringBuilder plain = new StringBuilder();
    Matcher generation = GENERATION.matcher(source);
    while (generation.find()) {
      String tag = generation.group(2) == null ? "if true" : "endif";
      generation.appendReplacement(
          plain, "{%" + generation.group(1) + " " + tag + " " + generation.group(3) + "%}");
    }
    generation.appendTail(plain);
    // not by Jinjava, which trims other spaces, too
    String unindented = INDENTED_TAG.matcher(plain).replaceAll("");
    String trimmed = TAG_AND_LINE_END.matcher(unindented).replaceAll("$1");
    return new ChatTemplate(trimmed, specialTokens, Clock.system(ZoneId.systemDefault()));
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
    return new ChatTemplate(source, specialTokens, requireNonNull(other, "other"));
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
   * @param variables what the template shall see besides, such as {@code enable_thinking}
   * @return the text, special tokens included: encode it without adding any
   * @throws DistillationException if the template refuses the messages, or is malformed
   */
  public String render(
      List<ChatMessage> messages, boolean addGenerationPrompt, Map<String, ?> variables) {
    List<Map<String, Object>> listed = new ArrayList<>();
    for (ChatMessage message : messages) {
      Map<String, Object> entry = new LinkedHashMap<>();
      entry.put("role", message.role());
      entry.put("content", message.content());
      listed.add(entry);
    }
    String[] refusal = new String[1];
    Map<String, Object> all = new HashMap<>(specialTokens);
    all.putAll(variables);
    all.put("messages", listed);
    all.put("add_generation_prompt", addGenerationPrompt);
    all.put(CLOCK, clock);
    all.put(REFUSAL, refusal);
    RenderResult result = ENGINE.renderForResult(source, all);
    if (refusal[0] != null) {
      throw new DistillationException("chat template refuses the messages: " + refusal[0]);
    }
    if (!result.getErrors().isEmpty()) {
      throw new DistillationException(
          "chat template must be rendered without errors but was not (line "
              + result.getErrors().get(0).getLineno()
              + ": "
              + result.getErrors().get(0).getMessage()
              + "); check it, or give ConversationDataset a template of your own");
    }
    return result.getOutput();
  }

  /**
   * Refuses the messages; templates call it as {@code raise_exception}.
   *
   * @param message why
   * @return nothing
   */
  public static String raise(String message) {
    if (context().get(REFUSAL) instanceof String[] refusal && refusal[0] == null) {
      refusal[0] = String.valueOf(message);
    }
    throw new IllegalStateException(message);
  }

  /**
   * Writes the date; templates call it as {@code strftime_now}.
   *
   * @param format the format as C has it, of the letters {@code Y m d b B H M S}
   * @return the date
   */
  public static String now(String format) {
    Clock used =
        context().get(CLOCK) instanceof Clock own ? own : Clock.system(ZoneId.systemDefault());
    LocalDateTime time = LocalDateTime.now(used);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        text.append(c);
        continue;
      }
      char letter = format.charAt(++i);
      String pattern =
          switch (letter) {
            case 'Y' -> "yyyy";
            case 'm' -> "MM";
            case 'd' -> "dd";
            case 'b' -> "MMM";
            case 'B' -> "MMMM";
            case 'H' -> "HH";
            case 'M' -> "mm";
            case 'S' -> "ss";
            default -> throw new IllegalStateException("strftime_now does not know %" + letter);
          };
      text.append(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH).format(time));
    }
    return text.toString();
  }

  private static Context context() {
    return JinjavaInterpreter.getCurrent().getContext();
  }
}
