package io.distill.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.exception.DistillationException;
import io.distill.trace.EvaluationResult.PassAtK;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvaluationPipelineTest {

  @TempDir private Path temporary;

  private final List<String> asked = Collections.synchronizedList(new ArrayList<>());

  /** What is answered to each prompt, sample by sample; {@code -} is no answer. */
  private static final Map<String, List<String>> ANSWERS =
      Map.of(
          // 3 of 4 right, also by vote
          "a", List.of("# 1", "# 1.0", "# 7", "# 1"),
          // right once; the vote elects what came first of two answers with two votes
          "b", List.of("# 8", "# 2", "# 8", "# 2"),
          // never
          "c", List.of("-", "# 9", "-", "-"),
          // the vote is right though the first answer is not
          "d", List.of("# 5", "# 4", "# 4", "# 3"));

  private final AnswerSource source =
      batch -> {
        List<Answer> answers = new ArrayList<>();
        for (Question question : batch) {
          asked.add(question.promptId() + question.index());
          String text = ANSWERS.get(question.promptId()).get(question.index());
          answers.add(
              Answer.of(text, text.equals("-") ? FinishReason.LENGTH : FinishReason.STOP, 3, 2));
        }
        return answers;
      };

  private static Prompts prompts() {
    return Prompts.of(
        List.of(
            Prompt.of("one?", "1").withId("a"),
            Prompt.of("two?", "2").withId("b"),
            Prompt.of("three?", "3").withId("c"),
            Prompt.of("four?", "4").withId("d")));
  }

  private EvaluationPipeline.Builder evaluation(int samples) {
    return EvaluationPipeline.builder()
        .source(source)
        .prompts(prompts())
        .extractor(AnswerExtractor.after("#"))
        .samples(samples)
        .batchSize(3)
        .directory(temporary.resolve("evaluation"));
  }

  @Test
  void samples_givePassAtK_andAMajorityVote() throws IOException {
    EvaluationResult result =
        evaluation(4).grouping(prompt -> "c".equals(prompt.id()) ? "hard" : "").run();
    assertThat(result.overall()).isEqualTo(new AnswerEvaluation.Score(1, 4));
    assertThat(result.groups()).containsOnlyKeys("hard");
    assertThat(result.majorityVote()).contains(new AnswerEvaluation.Score(2, 4));
    assertThat(result.passAtK()).extracting(PassAtK::k).containsExactly(1, 2, 4);
    // c of n = 4 right: 3, 2, 0, 2
    assertThat(result.passAtK().get(0).value())
        .isCloseTo((0.75 + 0.5 + 0 + 0.5) / 4, within(1e-12));
    assertThat(result.passAtK().get(1).value())
        .isCloseTo((1 + 5 / 6.0 + 0 + 5 / 6.0) / 4, within(1e-12));
    assertThat(result.passAtK().get(2).value()).isCloseTo(0.75, within(1e-12));
    // standard deviation of 0.75, 0.5, 0, 0.5 over the root of 4
    assertThat(result.passAtK().get(0).standardError())
        .isCloseTo(
            Math.sqrt((0.3125 * 0.3125 + 2 * 0.0625 * 0.0625 + 0.4375 * 0.4375) / 3) / 2,
            within(1e-12));
    assertThat(result.cutOff()).isEqualTo(3);
    assertThat(result.withoutAnswer()).isEqualTo(3);
    assertThat(result.meanTokens()).isEqualTo(2);
    assertThat(result.toString()).contains("pass@2").contains("majority vote 50.0 %");
    JsonObject json = result.json();
    assertThat(json.getAsJsonObject("passAtK").keySet()).containsExactly("1", "2", "4");
    JsonObject second =
        JsonParser.parseString(Files.readAllLines(result.scores()).get(1)).getAsJsonObject();
    assertThat(second.get("majority").getAsString()).isEqualTo("8");
    assertThat(second.get("right").getAsInt()).isEqualTo(2);
  }

  /** Of all ways to draw k of n answers, the share in which one is right. */
  @Test
  void passAtK_isTheShareOfDraws() {
    for (int n = 1; n <= 7; n++) {
      for (int c = 0; c <= n; c++) {
        for (int k = 1; k <= n; k++) {
          int hits = 0;
          int draws = 0;
          for (int drawn = 0; drawn < 1 << n; drawn++) {
            if (Integer.bitCount(drawn) == k) {
              draws++;
              hits += (drawn & ((1 << c) - 1)) == 0 ? 0 : 1;
            }
          }
          assertThat(PassAtK.estimate(n, c, k))
              .as("n %s c %s k %s", n, c, k)
              .isCloseTo((double) hits / draws, within(1e-12));
        }
      }
    }
    // binomials of this size overflow
    assertThat(PassAtK.estimate(10_000, 100, 50)).isBetween(0.39, 0.40);
  }

  @Test
  void runAgain_asksNothing_andAnotherExtractorCountsAnew() {
    assertThat(evaluation(2).run().overall().right()).isEqualTo(1);
    assertThat(asked).hasSize(8).doesNotHaveDuplicates();
    EvaluationResult again = evaluation(2).extractor(text -> java.util.Optional.of("4")).run();
    assertThat(asked).hasSize(8);
    assertThat(again.overall()).isEqualTo(new AnswerEvaluation.Score(1, 4));
    assertThat(again.withoutAnswer()).isZero();
    assertThatThrownBy(() -> evaluation(3).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("its samples was 2 and now is 3");
  }

  @Test
  void missingParts_andReferences_areToldBeforeAnythingIsAsked() {
    assertThatIllegalStateException()
        .isThrownBy(() -> EvaluationPipeline.builder().build())
        .withMessage("source, prompts, extractor, directory must be set");
    assertThatThrownBy(() -> evaluation(1).prompts(Prompts.of(List.of(Prompt.of("who?")))).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must have a reference");
    assertThat(asked).isEmpty();
  }

  @Test
  void interrupt_countsNothingYet() {
    AnswerSource interrupting =
        AnswerSource.of(
            batch -> {
              throw new IllegalStateException("must not be asked");
            });
    Thread.currentThread().interrupt();
    EvaluationResult result = evaluation(1).source(interrupting).run();
    assertThat(Thread.interrupted()).isTrue();
    assertThat(result.complete()).isFalse();
    assertThat(result.overall().count()).isZero();
    assertThat(result.toString()).contains("run it again");
  }
}
