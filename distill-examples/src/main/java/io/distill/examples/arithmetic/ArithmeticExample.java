package io.distill.examples.arithmetic;

import static io.distill.losses.Losses.sequenceLevel;
import static java.util.Objects.requireNonNull;

import io.distill.DistillationResult;
import io.distill.TraceDistillation;
import io.distill.TraceDistiller;
import io.distill.conversation.Conversation;
import io.distill.conversation.ConversationDataset;
import io.distill.conversation.Conversations;
import io.distill.data.JsonLines;
import io.distill.data.Tokenizer;
import io.distill.exception.DistillationException;
import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.huggingface.CheckpointFiles;
import io.distill.listener.ConsoleProgress;
import io.distill.model.DeployableModel;
import io.distill.model.TransformerDecoder;
import io.distill.provenance.Terms;
import io.distill.student.Student;
import io.distill.trace.AnswerExtractor;
import io.distill.trace.AnswerSource;
import io.distill.trace.Prompt;
import io.distill.trace.Prompts;
import io.distill.trace.Trace;
import io.distill.trace.TraceFilter;
import io.distill.trace.TracePipeline;
import io.distill.trace.TraceResult;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * Black-box distillation from end to end: a teacher learns to reason step by step, writes several
 * answers to new problems, what is right is kept, and students a quarter of its size learn from it.
 */
@Command(
    name = "arithmetic-example",
    sortOptions = false,
    mixinStandardHelpOptions = true,
    version = "distill examples",
    description = {
      "A small language model learns step-by-step arithmetic from scratch and is then asked new"
          + " problems, four times each. Three students of a quarter of its size learn from its"
          + " verified answers, from the same problems with the bare result, and from all of its"
          + " answers, right or wrong. All are tested on held-out problems.",
      "",
      "With --teacher and --prompts the same is done with your own checkpoint and prompts.",
      ""
    })
public final class ArithmeticExample implements Callable<Integer> {

  private static final double TEACHER_RATE = 2e-3;
  private static final double STUDENT_RATE = 3e-3;
  private static final int BATCH_SIZE = 256;
  private static final String MARK = "####";

  @Option(
      names = "--teacher",
      paramLabel = "DIRECTORY",
      description = "Your own teacher, a Hugging Face checkpoint; needs --prompts.")
  private @Nullable Path teacher;

  @Option(
      names = "--prompts",
      paramLabel = "FILE",
      description =
          "Your own prompts for --teacher, JSON Lines: {\"prompt\": ..., \"answer\": ...}; the"
              + " answer may be left out.")
  private @Nullable Path prompts;

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Optimizer steps of each student. Default: 2500, with --teacher 200.")
  private @Nullable Integer steps;

