package io.distill.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.conversation.Conversation;
import io.distill.conversation.Conversations;
import io.distill.exception.DistillationException;
import io.distill.provenance.Terms;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TracePipelineTest {

  private static final int PROMPTS = 7;
  private static final int SAMPLES = 3;

  @TempDir private Path temporary;

  /** Answers sums, one in three wrong, and remembers what it was asked. */
  private static final class Calculator implements AnswerSource {
    private final List<String> asked = Collections.synchronizedList(new ArrayList<>());
    private final Set<Long> seeds = Collections.synchronizedSet(new HashSet<>());

    @Override
    public List<Answer> answers(List<Question> batch) {
      return batch.stream().map(this::answer).toList();
    }

    private Answer answer(Question question) {
      asked.add(question.promptId() + "/" + question.index());
      seeds.add(question.seed());
      int number = Integer.parseInt(question.prompt().replaceAll("\\D", ""));
      int wrong = (number + question.index()) % 3 == 0 ? 1 : 0;
      return Answer.of(
          "<think>twice "
              + number
              + " in way "
              + question.index()
              + "</think> #### "
              + (2 * number + wrong),
          FinishReason.STOP,
          4,
          9);
    }

    @Override
    public String id() {
      return "calculator";
    }

    @Override
    public Terms terms() {
      return Terms.spdx("MIT");
    }
  }

  private static Prompts prompts(int count) {
    return Prompts.of(
        IntStream.range(0, count)
            .mapToObj(
                i ->
                    Prompt.of("Twice " + (10 + i) + "?", Integer.toString(20 + 2 * i))
                        .withId("p" + i))
            .toList());
  }

  private TracePipeline.Builder pipeline(AnswerSource source) {
    return TracePipeline.builder()
        .prompts(prompts(PROMPTS))
        .teacher(source)
        .samples(SAMPLES)
        .batchSize(4)
        .keep(TraceFilter.finished())
        .keep(TraceFilter.reasoning("think"))
        .keep(TraceFilter.exactAnswer(AnswerExtractor.after("####")))
        .directory(temporary.resolve("traces"));
  }

  @Test
  void run_keepsWhatIsRight_countsWhatIsNot_andTellsWhereItComesFrom() throws IOException {
    Calculator teacher = new Calculator();
    TraceResult result = pipeline(teacher).run();
    TraceReport report = result.report();
    assertThat(report.prompts()).isEqualTo(PROMPTS);
    assertThat(report.answers()).isEqualTo(PROMPTS * SAMPLES);
    assertThat(report.dropped("exactAnswer")).isEqualTo(PROMPTS);
    assertThat(report.kept()).isEqualTo(PROMPTS * (SAMPLES - 1));
    assertThat(report.solvedBySome()).isEqualTo(PROMPTS);
    assertThat(report.complete()).isTrue();
    assertThat(report.toString()).contains("exactAnswer").contains("wrong answer");
    assertThat(teacher.asked).doesNotHaveDuplicates().hasSize(PROMPTS * SAMPLES);
    assertThat(teacher.seeds).hasSize(PROMPTS * SAMPLES);
    try (Stream<Trace> traces = result.traces()) {
      assertThat(traces.map(trace -> trace.prompt().id() + "/" + trace.index()))
          .startsWith("p0/0", "p0/1", "p1/0", "p1/2");
    }
    // what fine-tuning reads
    List<Conversation> conversations = Conversations.jsonLines(result.file()).read();
    assertThat(conversations).hasSize((int) report.kept());
    assertThat(conversations.get(0))
        .isEqualTo(Conversation.of("Twice 10?", "<think>twice 10 in way 0</think> #### 20"));
    JsonObject provenance =
        JsonParser.parseString(Files.readString(result.provenance())).getAsJsonObject();
    assertThat(provenance.get("teacher").getAsString()).isEqualTo("calculator");
    assertThat(provenance.getAsJsonObject("terms").get("name").getAsString())
        .isEqualTo("MIT License");
    assertThat(provenance.getAsJsonObject("report").get("kept").getAsLong())
        .isEqualTo(report.kept());
  }

  @Test
  void runAgain_asksNothing_andGivesTheSameFiles() throws IOException {
    TraceResult once = pipeline(new Calculator()).run();
    String traces = Files.readString(once.file());
    Calculator teacher = new Calculator();
    TraceResult again = pipeline(teacher).run();
    assertThat(teacher.asked).isEmpty();
    assertThat(Files.readString(again.file())).isEqualTo(traces);
    assertThat(again.report().kept()).isEqualTo(once.report().kept());
    assertThat(again.report().dropped()).isEqualTo(once.report().dropped());
  }

  @Test
  void filesCutAnywhere_resumeToTheSameTraces_andAskOnlyWhatIsLost() throws IOException {
    TraceResult whole = pipeline(new Calculator()).keep(TraceFilter.nearDuplicates()).run();
    Path directory = whole.file().getParent();
    String traces = Files.readString(whole.file());
    String verdicts = Files.readString(directory.resolve(TracePipeline.VERDICTS_FILE));
    for (String name :
        List.of(
            TracePipeline.ANSWERS_FILE, TracePipeline.VERDICTS_FILE, TracePipeline.TRACES_FILE)) {
      byte[] bytes = Files.readAllBytes(directory.resolve(name));
      byte[] answers = Files.readAllBytes(directory.resolve(TracePipeline.ANSWERS_FILE));
      for (int length = 0; length < bytes.length; length += 1 + length % 29) {
        byte[] kept = Arrays.copyOf(bytes, length);
        Files.write(directory.resolve(name), kept);
        Calculator teacher = new Calculator();
        TraceResult resumed = pipeline(teacher).keep(TraceFilter.nearDuplicates()).run();
        assertThat(Files.readString(resumed.file())).as("%s at %s", name, length).isEqualTo(traces);
        assertThat(Files.readString(directory.resolve(TracePipeline.VERDICTS_FILE)))
            .isEqualTo(verdicts);
        assertThat(Files.readAllBytes(directory.resolve(TracePipeline.ANSWERS_FILE)))
            .isEqualTo(answers);
        if (name.equals(TracePipeline.ANSWERS_FILE)) {
          String text = new String(kept, StandardCharsets.UTF_8);
          long lines = text.chars().filter(c -> c == '\n').count();
          // a last line that lacks nothing but its end is not asked for again either
          assertThat(teacher.asked.size())
              .isBetween((int) (PROMPTS * SAMPLES - lines - 1), (int) (PROMPTS * SAMPLES - lines));
        } else {
          assertThat(teacher.asked).isEmpty();
        }
      }
    }
  }

  @Test
  void corruptLineInTheMiddle_isRefusedWithFileAndLine() throws IOException {
    TraceResult result = pipeline(new Calculator()).run();
    Path answers = result.file().resolveSibling(TracePipeline.ANSWERS_FILE);
    List<String> lines = new ArrayList<>(Files.readAllLines(answers));
    lines.set(2, lines.get(2).substring(5));
    Files.write(answers, lines);
    assertThatThrownBy(() -> pipeline(new Calculator()).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining(answers + " line 3");
  }

  @Test
  void concurrency_changesNothingThatIsWritten() throws IOException {
    TraceResult one = pipeline(new Calculator()).run();
    Path other = temporary.resolve("other");
    TraceResult four =
        pipeline(new Calculator()).directory(other).concurrency(4).batchSize(2).run();
    for (String name :
        List.of(
            TracePipeline.ANSWERS_FILE, TracePipeline.VERDICTS_FILE, TracePipeline.TRACES_FILE)) {
      assertThat(Files.readString(four.file().resolveSibling(name)))
          .isEqualTo(Files.readString(one.file().resolveSibling(name)));
    }
  }

  /** The first call waits for as many later answers as workers may be ahead. */
  @Test
  void slowCall_keepsNobodyElseWaiting_andWhatIsAheadIsBounded() throws Exception {
    int most = 4 * 2;
    Calculator inner = new Calculator();
    CountDownLatch ahead = new CountDownLatch(most - 1);
    CountDownLatch slow = new CountDownLatch(1);
    AnswerSource source =
        batch -> {
          if (batch.get(0).promptId().equals("p0") && batch.get(0).index() == 0) {
            slow.await();
          }
          List<Answer> answers = inner.answers(batch);
          ahead.countDown();
          return answers;
        };
    TraceRun run = pipeline(source.named("calculator")).concurrency(2).batchSize(1).build().start();
    assertThat(ahead.await(60, TimeUnit.SECONDS)).isTrue();
    assertThat(inner.asked).hasSize(most - 1).doesNotContain("p0/0");
    slow.countDown();
    assertThat(run.await().report().complete()).isTrue();
    TraceResult plain = pipeline(new Calculator()).directory(temporary.resolve("plain")).run();
    for (String name :
        List.of(
            TracePipeline.ANSWERS_FILE, TracePipeline.VERDICTS_FILE, TracePipeline.TRACES_FILE)) {
      assertThat(Files.readString(temporary.resolve("traces").resolve(name)))
          .isEqualTo(Files.readString(plain.file().resolveSibling(name)));
    }
  }

  @Test
  void provenance_hasAllOfTheTerms() throws IOException {
    JsonObject terms =
        JsonParser.parseString(Files.readString(pipeline(new Calculator()).run().provenance()))
            .getAsJsonObject()
            .getAsJsonObject("terms");
    Terms mit = Terms.spdx("MIT");
    assertThat(terms.get("id").getAsString()).isEqualTo("MIT");
    assertThat(terms.get("clause").getAsString()).isEqualTo(mit.clause());
    assertThat(terms.get("url").getAsString()).isEqualTo(mit.url().orElseThrow());
    assertThat(terms.get("trainingOthers").getAsString()).isEqualTo(mit.trainingOthers().name());
    assertThat(terms.get("verdict").getAsString()).isEqualTo("ALLOW");
  }

  @Test
  void otherFilters_judgeTheStoredAnswersAgain() {
    assertThat(pipeline(new Calculator()).run().report().complete()).isTrue();
    Calculator teacher = new Calculator();
    TraceResult all =
        TracePipeline.builder()
            .prompts(prompts(PROMPTS))
            .teacher(teacher)
            .samples(SAMPLES)
            .directory(temporary.resolve("traces"))
            .run();
    assertThat(teacher.asked).isEmpty();
    assertThat(all.report().kept()).isEqualTo(PROMPTS * SAMPLES);
  }

  @Test
  void morePrompts_areAskedOnTop_otherOnesRefused() {
    assertThat(pipeline(new Calculator()).run().report().complete()).isTrue();
    Calculator teacher = new Calculator();
    TraceResult more = pipeline(teacher).prompts(prompts(PROMPTS + 2)).run();
    assertThat(teacher.asked).hasSize(2 * SAMPLES);
    assertThat(more.report().prompts()).isEqualTo(PROMPTS + 2);
    assertThatThrownBy(() -> pipeline(new Calculator()).prompts(prompts(2)).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("its first 9 prompts are others");
    assertThatThrownBy(() -> pipeline(new Calculator()).samples(9).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("its samples was 3 and now is 9");
    assertThatThrownBy(() -> pipeline(new Calculator()).seed(9).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("its seed was 0 and now is 9");
    assertThatThrownBy(() -> pipeline(new Calculator().named("another")).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("its teacher was calculator and now is another");
  }

  @Test
  void failingTeacher_losesNothing() {
    AtomicInteger left = new AtomicInteger(2);
    Calculator inner = new Calculator();
    AnswerSource failing =
        batch -> {
          if (left.getAndDecrement() == 0) {
            throw new IOException("connection lost");
          }
          return inner.answers(batch);
        };
    AnswerSource named = failing.named("calculator").declaring(Terms.spdx("MIT"));
    assertThatThrownBy(() -> pipeline(named).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("connection lost")
        .hasMessageContaining("answers that had arrived are stored");
    TraceResult result = pipeline(named).run();
    assertThat(result.report().complete()).isTrue();
    assertThat(inner.asked).doesNotHaveDuplicates().hasSize(PROMPTS * SAMPLES);
  }

  @Test
  void temporaryFailures_areRetried_butNotForEver() {
    AtomicInteger failures = new AtomicInteger(3);
    Calculator inner = new Calculator();
    AnswerSource flaky =
        batch -> {
          if (failures.getAndDecrement() > 0) {
            throw new TemporaryFailureException("too many requests", Duration.ZERO);
          }
          return inner.answers(batch);
        };
    Retries quick = new Retries(3, Duration.ofMillis(1), Duration.ofMillis(2));
    TraceResult result = pipeline(flaky).retries(quick).run();
    assertThat(result.report().retries()).isEqualTo(3);
    failures.set(100);
    assertThatThrownBy(() -> pipeline(flaky).retries(quick).directory(temporary.resolve("x")).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("within 3 retries")
        .hasMessageContaining("too many requests");
  }

  @Test
  void throwingFilter_isACountedDrop_andTooManyStopTheRun() {
    TraceFilter sometimes =
        TraceFilter.when(
            "sometimes",
            "never",
            candidate -> {
              if (candidate.index() == 1) {
                throw new IllegalStateException("no idea");
              }
              return true;
            });
    TraceResult result = pipeline(new Calculator()).keep(sometimes).run();
    assertThat(result.report().dropped().get("sometimes")).containsKey("error");
    assertThat(result.report().complete()).isTrue();
    TraceFilter always =
        TraceFilter.when(
            "always",
            "never",
            candidate -> {
              throw new UncheckedIOException(new IOException("gone"));
            });
    Calculator teacher = new Calculator();
    Path directory = temporary.resolve("y");
    assertThatThrownBy(
            () -> pipeline(teacher).keep(always).errorsInARow(5).directory(directory).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("filter 'always' must judge answers but failed on 5 in a row")
        .hasMessageContaining("gone");
    int asked = teacher.asked.size();
    TraceResult mended = pipeline(teacher).directory(directory).run();
    assertThat(mended.report().complete()).isTrue();
    assertThat(teacher.asked).doesNotHaveDuplicates();
    assertThat(asked).isPositive();
  }

  @Test
  void stop_endsCleanly_andTheNextRunGoesOn() throws Exception {
    Calculator inner = new Calculator();
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    AnswerSource slow =
        batch -> {
          begun.countDown();
          go.await();
          return inner.answers(batch);
        };
    TraceRun run = pipeline(slow).build().start();
    begun.await();
    run.stop();
    go.countDown();
    TraceResult stopped = run.await();
    assertThat(stopped.report().complete()).isFalse();
    assertThat(stopped.report().answers()).isBetween(1L, (long) PROMPTS * SAMPLES - 1);
    TraceResult whole = pipeline(slow).run();
    assertThat(whole.report().complete()).isTrue();
    assertThat(inner.asked).doesNotHaveDuplicates().hasSize(PROMPTS * SAMPLES);
  }

  @Test
  void secondRun_atTheSameTime_isRefused() throws Exception {
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch go = new CountDownLatch(1);
    Calculator inner = new Calculator();
    TraceRun run =
        pipeline(
                batch -> {
                  begun.countDown();
                  go.await();
                  return inner.answers(batch);
                })
            .build()
            .start();
    begun.await();
    assertThatThrownBy(() -> pipeline(new Calculator()).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must have one writer at a time");
    go.countDown();
    assertThat(run.await().report().complete()).isTrue();
  }

  @Test
  void termsThatForbidIt_refuse_unlessAReasonIsGiven() throws IOException {
    Terms forbidden = Terms.agreement("house rules", Terms.Permission.NO, "do not");
    AnswerSource source = new Calculator().declaring(forbidden);
    assertThatThrownBy(() -> pipeline(source).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("house rules");
    assertThat(temporary.resolve("traces")).doesNotExist();
    TraceResult allowed = pipeline(source).allowTerms("we asked and may").run();
    assertThat(Files.readString(allowed.provenance())).contains("we asked and may");
  }

  @Test
  void builder_isChecked() {
    assertThatIllegalStateException()
        .isThrownBy(() -> TracePipeline.builder().build())
        .withMessage("prompts, teacher, directory must be set");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> pipeline(new Calculator()).keep(TraceFilter.finished()))
        .withMessageContaining("two are called 'finished'");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> pipeline(new Calculator()).keep(TraceFilter.finished().named("answer")))
        .withMessageContaining("filter must not be called 'answer'");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> TracePipeline.builder().samples(0))
        .withMessage("samples must be at least 1 but was 0");
    assertThatThrownBy(() -> pipeline(new Calculator()).prompts(Prompts.of(List.of())).run())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("prompts must be at least one");
  }

  @Test
  void evaluation_countsExactMatches_byGroup() {
    AnswerEvaluation evaluation =
        AnswerEvaluation.of(
            new Calculator(),
            prompts(9),
            AnswerExtractor.after("####"),
            prompt -> prompt.reference().orElse("").length() + " digits");
    // index 0 is wrong where the number is a multiple of three
    assertThat(evaluation.overall()).isEqualTo(new AnswerEvaluation.Score(6, 9));
    assertThat(evaluation.groups()).containsOnlyKeys("2 digits");
    assertThat(evaluation.meanTokens()).isEqualTo(9);
    // Wilson's interval of 6 of 9
    assertThat(evaluation.overall().lower()).isCloseTo(0.3542, within(1e-3));
    assertThat(evaluation.overall().upper()).isCloseTo(0.8794, within(1e-3));
    assertThatThrownBy(
            () ->
                AnswerEvaluation.of(
                    new Calculator(),
                    Prompts.of(List.of(Prompt.of("Twice 3?"))),
                    AnswerExtractor.lastNumber()))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("must have a reference");
  }
}
