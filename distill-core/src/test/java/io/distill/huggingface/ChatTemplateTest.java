package io.distill.huggingface;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Compares with what the transformers library renders; see chat_template_golden.py. */
class ChatTemplateTest {

  private static final Map<String, String> TOKENS = Map.of("bos_token", "<s>", "eos_token", "</s>");

  private static final List<ChatMessage> HELLO = List.of(new ChatMessage("user", "Hello"));

  private static List<ChatMessage> messages(JsonElement json) {
    List<ChatMessage> messages = new ArrayList<>();
    for (JsonElement each : json.getAsJsonArray()) {
      JsonObject message = each.getAsJsonObject();
      messages.add(
          new ChatMessage(message.get("role").getAsString(), message.get("content").getAsString()));
    }
    return messages;
  }

  @Test
  void templates_areRenderedAsTransformersDoes() throws IOException {
    JsonObject golden;
    try (Reader reader =
        new InputStreamReader(
            requireNonNull(ChatTemplateTest.class.getResourceAsStream("chat-templates.json")),
            StandardCharsets.UTF_8)) {
      golden = JsonParser.parseReader(reader).getAsJsonObject();
    }
    int refused = 0;
    for (JsonElement each : golden.getAsJsonArray("cases")) {
      JsonObject row = each.getAsJsonObject();
      String name = row.get("template").getAsString();
      ChatTemplate template =
          ChatTemplate.of(golden.getAsJsonObject("templates").get(name).getAsString(), TOKENS);
      Map<String, Object> variables = new HashMap<>();
      row.getAsJsonObject("variables")
          .entrySet()
          .forEach(
              variable ->
                  variables.put(
                      variable.getKey(),
                      variable.getValue().getAsJsonPrimitive().isBoolean()
                          ? (Object) variable.getValue().getAsBoolean()
                          : variable.getValue().getAsString()));
      List<ChatMessage> messages = messages(row.get("messages"));
      boolean prompt = row.get("prompt").getAsBoolean();
      if (row.has("text")) {
        assertThat(template.render(messages, prompt, variables))
            .as("%s of %s", name, messages)
            .isEqualTo(row.get("text").getAsString());
      } else {
        refused++;
        assertThatThrownBy(() -> template.render(messages, prompt, variables))
            .isInstanceOf(DistillationException.class)
            .hasMessage("chat template refuses the messages: " + row.get("refusal").getAsString());
      }
    }
    assertThat(refused).isPositive();
  }

  @Test
  void date_isThatOfTheClock() {
    ChatTemplate template =
        ChatTemplate.of("{{ strftime_now('%d %b %Y, %H:%M') }}", TOKENS)
            .withClock(Clock.fixed(Instant.parse("2026-03-09T08:07:06Z"), ZoneOffset.UTC));
    assertThat(template.render(HELLO, false)).isEqualTo("09 Mar 2026, 08:07");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{{ ''.getClass().forName('java.lang.Runtime').getRuntime() }}",
        "{{ messages.getClass().getName() }}",
        "{{ ''.class.classLoader }}",
        "{{ distill_clock.getClass().getClassLoader() }}",
        "{{ messages[0].getClass() }}"
      })
  void java_isOutOfReach(String hostile) {
    try {
      assertThat(ChatTemplate.of(hostile, TOKENS).render(HELLO, false))
          .doesNotContain("java")
          .doesNotContain("class");
    } catch (DistillationException refused) {
      assertThat(refused).hasMessageStartingWith("chat template");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"{% if %}", "{% if true %}", "{% nonsense %}"})
  void malformedTemplates_areTold(String source) {
    assertThatThrownBy(() -> ChatTemplate.of(source, TOKENS).render(HELLO, false))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("chat template must be rendered without errors");
  }

  @Test
  void texts_ofUsers_areNoTemplates() {
    assertThat(
            ChatTemplate.of("{{ messages[0].content }}", TOKENS)
                .render(List.of(new ChatMessage("user", "{{ 1 + 1 }} {% if %}")), false))
        .isEqualTo("{{ 1 + 1 }} {% if %}");
  }
}
