package io.distill;

import io.distill.data.Tokenizer;
import io.distill.data.WordTokenizers;
import io.distill.generation.GenerationOptions;
import io.distill.loss.DistillationLoss;
import io.distill.provenance.Terms;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.trace.Answer;
import io.distill.trace.AnswerExtractor;
import io.distill.trace.AnswerSource;
import io.distill.trace.FinishReason;
import io.distill.trace.Prompt;
import io.distill.trace.Prompts;
import io.distill.trace.Question;
import io.distill.trace.TraceFilter;
import io.distill.trace.TracePipeline;
import io.distill.training.Every;
import io.distill.training.Optimizer;
import io.distill.training.TinyRuns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * A small pipeline, here or in a process of its own, which someone may kill. The teacher is asked
 * for the letter after the last one of a prompt of two words, and is wrong now and then.
 */
final class PipelineProcess {

  static final int FILLERS = 10;
  static final int LETTERS = 8;
  static final int SAMPLES = 3;

  private static final List<String> WORDS = words();

  static final Tokenizer TOKENIZER = WordTokenizers.ofWords(WORDS);

  private PipelineProcess() {}

  private static List<String> words() {
    List<String> words = new ArrayList<>(List.of("<end>", "<unk>"));
    IntStream.range(0, FILLERS).forEach(i -> words.add("f" + i));
    IntStream.range(0, LETTERS).forEach(i -> words.add(letter(i)));
    return words;
  }

  private static String letter(int index) {
    return Character.toString('a' + Math.floorMod(index, LETTERS));
  }

  static Prompts prompts(boolean heldOut) {
    List<Prompt> prompts = new ArrayList<>();
    for (int filler = 0; filler < FILLERS; filler++) {
      for (int i = 0; i < LETTERS; i++) {
        if (((filler + i) % 4 == 0) == heldOut) {
          prompts.add(
              Prompt.of("f" + filler + " " + letter(i), letter(i + 1))
                  .withId("f" + filler + letter(i)));
        }
      }
    }
    return Prompts.of(prompts);
  }

  /** Writes down what it is asked before it answers. */
  static AnswerSource teacher(Path log, long millis) {
    AnswerSource source =
        batch -> {
          List<Answer> answers = new ArrayList<>();
          for (Question question : batch) {
            Files.writeString(
                log,
                question.promptId() + "/" + question.index() + "\n",
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND);
            Thread.sleep(millis);
            String prompt = question.prompt();
            int last = prompt.charAt(prompt.length() - 1) - 'a';
            boolean wrong = Math.floorMod(question.seed(), 4) == 0;
            answers.add(Answer.of(" " + letter(last + (wrong ? 3 : 1)), FinishReason.STOP, 2, 2));
          }
          return answers;
        };
    return source.named("alphabet").declaring(Terms.spdx("MIT"));
  }

  static TraceFilter slow(long millis) {
    return TraceFilter.when(
        "slow",
        "never",
        candidate -> {
          Thread.sleep(millis);
          return true;
        });
  }

  static TracePipeline.Builder traces(
      Path directory, Path log, long teacherMillis, long filterMillis) {
    return TracePipeline.builder()
        .prompts(prompts(false))
        .teacher(teacher(log, teacherMillis))
        .samples(SAMPLES)
        .concurrency(2)
        .batchSize(1)
        .keep(TraceFilter.finished())
        .keep(TraceFilter.exactAnswer(AnswerExtractor.whole()))
        .keep(slow(filterMillis))
        .keep(TraceFilter.atMostPerPrompt(2))
        .directory(directory);
  }

  /** The cross-entropy with the next tokens. */
  static DistillationLoss nextTokens() {
    return TinyRuns.of(
            context -> TinyRuns.crossEntropy().compute(context.tokens()),
            Set.of(SignalKind.LOGITS),
            Set.of(),
            true)
        .named("nextTokens");
  }

  static Student student() {
    return Student.decoder()
        .layers(1)
        .hiddenSize(32)
        .heads(2)
        .tokenizer(TOKENIZER)
        .maxLength(8)
        .endId(0)
        .build();
  }

  static GenerationOptions greedy() {
    return GenerationOptions.builder().maxNewTokens(3).build();
  }

  static TraceDistiller.Builder whole(Path directory, Path log, long teacherMillis) {
    return TraceDistiller.builder()
        .prompts(prompts(false))
        .teacher(teacher(log, teacherMillis))
        .samples(SAMPLES)
        .traces(asking -> asking.concurrency(2).batchSize(1))
        .keep(TraceFilter.finished())
        .keep(TraceFilter.exactAnswer(AnswerExtractor.whole()))
        .keep(TraceFilter.atMostPerPrompt(2))
        .student(student())
        .loss(nextTokens())
        .training(
            recipe ->
                recipe
                    .epochs(4)
                    .batchSize(16)
                    .optimizer(Optimizer.adamW().withLearningRate(5e-3))
                    .seed(3))
        .checkpointEvery(Every.steps(5))
        .evaluate(prompts(true), AnswerExtractor.whole(), greedy())
        .compareWith("teacher", teacher(log, teacherMillis), how -> how.batchSize(1))
        .directory(directory);
  }

  /** Arguments are what to run, its directory, the log of questions, and two times to wait. */
  public static void main(String[] arguments) {
    Path directory = Path.of(arguments[1]);
    Path log = Path.of(arguments[2]);
    long teacherMillis = Long.parseLong(arguments[3]);
    if (arguments[0].equals("traces")) {
      boolean complete =
          traces(directory, log, teacherMillis, Long.parseLong(arguments[4]))
              .run()
              .report()
              .complete();
      System.exit(complete ? 0 : 3);
    }
    try (TraceDistillation result = whole(directory, log, teacherMillis).fit()) {
      System.exit(result.complete() ? 0 : 3);
    }
  }

  static Process start(Path output, String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"));
    for (String name :
        List.of(
            "ai.djl.offline", "ai.djl.pytorch.num_threads", "ai.djl.pytorch.num_interop_threads")) {
      if (System.getProperty(name) != null) {
        command.add("-D" + name + "=" + System.getProperty(name));
      }
    }
    command.add("-cp");
    command.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    command.add(PipelineProcess.class.getName());
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(output.toFile())
        .start();
  }
}
