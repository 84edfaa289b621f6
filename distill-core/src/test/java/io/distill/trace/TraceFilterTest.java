package io.distill.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import java.lang.Character.UnicodeScript;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TraceFilterTest {

  private static Verdict judge(TraceFilter filter, String text) throws Exception {
    return filter.judge(
        new Candidate(Prompt.of("q", "1,234.0"), 0, Answer.of(text, FinishReason.STOP, 1, 7)));
  }

  private static void keeps(TraceFilter filter, String... texts) throws Exception {
    for (String text : texts) {
      assertThat(judge(filter, text).kept()).as(text).isTrue();
    }
  }

  private static void drops(TraceFilter filter, String reason, String... texts) throws Exception {
    for (String text : texts) {
      assertThat(judge(filter, text).reason()).as(text).isEqualTo(reason);
    }
  }

  @Test
  void exactAnswer_comparesNumbersByValue() throws Exception {
    TraceFilter filter = TraceFilter.exactAnswer(AnswerExtractor.lastNumber());
    keeps(filter, "it is 1234", "so 1,234.00", "1 234 and then 1234.");
    drops(filter, "wrong answer", "it is 1235", "1234 or 12");
    drops(filter, "no answer found", "none");
    keeps(TraceFilter.exactAnswer(AnswerExtractor.boxed()), "\\boxed{1234}", "a \\boxed{1,234}");
    keeps(TraceFilter.exactAnswer(AnswerExtractor.after("####")), "x #### 1234\n");
  }

  @Test
  void reasoning_wantsOneClosedBlockAndAnAnswer() throws Exception {
    TraceFilter filter = TraceFilter.reasoning("think");
    keeps(filter, "<think>a</think>b", "  <think>\na\n</think>\nb");
    drops(filter, "tag not opened", "b", "a</think>b");
    drops(filter, "tag not closed", "<think>a");
    drops(filter, "tag more than once", "<think>a</think><think>a</think>b");
    drops(filter, "no reasoning", "<think> </think>b");
    drops(filter, "no answer after reasoning", "<think>a</think> ");
    drops(filter, "text before tag", "b<think>a</think>b");
  }

  @Test
  void lengthsLanguagesAndExpressions() throws Exception {
    keeps(TraceFilter.words(2, 3), "a b", "a b c");
    drops(TraceFilter.words(2, 3), "too short", "a");
    drops(TraceFilter.characters(1, 3), "too long", "abcd");
    keeps(TraceFilter.tokens(7, 7), "whatever");
    keeps(TraceFilter.script(0.9, UnicodeScript.LATIN), "plain words, 12!");
    drops(TraceFilter.script(0.9, UnicodeScript.LATIN), "other script", "\u4f60\u597d world");
    keeps(TraceFilter.language(text -> "en", "en", "de"), "x");
    drops(TraceFilter.language(text -> "fr", "en", "de"), "other language", "x");
    keeps(TraceFilter.matches(Pattern.compile("a+")), "aaa");
    drops(TraceFilter.matches(Pattern.compile("a+")), "expression not matched", "aab");
    drops(
        TraceFilter.repetition(2, 0.3),
        "repeats itself",
        "no no no no no no no no no no no no no no");
    keeps(TraceFilter.repetition(2, 0.3), "all of these words are different from each other");
  }

  @Test
  void nearDuplicates_dropTheSecond_notWhatIsOther() throws Exception {
    String text = "first we add the ones and carry then we add the tens and write the sum below";
    TraceFilter filter = TraceFilter.nearDuplicates().begin();
    Candidate one = new Candidate(Prompt.of("q"), 0, Answer.of(text));
    assertThat(filter.judge(one).kept()).isTrue();
    filter.kept(one);
    Candidate near = new Candidate(Prompt.of("q"), 1, Answer.of(text + " it"));
    assertThat(filter.judge(near).kept()).isFalse();
    Candidate other =
        new Candidate(
            Prompt.of("q"), 2, Answer.of("a quite different way begins with the largest digit"));
    assertThat(filter.judge(other).kept()).isTrue();
    // a filter begins anew for each run
    assertThat(TraceFilter.nearDuplicates().begin().judge(near).kept()).isTrue();
  }

  @Test
  void prompts_readTheUsualForms_andNameBadLines(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("prompts.jsonl");
    Files.writeString(
        file,
        """
        {"prompt": "a?", "answer": 3, "level": "easy"}
        {"id": 7, "messages": [{"role": "user", "content": "b?"}]}
        """);
    try (Stream<Prompt> prompts = Prompts.jsonLines(file).open()) {
      List<Prompt> all = prompts.toList();
      assertThat(all.get(0).reference()).contains("3");
      assertThat(all.get(0).metadata("level")).contains("easy");
      assertThat(all.get(1).id()).isEqualTo("7");
      assertThat(all.get(1).messages()).hasSize(1);
    }
    Files.writeString(
        file,
        """
        {"messages": [{"role": "assistant", "content": null, "tool_calls": [1]}, {"role": "user", "content": "b?"}]}
        {"messages": [{"role": "assistant", "content": null, "tool_calls": [2]}, {"role": "user", "content": "b?"}]}
        """);
    try (Stream<Prompt> prompts = Prompts.jsonLines(file).open()) {
      List<Prompt> all = prompts.toList();
      assertThat(all.get(0).messages().get(0).fields()).containsEntry("tool_calls", List.of(1L));
      // what is called makes another question of it
      assertThat(all.get(0).id()).isNotEqualTo(all.get(1).id());
    }
    for (String bad : List.of("{", "{}", "{\"prompt\": 3}", "{\"prompt\": \" \"}", "[]")) {
      Files.writeString(file, "{\"prompt\": \"a\"}\n" + bad + "\n");
      assertThatThrownBy(
              () -> {
                try (Stream<Prompt> prompts = Prompts.jsonLines(file).open()) {
                  assertThat(prompts.count()).isPositive();
                }
              })
          .as(bad)
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("line 2");
    }
  }
}
