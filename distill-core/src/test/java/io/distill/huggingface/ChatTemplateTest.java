package io.distill.huggingface;

import static java.util.Objects.requireNonNull;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import io.distill.huggingface.ChatTemplate.Marked;
import io.distill.huggingface.ChatTemplate.Span;
import io.distill.huggingface.ChatTemplateCheck.Chat;
import io.distill.huggingface.ChatTemplateCheck.Reference;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Compares with what the transformers library renders; see chat_template_golden.py. */
class ChatTemplateTest {

  private static final Map<String, String> TOKENS = Map.of("bos_token", "<s>", "eos_token", "</s>");

  private static final List<ChatMessage> HELLO = List.of(new ChatMessage("user", "Hello"));

  private static final Reference GOLDEN = golden();

  private static Reference golden() {
    try (InputStream file =
        requireNonNull(ChatTemplateTest.class.getResourceAsStream("chat-templates.json"))) {
      return ChatTemplateCheck.reference(new String(file.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Set<String> templates() {
    return GOLDEN.results().keySet();
  }

  @ParameterizedTest
  @MethodSource("templates")
  void templates_areRenderedAsTransformersDoes(String name) {
    ChatTemplate template =
        ChatTemplate.of(GOLDEN.templates().get(name), GOLDEN.tokens())
            .withClock(ChatTemplateCheck.CLOCK);
    int i = 0;
    for (Map<String, String> wanted : GOLDEN.results().get(name)) {
      Chat chat = GOLDEN.chats().get(i++);
      if (wanted.containsKey("text")) {
        assertThat(ChatTemplateCheck.render(template, chat))
            .as("%s of %s", name, chat)
            .isEqualTo(wanted.get("text"));
      } else {
        assertRefused(() -> ChatTemplateCheck.render(template, chat), wanted.get("refusal"));
      }
    }
    assertThat(i).isEqualTo(GOLDEN.chats().size()).isPositive();
  }

  private static void assertRefused(ThrowingCallable rendering, String there) {
    String own = "TemplateError: ";
    assertThatThrownBy(rendering)
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            there.startsWith(own)
                ? "chat template refuses the messages: " + there.substring(own.length())
                : "chat template must be rendered without errors but was not (line ");
  }

  static List<Map<String, String>> expressions() {
    return GOLDEN.expressions();
  }

  @ParameterizedTest
  @MethodSource("expressions")
  void constructs_meanWhatTheyMeanInJinja(Map<String, String> row) {
    Chat chat = new Chat(List.of(), false, GOLDEN.values());
    ThrowingCallable rendering =
        () ->
            assertThat(
                    ChatTemplateCheck.render(
                        ChatTemplate.of(row.get("source"), GOLDEN.tokens())
                            .withClock(ChatTemplateCheck.CLOCK),
                        chat))
                .isEqualTo(row.get("text"));
    if (row.containsKey("text")) {
      assertThatCode(rendering).doesNotThrowAnyException();
    } else {
      assertRefused(rendering, row.get("refusal"));
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{{ range(10 ** 9) | length }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) if range(99999) | sort %}{% endfor %}",
        "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set n.s = n.s + n.s %}"
            + "{% endfor %}",
        "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}"
            + "{% endfor %}",
        "{% set n = namespace(s='xx') %}{% for i in range(99) %}"
            + "{% set n.s = n.s | replace('x', n.s) %}{% endfor %}",
        "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}"
            + "{% endfor %}{{ n.s }}",
        "{% set n = namespace(s=[1]) %}{% for i in range(9999) %}{% set n.s = [n.s] %}"
            + "{% endfor %}{{ n.s | tojson }}",
        "{% set n = namespace(s=[1], t=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}"
            + "{% set n.t = [n.t, n.t] %}{% endfor %}{{ n.s == n.t }}",
        "{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = n.s + n.s %}"
            + "{% endfor %}",
        "{{ 'x' * 10 ** 12 }}",
        "{{ [1] * 10 ** 12 }}",
        "{{ 'x' | indent(10 ** 12, true) }}",
        "{{ [1] | tojson(indent=10 ** 12) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for a in range(99999) %}{{ 'x' * 99999 }}{% endfor %}",
        "{{ 9999999999 ** 9999999999 }}"
      })
  void hostileTemplates_comeToAnEnd(String hostile) {
    ChatTemplate template = ChatTemplate.of(hostile, TOKENS);
    assertThatThrownBy(() -> template.render(HELLO, false))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("chat template must be rendered without errors but was not (line ");
  }

  @ParameterizedTest
  @ValueSource(strings = {"{{ (", "{{ [", "{{ -", "{% if x %}", "{{ x[", "{{ not (", "{{ {'a': "})
  void deepTemplates_areRefused(String opening) {
    String brackets = opening.substring(2).strip();
    String deep = opening.startsWith("{%") ? opening : brackets;
    String source = (opening.startsWith("{%") ? "" : "{{ ") + deep.repeat(100_000);
    assertThatThrownBy(() -> ChatTemplate.of(source + " 1 }}", TOKENS))
        .isInstanceOf(DistillationException.class);
    String closed =
        source
            + "1"
            + (brackets.endsWith("(") ? ")" : brackets.endsWith("[") ? "]" : "").repeat(100_000)
            + " }}";
    assertThatThrownBy(() -> ChatTemplate.of(closed, TOKENS))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("chat template must be rendered without errors but was not (line ");
  }

  @Test
  void marks_tellWhatTheAssistantSays() {
    ChatTemplate template =
        ChatTemplate.of(
            "{% for m in messages %}<{% if m.role == 'assistant' %}"
                + "{% generation %}{{ m.content }}.{% endgeneration %}"
                + "{% else %}{{ m.content }}{% endif %}>{% endfor %}",
            TOKENS);
    Marked marked =
        template.renderMarked(
            List.of(
                new ChatMessage("user", "a"),
                new ChatMessage("assistant", "bc"),
                new ChatMessage("user", "d"),
                new ChatMessage("assistant", "")),
            false,
            Map.of());
    assertThat(marked.text()).isEqualTo("<a><bc.><d><.>");
    assertThat(marked.generated()).containsExactly(new Span(4, 7), new Span(12, 13));
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
