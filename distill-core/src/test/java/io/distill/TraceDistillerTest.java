package io.distill;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.exception.DistillationException;
import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.model.DeployableModel;
import io.distill.provenance.Provenance;
import io.distill.provenance.Terms;
import io.distill.student.Student;
import io.distill.trace.AnswerExtractor;
import io.distill.trace.AnswerSource;
import io.distill.trace.EvaluationResult;
import io.distill.trace.EvaluationResult.PassAtK;
import io.distill.trace.Prompts;
import io.distill.trace.TraceFilter;
import io.distill.training.Every;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TraceDistillerTest {

  private static final long PROMPTS = 60;
  private static final long HELD_OUT = 20;

  @TempDir private Path temporary;

  /** Counts the optimizer steps of this test, resumed ones not. */
  private final AtomicLong steps = new AtomicLong();

  private Path directory() {
    return temporary.resolve("run");
  }

  private Path log() {
    return temporary.resolve("log");
  }

  private long asked() throws IOException {
    if (!Files.exists(log())) {
      return 0;
    }
    try (Stream<String> lines = Files.lines(log())) {
      return lines.count();
    }
  }

  private TraceDistiller.Builder pipeline(int epochs, AnswerSource teacher) {
    return TraceDistiller.builder()
        .prompts(PipelineProcess.prompts(false))
        .teacher(teacher)
        .samples(PipelineProcess.SAMPLES)
        .keep(TraceFilter.finished())
        .keep(TraceFilter.exactAnswer(AnswerExtractor.whole()))
        .student(PipelineProcess.student())
        .loss(PipelineProcess.nextTokens())
        .training(
            recipe ->
                recipe
                    .epochs(epochs)
                    .batchSize(16)
                    .optimizer(Optimizer.adamW().withLearningRate(1e-2))
                    .seed(3)
                    .listener(
                        new TrainingListener() {
                          @Override
                          public void onStep(Step event) {
                            steps.incrementAndGet();
                          }
                        }))
        .checkpointEvery(Every.minutes(10))
        .evaluate(PipelineProcess.prompts(true), AnswerExtractor.whole(), PipelineProcess.greedy())
        .directory(directory());
  }

  private TraceDistiller.Builder pipeline(int epochs) {
    return pipeline(epochs, PipelineProcess.teacher(log(), 0));
  }

  @Test
  void fit_leadsFromPromptsToAnEvaluatedStudent_thatTellsWhereItComesFrom() throws IOException {
    try (TraceDistillation result = pipeline(8).compareWithUntrained().fit()) {
      assertThat(result.complete()).isTrue();
      assertThat(result.evaluations()).containsOnlyKeys("student", "untrained");
      EvaluationResult student = result.evaluation().orElseThrow();
      assertThat(student.overall().count()).isEqualTo((int) HELD_OUT);
      assertThat(student.overall().accuracy()).isGreaterThan(0.8);
      assertThat(result.evaluations().get("untrained").overall().accuracy()).isLessThan(0.5);
      assertThat(student.passAtK()).isEmpty();
      assertThat(result.data().orElseThrow().kept())
          .isEqualTo((int) result.traces().report().kept());
      assertThat(result.overlap().orElseThrow().shared()).isZero();
      assertThat(asked()).isEqualTo(PROMPTS * PipelineProcess.SAMPLES);

      Provenance provenance = Provenance.read(directory().resolve("student"));
      assertThat(provenance).isEqualTo(result.provenance());
      assertThat(provenance.teacher().id()).isEqualTo("alphabet");
      assertThat(provenance.teacher().terms().id()).isEqualTo("MIT");
      assertThat(provenance.terms())
          .singleElement()
          .satisfies(each -> assertThat(each.teacher()).isEqualTo("alphabet"));
      assertThat(provenance.data().tracesDigest())
          .contains(
              com.google.common.io.Files.asByteSource(result.traces().file().toFile())
                  .hash(com.google.common.hash.Hashing.sha256())
                  .toString());
      assertThat(Files.readString(directory().resolve("student/README.md")))
          .contains("taught by alphabet")
          .contains(provenance.data().tracesDigest().orElseThrow())
          .doesNotContain(".teacher(teacher)");
      try (DeployableModel loaded = DeployableModel.load(directory().resolve("student"))) {
        assertThat(loaded.fingerprint()).isEqualTo(provenance.student().fingerprint());
        assertThat(loaded.writer()).isPresent();
      }

      assertThat(result.report())
          .contains("wrong answer")
          .contains("samples: ")
          .contains("steps in ")
          .contains("Exact match on 20 held-out prompts")
          .contains("untrained");
      JsonObject json =
          JsonParser.parseString(Files.readString(directory().resolve("report.json")))
              .getAsJsonObject();
      assertThat(json).isEqualTo(result.json());
      assertThat(json.getAsJsonObject("evaluation").keySet())
          .containsExactly("student", "untrained");
      assertThat(Files.readString(directory().resolve("report.txt"))).isEqualTo(result.report());
    }
  }

  @Test
  void fitAgain_asksAndTrainsNothing_otherSettingsRepeatWhatDependsOnThem() throws IOException {
    String first;
    try (TraceDistillation result = pipeline(1).fit()) {
      first = result.provenance().student().fingerprint();
    }
    long asked = asked();
    long taken = steps.get();
    assertThat(taken).isPositive();
    try (TraceDistillation result = pipeline(1).fit()) {
      assertThat(result.provenance().student().fingerprint()).isEqualTo(first);
    }
    assertThat(asked()).isEqualTo(asked);
    assertThat(steps.get()).isEqualTo(taken);

    // another filter that keeps the same: judged anew, not trained
    try (TraceDistillation result = pipeline(1).keep(TraceFilter.atMostPerPrompt(3)).fit()) {
      assertThat(result.provenance().student().fingerprint()).isEqualTo(first);
    }
    assertThat(steps.get()).isEqualTo(taken);

    // fewer traces, then another recipe
    try (TraceDistillation result = pipeline(1).keep(TraceFilter.atMostPerPrompt(1)).fit()) {
      assertThat(result.provenance().student().fingerprint()).isNotEqualTo(first);
      assertThat(result.traces().report().kept()).isLessThanOrEqualTo(PROMPTS);
    }
    long fewer = steps.get();
    assertThat(fewer).isGreaterThan(taken);
    try (TraceDistillation result = pipeline(2).fit()) {
      assertThat(result.provenance().run().steps()).isEqualTo(2 * taken);
    }
    assertThat(asked()).isEqualTo(asked);
    try (Stream<Path> trainings = Files.list(directory().resolve("training"));
        Stream<Path> evaluations = Files.list(directory().resolve("evaluation"))) {
      assertThat(trainings).hasSize(1);
      assertThat(evaluations).hasSize(1);
    }

    assertThatThrownBy(() -> pipeline(1).samples(2).fit())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("its samples was 3 and now is 2");
    assertThat(asked()).isEqualTo(asked);
  }

  @Test
  void interrupt_endsEachStageInOrder_andTheNextRunGoesOn() throws IOException {
    AtomicInteger left = new AtomicInteger(3);
    AnswerSource plain = PipelineProcess.teacher(log(), 0);
    Thread caller = Thread.currentThread();
    AnswerSource interrupting =
        AnswerSource.of(
                batch -> {
                  if (left.decrementAndGet() == 0) {
                    caller.interrupt();
                  }
                  return plain.answers(batch);
                })
            .named(plain.id())
            .declaring(plain.terms());
    TraceDistiller.Builder some = pipeline(2, interrupting).traces(how -> how.batchSize(10));
    try (TraceDistillation result = some.fit()) {
      assertThat(Thread.interrupted()).isTrue();
      assertThat(result.complete()).isFalse();
      assertThat(result.traces().report().complete()).isFalse();
      assertThatIllegalStateException()
          .isThrownBy(result::student)
          .withMessageContaining("was interrupted before");
      assertThat(result.report()).contains("run it again");
    }
    long asked = asked();
    assertThat(asked).isEqualTo(30);
    TraceDistiller.Builder training =
        pipeline(2)
            .traces(how -> how.batchSize(10))
            .training(
                recipe ->
                    recipe
                        .steps(6)
                        .listener(
                            new TrainingListener() {
                              @Override
                              public void onStep(Step event) {
                                steps.incrementAndGet();
                                caller.interrupt();
                              }
                            }));
    for (int i = 0; i < 3; i++) {
      try (TraceDistillation result = training.fit()) {
        assertThat(Thread.interrupted()).isTrue();
        assertThat(result.traces().report().complete()).isTrue();
        assertThat(result.complete()).isFalse();
      }
    }
    assertThat(steps.get()).as("one step a run").isEqualTo(3);
    try (TraceDistillation result =
        pipeline(2)
            .traces(how -> how.batchSize(10))
            .training(
                recipe ->
                    recipe
                        .steps(6)
                        .listener(
                            new TrainingListener() {
                              @Override
                              public void onStep(Step event) {
                                steps.incrementAndGet();
                              }
                            }))
            .fit()) {
      assertThat(result.complete()).isTrue();
      assertThat(result.provenance().run().steps()).isEqualTo(6);
    }
    assertThat(steps.get()).isEqualTo(6);
    assertThat(asked()).isEqualTo(PROMPTS * PipelineProcess.SAMPLES);
  }

  @Test
  void samplesOfHeldOutPrompts_givePassAtK_andAMajorityVote() {
    try (TraceDistillation result =
        pipeline(4)
            .evaluate(
                PipelineProcess.prompts(true),
                AnswerExtractor.whole(),
                GenerationOptions.builder().maxNewTokens(3).temperature(1).build())
            .evaluationSamples(5)
            .fit()) {
      EvaluationResult student = result.evaluation().orElseThrow();
      assertThat(student.answers()).isEqualTo(5 * HELD_OUT);
      assertThat(student.passAtK()).extracting(PassAtK::k).containsExactly(1, 2, 4, 5);
      assertThat(student.passAtK()).extracting(PassAtK::value).isSorted();
      assertThat(student.majorityVote().orElseThrow().count()).isEqualTo((int) HELD_OUT);
    }
  }

  @Test
  void studentThatTeaches_handsOnWhatItsTeacherForbids() {
    Terms forbidden = Terms.agreement("house rules", Terms.Permission.NO, "do not");
    AnswerSource teacher = PipelineProcess.teacher(log(), 0).declaring(forbidden);
    assertThatThrownBy(() -> pipeline(1, teacher).fit())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("house rules");
    try (TraceDistillation result = pipeline(1, teacher).allowTerms("we asked and may").fit()) {
      assertThat(result.provenance().terms().get(0).reason()).contains("we asked and may");
      AnswerSource student =
          AnswerSource.of(TextGenerator.of(result.student()), PipelineProcess.greedy());
      assertThat(student.terms()).isEqualTo(forbidden);
      assertThat(student.named("free").declaring(Terms.spdx("MIT")).terms()).isEqualTo(forbidden);
      assertThat(student.declaring(Terms.spdx("MIT")).terms()).isEqualTo(forbidden);
    }
  }

  @Test
  void checkpoint_isFineTuned_andComparedWithItself() {
    Path checkpoint = temporary.resolve("checkpoint");
    try (TraceDistillation result = pipeline(2).fit()) {
      result.student().save(checkpoint);
    }
    try (TraceDistillation result =
        pipeline(4)
            .student(Student.load(checkpoint))
            .compareWithUntrained()
            .directory(temporary.resolve("further"))
            .fit()) {
      assertThat(result.evaluations()).containsOnlyKeys("student", "untrained");
      assertThat(result.provenance().lineage()).hasSize(1);
      assertThat(result.evaluation().orElseThrow().overall().right())
          .isGreaterThanOrEqualTo(result.evaluations().get("untrained").overall().right());
    }
  }

  @Test
  void heldOutPromptsThatAreTrainedOn_areRefused_beforeAnyoneIsAsked() throws IOException {
    Prompts shouted =
        PipelineProcess.prompts(false)
            .limit(3)
            .map(
                prompt ->
                    io.distill.trace.Prompt.of(
                        prompt.text().orElseThrow().replace(" ", "  "),
                        prompt.reference().orElseThrow()));
    TraceDistiller.Builder some =
        pipeline(1).evaluate(shouted, AnswerExtractor.whole(), PipelineProcess.greedy());
    assertThatThrownBy(some::fit)
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("held-out prompts must not be trained on but 3 of 3")
        .hasMessageContaining("allowOverlap()");
    assertThat(asked()).isZero();
    try (TraceDistillation result = some.allowOverlap().fit()) {
      assertThat(result.overlap().orElseThrow().shared()).isEqualTo(3);
      assertThat(result.report()).contains("3 of them were trained on");
    }
  }

  @Test
  void whatCannotWork_isToldClearly() throws IOException {
    assertThatIllegalStateException()
        .isThrownBy(() -> TraceDistiller.builder().samples(2).build())
        .withMessage(
            "pipeline must have all required parts but lacks"
                + " [prompts, teacher, student, loss, directory]");
    assertThatIllegalStateException()
        .isThrownBy(() -> pipeline(1).training(recipe -> recipe.loss(context -> null)).build())
        .withMessage("loss must be set only once but was already set");
    assertThatIllegalStateException()
        .isThrownBy(() -> pipeline(1).evaluationSamples(2).build())
        .withMessageContaining("options must sample for evaluationSamples 2");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> pipeline(1).compareWith("student", batch -> List.of()))
        .withMessageContaining("name must be one that nobody has");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> pipeline(1).keep(TraceFilter.finished()))
        .withMessageContaining("two are called 'finished'");
    assertThatThrownBy(() -> pipeline(1).student(Student.load(temporary.resolve("no"))).fit())
        .isInstanceOf(DistillationException.class);
    assertThat(asked()).isZero();
    assertThatThrownBy(
            () -> pipeline(1).keep(TraceFilter.when("none", "unwanted", each -> false)).fit())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("traces must be at least one to learn from but all 180 answers")
        .hasMessageContaining("none={unwanted=");
    Files.createDirectories(directory().resolve("student"));
    Files.writeString(directory().resolve("student/config.json"), "{}");
    assertThatThrownBy(() -> pipeline(1).fit())
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("student directory must be new or hold a student of this pipeline");
  }
}