  @Option(
      names = "--max-new-tokens",
      paramLabel = "N",
      defaultValue = "256",
      description = "With --teacher: the longest answer. Default: ${DEFAULT-VALUE}.")
  private int maxNewTokens;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "1",
      description = "The seed of everything. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--out",
      paramLabel = "DIRECTORY",
      defaultValue = "arithmetic",
      description =
          "Where traces and the student are written; a run that was stopped goes on there."
              + " Default: ${DEFAULT-VALUE}.")
  private Path output = Path.of("arithmetic");

  @Option(
      names = "--quick",
      description = "Do everything at a tiny size, to see that it works; nothing is learnt.")
  private boolean quick;

  private final PrintStream out;

  private ArithmeticExample(PrintStream out) {
    this.out = out;
  }

  /**
   * Runs the example.
   *
   * @param arguments see {@code --help}
   */
  public static void main(String[] arguments) {
    System.exit(run(System.out, System.err, arguments));
  }

  /**
   * Runs the example and returns its exit status.
   *
   * @param out where figures go
   * @param err where errors go
   * @param arguments see {@code --help}
   * @return 0 if all went well, 1 on a clear error, 2 on wrong arguments
   */
  public static int run(PrintStream out, PrintStream err, String... arguments) {
    CommandLine command = new CommandLine(new ArithmeticExample(out));
    command.setOut(new PrintWriter(out, true, StandardCharsets.UTF_8));
    command.setErr(new PrintWriter(err, true, StandardCharsets.UTF_8));
    command.setExecutionExceptionHandler(
        (exception, line, result) -> {
          if (exception instanceof DistillationException) {
            err.println("error: " + exception.getMessage());
          } else {
            exception.printStackTrace(err);
          }
          return 1;
        });
    return command.execute(arguments);
  }

  @Override
  public Integer call() {
    if ((teacher == null) != (prompts == null)) {
      throw new DistillationException(
          "--teacher and --prompts must be given together but only one was; give both, or none");
    }
    DeployableModel.checkSavable(output.resolve("student"));
    if (teacher == null) {
      arithmetic();
    } else {
      own(teacher, Prompts.jsonLines(requireNonNull(prompts)));
    }
    return 0;
  }

  /** The example itself. */
  private void arithmetic() {
    Plan plan = quick ? Plan.quick() : Plan.full();
    int studentSteps = steps == null ? plan.studentSteps() : steps;
    School school = new School(out, seed);
    Tokenizer tokenizer = Vocabulary.tokenizer();
    int end = tokenizer.id(Vocabulary.END).orElseThrow();
    AnswerExtractor extractor =
        text -> Solution.answer(text).stream().mapToObj(Integer::toString).findFirst();
    Exam exam = new Exam(out, test(plan), extractor);

    List<Conversation> lessons =
        new Problems(Problems.Purpose.TRAINING, seed)
            .draw(plan.teacherSteps() * 32).stream()
                .map(problem -> Conversation.of(problem.question(), Solution.worked(problem)))
                .toList();
    try (DistillationResult taught =
        school.teach(
            "Teacher",
            decoder(plan.layers(), plan.teacherWidth(), tokenizer, end),
            texts(tokenizer, end, lessons),
            plan.teacherSteps(),
            TEACHER_RATE)) {
      exam.take("teacher", taught.student());
      List<Prompt> asked = asked(plan);
      TraceResult traces =
          ask(
              taught.student(),
              Prompts.of(asked),
              GenerationOptions.builder()
                  .temperature(1)
                  .maxNewTokens(Vocabulary.MAX_TOKENS)
                  .batchSize(BATCH_SIZE)
                  .build(),
              extractor);
      List<Conversation> kept = Conversations.jsonLines(traces.file()).read();
      Student student = decoder(plan.layers(), plan.teacherWidth() / 2, tokenizer, end);
      try (DistillationResult result =
          school.teach(
              "Student, verified traces",
              student,
              texts(tokenizer, end, kept),
              studentSteps,
              STUDENT_RATE)) {
        exam.take("student: verified traces", result.student());
        result.student().save(output.resolve("student"));
      }
      learn(
          school,
          exam,
          "all traces",
          student,
          texts(tokenizer, end, all(traces, asked)),
          studentSteps);
      learn(
          school, exam, "bare answers", student, texts(tokenizer, end, bare(traces)), studentSteps);
    }
    exam.print();
    out.printf(
        "%nThe student is in %s; transformers and this library load it.%n",
        output.resolve("student"));
  }

  private void learn(
      School school,
      Exam exam,
      String name,
      Student student,
      ConversationDataset texts,
      int studentSteps) {
    try (DistillationResult result =
        school.teach("Student, " + name, student, texts, studentSteps, STUDENT_RATE)) {
      exam.take("student: " + name, result.student());
    }
  }

  private static Student decoder(int layers, int width, Tokenizer tokenizer, int end) {
    return Student.decoder()
        .layers(layers)
        .hiddenSize(width)
        .heads(4)
        .intermediateSize(2 * width)
        .tokenizer(tokenizer)
        .maxLength(Vocabulary.MAX_TOKENS)
        .rotaryBase(100)
        .beginId(tokenizer.id(Vocabulary.START).orElseThrow())
        .endId(end)
        .build();
  }

  private static ConversationDataset texts(
      Tokenizer tokenizer, int end, List<Conversation> conversations) {
    return ConversationDataset.builder()
        .conversations(conversations)
        .tokenizer(tokenizer)
        .endId(end)
        .build();
  }

  private List<Prompt> asked(Plan plan) {
    // another seed than the lessons: problems that the teacher has not seen
    return new Problems(Problems.Purpose.TRAINING, seed + 1000)
        .draw(plan.prompts()).stream().map(ArithmeticExample::prompt).toList();
  }

  private static List<Prompt> test(Plan plan) {
    Problems problems = new Problems(Problems.Purpose.TEST, 0);
    List<Prompt> all = new ArrayList<>();
    for (int digits = 1; digits <= Problems.MOST_DIGITS; digits++) {
      for (int i = 0; i < plan.testsPerDigit(); i++) {
        Problem problem = problems.next(digits);
        all.add(prompt(problem).withId(digits + "-" + i).with("digits", Integer.toString(digits)));
      }
    }
    return all;
  }

  private static Prompt prompt(Problem problem) {
    return Prompt.of(problem.question(), Integer.toString(problem.answer()));
  }

  private TraceResult ask(
      DeployableModel model,
      Prompts questions,
      GenerationOptions options,
      AnswerExtractor extractor) {
    TraceResult result =
        TracePipeline.builder()
            .prompts(questions)
            .teacher(
                AnswerSource.of(TextGenerator.of(model), options)
                    .declaring(Terms.spdx("Apache-2.0")))
            .samples(Plan.SAMPLES)
            .seed(seed)
            .batchSize(4 * BATCH_SIZE)
            .directory(output.resolve("traces"))
            .keep(TraceFilter.finished())
            .keep(TraceFilter.exactAnswer(extractor))
            .keep(TraceFilter.nearDuplicates().perPrompt())
            .run();
    out.printf("%nTraces%n%s", result.report());
    return result;
  }

  /** All answers, right or wrong. */
  private static List<Conversation> all(TraceResult traces, List<Prompt> asked) {
    Map<String, String> questions = new HashMap<>();
    asked.forEach(prompt -> questions.put(prompt.id(), prompt.text().orElseThrow()));
    List<Conversation> all = new ArrayList<>();
    JsonLines.read(
        traces.file().resolveSibling(TracePipeline.ANSWERS_FILE),
        (line, answer) -> {
          String text = answer.get("text").getAsString();
          if (!text.isBlank()) {
            all.add(
                Conversation.of(
                    requireNonNull(questions.get(answer.get("id").getAsString())), text));
          }
        });
    return all;
  }

  /** The result alone, of each problem that was answered right at least once. */
  private static List<Conversation> bare(TraceResult traces) {
    Set<Conversation> bare = new LinkedHashSet<>();
    try (Stream<Trace> kept = traces.traces()) {
      kept.forEach(
          trace ->
              bare.add(
                  Conversation.of(
                      trace.prompt().text().orElseThrow(),
                      MARK + " " + trace.prompt().reference().orElseThrow())));
    }
    return List.copyOf(bare);
  }

  /** The same with a checkpoint and prompts of the user's own, in one sentence. */
  private void own(Path directory, Prompts questions) {
    try (DeployableModel model = DeployableModel.load(directory);
        ConsoleProgress progress = ConsoleProgress.to(out)) {
      TextGenerator generator = TextGenerator.of(model);
      int end =
          generator.endIds().isEmpty()
              ? model.tokenizer().orElseThrow().padId()
              : generator.endIds().get(0);
      GenerationOptions greedy =
          GenerationOptions.builder().maxNewTokens(maxNewTokens).batchSize(BATCH_SIZE).build();
      AnswerExtractor extractor = AnswerExtractor.after(MARK).or(AnswerExtractor.lastNumber());
      School school = new School(out, seed);
      TraceDistiller.Builder pipeline =
          TraceDistiller.builder()
              .prompts(questions)
              .teacher(
                  AnswerSource.of(generator, sampling(model, generator))
                      .named(String.valueOf(directory.toAbsolutePath().getFileName())))
              .samples(Plan.SAMPLES)
              .traces(asking -> asking.seed(seed).batchSize(4 * BATCH_SIZE))
              .keep(TraceFilter.finished())
              .student(smaller(model, end))
              .loss(sequenceLevel())
              .dataset(data -> data.endId(end))
              .training(
                  recipe -> {
                    recipe.steps(steps == null ? 200 : steps).listener(progress);
                    school.prepare(recipe, STUDENT_RATE);
                  })
              .directory(output);
      if (answered(questions)) {
        pipeline
            .keep(TraceFilter.exactAnswer(extractor))
            // there are no others: the figure says how well the prompts themselves were learnt
            .evaluate(questions, extractor, greedy)
            .allowOverlap()
            .compareWith("teacher", AnswerSource.of(generator, greedy));
      }
      try (TraceDistillation result =
          pipeline.keep(TraceFilter.nearDuplicates().perPrompt()).fit()) {
        out.printf("%n%s", result.report());
        compare(generator, result.student(), questions);
        out.printf(
            Locale.ROOT,
            "%n%d parameters instead of %d; saved in %s%n",
            result.student().parameterCount(),
            model.parameterCount(),
            output.resolve("student"));
      }
    }
  }

  private static boolean answered(Prompts questions) {
    try (Stream<Prompt> all = questions.open()) {
      return all.allMatch(prompt -> prompt.reference().isPresent());
    }
  }

  private GenerationOptions sampling(DeployableModel model, TextGenerator generator) {
    GenerationOptions.Builder options =
        generator
            .recommendedOptions()
            .temperature(0.8)
            .topP(0.95)
            .maxNewTokens(maxNewTokens)
            .batchSize(BATCH_SIZE);
    // some models were trained on texts that nothing but the next beginning ends
    CheckpointFiles.of(model)
        .map(CheckpointFiles::beginId)
        .orElse(OptionalInt.empty())
        .ifPresent(options::endId);
    return options.build();
  }

  /** Half the layers of half the width. */
  private static Student smaller(DeployableModel model, int end) {
    TransformerDecoder shape = (TransformerDecoder) model.model().configuration().orElseThrow();
    return Student.decoder()
        .tokenizer(model.tokenizer().orElseThrow())
        .family(CheckpointFiles.of(model).map(CheckpointFiles::modelType).orElse("llama"))
        .maxLength(shape.maxPositions())
        .layers(Math.max(1, (shape.layers() + 1) / 2))
        .heads(shape.heads())
        .hiddenSize(Math.max(shape.heads() * 2, shape.hiddenSize() / 2))
        .endId(end)
        .build();
  }

  private void compare(TextGenerator teacher, DeployableModel student, Prompts questions) {
    String prompt;
    try (Stream<Prompt> all = questions.open()) {
      prompt = all.findFirst().flatMap(Prompt::text).orElse("");
    }
    if (prompt.isEmpty()) {
      return;
    }
    GenerationOptions options =
        GenerationOptions.builder().maxNewTokens(Math.min(60, maxNewTokens)).build();
    out.printf("%nAfter \"%s\"%n", prompt);
    out.printf("teacher: %s%n", teacher.generate(prompt, options).text());
    out.printf("student: %s%n", TextGenerator.of(student).generate(prompt, options).text());
  }
}
