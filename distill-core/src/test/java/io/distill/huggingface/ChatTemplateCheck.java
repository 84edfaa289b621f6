package io.distill.huggingface;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.ToNumberPolicy;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Compares published templates with what the transformers library renders; run by hand with a
 * folder of templates and what chat_template_golden.py wrote for it.
 */
final class ChatTemplateCheck {

  static final Clock CLOCK = Clock.fixed(Instant.parse("2026-03-09T08:07:06Z"), ZoneOffset.UTC);

  private static final Gson GSON =
      new GsonBuilder().setObjectToNumberStrategy(ToNumberPolicy.LONG_OR_DOUBLE).create();

  /** How one chat came out. */
  enum Outcome {
    EQUAL,
    REFUSED_BY_BOTH,
    DIFFERENT,
    REFUSED_HERE_ONLY,
    REFUSED_THERE_ONLY
  }

  /** What chat_template_golden.py writes. */
  record Reference(
      Map<String, String> tokens,
      List<Chat> chats,
      Map<String, List<Map<String, String>>> results,
      Map<String, String> templates,
      Map<String, Object> values,
      List<Map<String, String>> expressions) {}

  /** What is rendered. */
  record Chat(List<Map<String, Object>> messages, boolean prompt, Map<String, Object> variables) {}

  private ChatTemplateCheck() {}

  static Reference reference(String json) {
    return GSON.fromJson(json, Reference.class);
  }

  static String render(ChatTemplate template, Chat chat) {
    return template.render(
        chat.messages().stream().map(ChatMessage::of).toList(), chat.prompt(), chat.variables());
  }

  static Outcome compare(String source, Reference reference, int chat, Map<String, String> wanted) {
    String text;
    try {
      ChatTemplate template = ChatTemplate.of(source, reference.tokens()).withClock(CLOCK);
      text = render(template, reference.chats().get(chat));
    } catch (DistillationException e) {
      boolean both = !wanted.containsKey("text");
      return both ? Outcome.REFUSED_BY_BOTH : Outcome.REFUSED_HERE_ONLY;
    }
    if (!wanted.containsKey("text")) {
      return Outcome.REFUSED_THERE_ONLY;
    }
    return text.equals(wanted.get("text")) ? Outcome.EQUAL : Outcome.DIFFERENT;
  }

  public static void main(String[] arguments) throws IOException {
    Path folder = Path.of(arguments[0]);
    Reference reference = reference(Files.readString(Path.of(arguments[1])));
    Map<Outcome, Integer> total = new TreeMap<>();
    for (Map.Entry<String, List<Map<String, String>>> each : reference.results().entrySet()) {
      String source = Files.readString(folder.resolve(each.getKey()));
      Map<Outcome, Integer> counts = new TreeMap<>();
      int worst = -1;
      for (int i = 0; i < each.getValue().size(); i++) {
        Outcome outcome = compare(source, reference, i, each.getValue().get(i));
        counts.merge(outcome, 1, Integer::sum);
        total.merge(outcome, 1, Integer::sum);
        worst = outcome.compareTo(Outcome.DIFFERENT) >= 0 && worst < 0 ? i : worst;
      }
      System.out.println(each.getKey() + " " + counts + (worst < 0 ? "" : " see chat " + worst));
      if (worst >= 0 && arguments.length > 2) {
        tell(source, reference, worst, each.getValue().get(worst));
      }
    }
    System.out.println("all " + reference.results().size() + " templates: " + total);
  }

  private static void tell(
      String source, Reference reference, int chat, Map<String, String> wanted) {
    System.out.println("  wanted " + wanted);
    try {
      ChatTemplate template = ChatTemplate.of(source, reference.tokens()).withClock(CLOCK);
      System.out.println("  found  " + render(template, reference.chats().get(chat)));
    } catch (DistillationException e) {
      System.out.println("  found  " + e.getMessage());
    }
  }
}
