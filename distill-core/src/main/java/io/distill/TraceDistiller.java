package io.distill;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.gson.GsonBuilder;
import io.distill.conversation.ConversationDataset;
import io.distill.conversation.ConversationReport;
import io.distill.conversation.ConversationTemplate;
import io.distill.exception.DistillationException;
import io.distill.generation.GenerationOptions;
import io.distill.internal.AtomicFiles;
import io.distill.internal.WriterLock;
import io.distill.loss.DistillationLoss;
import io.distill.model.DeployableModel;
import io.distill.provenance.TeacherOrigin;
import io.distill.provenance.TermsDecision;
import io.distill.provenance.TermsPolicy;
import io.distill.student.Student;
import io.distill.trace.AnswerExtractor;
import io.distill.trace.AnswerSource;
import io.distill.trace.EvaluationPipeline;
import io.distill.trace.EvaluationResult;
import io.distill.trace.Prompt;
import io.distill.trace.PromptOverlap;
import io.distill.trace.Prompts;
import io.distill.trace.TraceFilter;
import io.distill.trace.TracePipeline;
import io.distill.trace.TraceResult;
import io.distill.training.Every;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Black-box distillation from prompts to an evaluated student: a teacher that only answers writes
 * several answers to each prompt, verifiers and filters keep the good ones, a student is fine-tuned
 * on them and tried on held-out prompts.
 *
 * <pre>{@code
 * try (TraceDistillation result = TraceDistiller.builder()
 *     .prompts(Prompts.jsonLines(problems))
 *     .teacher(AnswerSource.of(generator, options))
 *     .samples(4)
 *     .keep(TraceFilter.finished())
 *     .keep(TraceFilter.exactAnswer(extractor))
 *     .student(Student.load(checkpoint))
 *     .loss(sequenceLevel())
 *     .dataset(data -> data.maxLength(512).packed(true))
 *     .training(recipe -> recipe.epochs(2).batchSize(32).gradientClipping(1))
 *     .evaluate(Prompts.jsonLines(heldOut), extractor, GenerationOptions.greedy())
 *     .directory(directory)
 *     .fit()) {
 *   System.out.println(result.report());
 * }
 * }</pre>
 *
 * <p>The directory then has {@value #TRACES_DIRECTORY} (see {@link TracePipeline}), checkpoints in
 * {@value #TRAINING_DIRECTORY}, the student in {@value #STUDENT_DIRECTORY} (a language model as a
 * Hugging Face checkpoint, whose provenance tells the teacher, its terms and the digest of the
 * traces), all answers to held-out prompts in {@value #EVALUATION_DIRECTORY}, and {@value
 * #REPORT_FILE} and {@value #REPORT_TEXT_FILE}.
 *
 * <p><b>Going on.</b> However a run ends, the same sentence on the same directory goes on there: no
 * answer that is stored is asked for again, training goes on from its last checkpoint and ends in
 * the same weights, bit for bit on CPU, and what is done is not repeated. What depends on a changed
 * setting is done again, and nothing else:
 *
 * <ul>
 *   <li>another teacher, seed or number of samples is refused: answers may have been paid for;
 *   <li>more prompts are asked on top; prompts that were changed are refused;
 *   <li>with other filters the stored answers are judged anew; if other traces are kept, the
 *       student is trained anew;
 *   <li>with another student, loss, data or training setting the student is trained anew and takes
 *       the place of the old one when it is done; a warning says what differs. A training that was
 *       ended under other settings stays until then, and goes on if they come back;
 *   <li>another student, other options or another number of samples are evaluated anew; another
 *       extractor counts the stored answers anew; held-out prompts that were changed are refused.
 * </ul>
 *
 * <p>An interrupt of the thread ends the stage that is under way in order; what is returned then
 * says that it is not complete. The end of the process (Ctrl-C) does the same, without returning.
 *
 * @see <a href="https://arxiv.org/abs/2501.12948">DeepSeek-AI, DeepSeek-R1, 2025</a>
 * @see Distiller
 */
public final class TraceDistiller {

  /** Where answers and traces stand. */
  public static final String TRACES_DIRECTORY = "traces";

  /** Where checkpoints of the training stand. */
  public static final String TRAINING_DIRECTORY = "training";

  /** Where the student stands. */
  public static final String STUDENT_DIRECTORY = "student";

  /** Where answers to held-out prompts stand. */
  public static final String EVALUATION_DIRECTORY = "evaluation";

  /** All counts and figures, JSON. */
  public static final String REPORT_FILE = "report.json";

  /** All counts and figures, for people. */
  public static final String REPORT_TEXT_FILE = "report.txt";

  static final String STUDENT = "student";
  private static final String UNTRAINED = "untrained";

  private final TracePipeline traces;
  private final Prompts prompts;
  private final AnswerSource teacher;
  private final TermsPolicy policy;
  private final @Nullable String allowReason;
  private final FineTuning fineTuning;
  private final @Nullable HeldOutEvaluation evaluation;
  private final boolean untrained;
  private final List<Compared> compared;
  private final Path directory;

  /** Someone else who is evaluated. */
  private record Compared(
      String name, AnswerSource source, Consumer<? super EvaluationPipeline.Builder> how) {}

  private TraceDistiller(
      Builder builder, FineTuning fineTuning, @Nullable HeldOutEvaluation evaluation) {
    this.prompts = requireNonNull(builder.prompts);
    this.teacher = requireNonNull(builder.teacher);
    this.policy = builder.policy;
    this.allowReason = builder.allowReason;
    this.directory = requireNonNull(builder.directory);
    this.traces = builder.tracePipeline();
    this.fineTuning = fineTuning;
    this.evaluation = evaluation;
    this.untrained = builder.untrained;
    this.compared = List.copyOf(builder.compared);
  }

  /**
   * Starts a pipeline.
   *
   * @return a builder; prompts, teacher, student, loss and directory must be set
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Runs all stages, or goes on where a run before ended, on this thread.
   *
   * @return the student and how it came about; close it
   * @throws DistillationException if held-out prompts are among the training prompts, the student
   *     cannot be opened, terms forbid it, the directory holds something else, no answer is kept,
   *     or a stage fails as {@link TracePipeline#run}, {@link Distiller#fit} and {@link
   *     EvaluationPipeline#run} do; what was done stays, and running again goes on
   */
  public TraceDistillation fit() {
    WriterLock.Subject subject =
        new WriterLock.Subject(
            "directory " + directory,
            "directory " + directory + " must be writable",
            "check free space and permissions",
            "use another directory");
    try (WriterLock lock = WriterLock.in(directory, ".distill.lock", subject)) {
      requireNonNull(lock);
      fineTuning.check();
      Optional<PromptOverlap> overlap =
          Optional.ofNullable(evaluation).map(each -> each.overlap(prompts));
      TraceDistillation result = run(overlap);
      try {
        write(result);
        return result;
      } catch (RuntimeException e) {
        result.close();
        throw e;
      }
    }
  }

  private TraceDistillation run(Optional<PromptOverlap> overlap) {
    TermsDecision decision =
        TermsDecision.decide(
            teacher.id(), teacher.terms(), policy, Optional.ofNullable(allowReason));
    TraceResult answered = traces.run();
    if (!answered.report().complete()) {
      return new TraceDistillation(answered, Optional.empty(), null, overlap, Map.of());
    }
    FineTuning.Outcome trained =
        fineTuning.run(
            answered,
            new TeacherOrigin(teacher.id(), teacher.fingerprint(), teacher.terms()),
            decision);
    Optional<ConversationReport> data = Optional.of(trained.data());
    if (!trained.complete()) {
      return new TraceDistillation(answered, data, null, overlap, Map.of());
    }
    DeployableModel student = DeployableModel.load(directory.resolve(STUDENT_DIRECTORY));
    try {
      return new TraceDistillation(answered, data, student, overlap, evaluations(student));
    } catch (RuntimeException | Error e) {
      student.close();
      throw e;
    }
  }

  /** Evaluates the student first; what follows an interrupt is left out. */
  private Map<String, EvaluationResult> evaluations(DeployableModel student) {
    Map<String, EvaluationResult> results = new LinkedHashMap<>();
    HeldOutEvaluation stage = evaluation;
    if (stage == null) {
      return results;
    }
    results.put(STUDENT, stage.model(STUDENT, student));
    if (untrained && complete(results)) {
      try (DeployableModel before = fineTuning.untrained()) {
        results.put(UNTRAINED, stage.model(UNTRAINED, before));
      }
    }
    for (Compared each : compared) {
      if (complete(results)) {
        results.put(each.name, stage.source(each.name, each.source, each.how));
      }
    }
    return results;
  }

  private static boolean complete(Map<String, EvaluationResult> results) {
    return results.values().stream().allMatch(EvaluationResult::complete);
  }

  private void write(TraceDistillation result) {
    AtomicFiles.write(
        directory.resolve(REPORT_FILE),
        new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create().toJson(result.json())
            + "\n");
    AtomicFiles.write(directory.resolve(REPORT_TEXT_FILE), result.report());
  }

  /** Collects the parts of a pipeline. */
  public static final class Builder {

    private static final String NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,39}";

    private @Nullable Prompts prompts;
    private @Nullable AnswerSource teacher;
    private @Nullable Integer samples;
    private final List<TraceFilter> filters = new ArrayList<>();
    private Consumer<? super TracePipeline.Builder> asking = each -> {};
    private TermsPolicy policy = TermsPolicy.standard();
    private @Nullable String allowReason;
    private @Nullable Student student;
    private @Nullable DistillationLoss loss;
    private @Nullable ConversationTemplate template;
    private Consumer<? super ConversationDataset.Builder> data = each -> {};
    private Consumer<? super Distiller.Builder> training = each -> {};
    private List<Every> checkpoints = List.of(Every.epochs(1), Every.minutes(10));
    private @Nullable Prompts heldOut;
    private @Nullable AnswerExtractor extractor;
    private @Nullable GenerationOptions options;
    private int evaluationSamples = 1;
    private Function<Prompt, String> grouping = prompt -> "";
    private boolean overlapAllowed;
    private boolean untrained;
    private final List<Compared> compared = new ArrayList<>();
    private @Nullable Path directory;

    private Builder() {}

    /**
     * Sets what the teacher is asked. Required.
     *
     * @param prompts the prompts
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder prompts(Prompts prompts) {
      this.prompts = requireNonNull(prompts, "prompts");
      return this;
    }

    /**
     * Sets who answers. Required.
     *
     * @param teacher a model in this process, a hosted one, or a lambda
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder teacher(AnswerSource teacher) {
      this.teacher = requireNonNull(teacher, "teacher");
      return this;
    }

    /**
     * Sets how many answers to a prompt the teacher is asked for.
     *
     * @param samples the number; at least 1; default 4
     * @return this builder
     * @throws IllegalArgumentException if it is below 1
     */
    @CanIgnoreReturnValue
    public Builder samples(int samples) {
      checkArgument(samples >= 1, "samples must be at least 1 but was %s", samples);
      this.samples = samples;
      return this;
    }

    /**
     * Adds a filter; an answer is kept if all filters keep it, in the order in which they were
     * added.
     *
     * @param filter the filter; each must have a name of its own
     * @return this builder
     * @throws IllegalArgumentException if one of that name was added before
     * @see TracePipeline.Builder#keep
     */
    @CanIgnoreReturnValue
    public Builder keep(TraceFilter filter) {
      filters.add(requireNonNull(filter, "filter"));
      TracePipeline.Builder check = TracePipeline.builder();
      filters.forEach(check::keep);
      return this;
    }

    /**
     * Sets how the teacher is asked: concurrency, size of batches, retries, seed.
     *
     * @param asking sets what it wants; prompts, teacher, filters, terms and directory are set here
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder traces(Consumer<? super TracePipeline.Builder> asking) {
      this.asking = requireNonNull(asking, "asking");
      return this;
    }

    /**
     * Sets who decides whether the teacher's terms allow to learn from it.
     *
     * @param policy the policy; default {@link TermsPolicy#standard()}, which refuses terms that
     *     forbid it
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder termsPolicy(TermsPolicy policy) {
      this.policy = requireNonNull(policy, "policy");
      return this;
    }

    /**
     * Goes against a refusal; the reason is recorded with traces and student.
     *
     * @param reason why this is allowed here, such as a contract; not blank
     * @return this builder
     * @throws IllegalArgumentException if the reason is blank
     */
    @CanIgnoreReturnValue
    public Builder allowTerms(String reason) {
      checkArgument(!reason.isBlank(), "reason must not be blank");
      this.allowReason = reason;
      return this;
    }

    /**
     * Sets who learns. Required.
     *
     * @param student a language model with a tokenizer of its own: {@link Student#load} of a
     *     checkpoint that is fine-tuned, or {@link Student#decoder}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder student(Student student) {
      this.student = requireNonNull(student, "student");
      return this;
    }

    /**
     * Sets what is made small. Required.
     *
     * @param loss a loss on labels alone, for no teacher is there in training: usually {@code
     *     Losses.sequenceLevel()}, the cross-entropy with the teacher's tokens
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder loss(DistillationLoss loss) {
      this.loss = requireNonNull(loss, "loss");
      return this;
    }

    /**
     * Sets how messages become the text that the student reads, in training and evaluation.
     *
     * @param template the template; default the student's own chat template. Prompts of text need
     *     none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder template(ConversationTemplate template) {
      this.template = requireNonNull(template, "template");
      return this;
    }

    /**
     * Sets how traces become rows of tokens: maximum length, what happens to longer ones, packing;
     * more samples may be added. Tokenizer and end tokens are the student's.
     *
     * @param data sets what it wants; it may be called more than once
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder dataset(Consumer<? super ConversationDataset.Builder> data) {
      this.data = requireNonNull(data, "data");
      return this;
    }

    /**
     * Sets how the student is trained: epochs or steps, size of batches, optimizer, learning rate,
     * listeners.
     *
     * @param training sets what it wants; student, loss and checkpoints are set here. It may be
     *     called more than once
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder training(Consumer<? super Distiller.Builder> training) {
      this.training = requireNonNull(training, "training");
      return this;
    }

    /**
     * Sets when training writes a checkpoint.
     *
     * @param every one or more intervals; default each epoch and every ten minutes
     * @return this builder
     * @throws IllegalArgumentException if there is none
     */
    @CanIgnoreReturnValue
    public Builder checkpointEvery(Every... every) {
      checkArgument(every.length > 0, "checkpointEvery must have at least one interval but none");
      this.checkpoints = List.of(every);
      return this;
    }

    /**
     * Lets the student answer held-out prompts when it is trained, and counts right answers. Held-
     * out prompts that are also among the training prompts are refused.
     *
     * @param heldOut the prompts, each with a reference
     * @param extractor finds the final answer in what was written
     * @param options how the student writes; greedy options make the figure repeatable
     * @return this builder
     * @see EvaluationPipeline
     */
    @CanIgnoreReturnValue
    public Builder evaluate(Prompts heldOut, AnswerExtractor extractor, GenerationOptions options) {
      this.heldOut = requireNonNull(heldOut, "heldOut");
      this.extractor = requireNonNull(extractor, "extractor");
      this.options = requireNonNull(options, "options");
      return this;
    }

    /**
     * Sets how many answers each held-out prompt gets. More than one also give pass@k and the
     * accuracy of the majority vote; options must sample then.
     *
     * @param samples the number; at least 1; default 1
     * @return this builder
     * @throws IllegalArgumentException if it is below 1
     * @see EvaluationResult
     */
    @CanIgnoreReturnValue
    public Builder evaluationSamples(int samples) {
      checkArgument(samples >= 1, "evaluationSamples must be at least 1 but was %s", samples);
      this.evaluationSamples = samples;
      return this;
    }

    /**
     * Sets how held-out prompts are grouped in the report.
     *
     * @param grouping the name of a prompt's group, such as its number of digits; empty for none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder evaluationGroups(Function<Prompt, String> grouping) {
      this.grouping = requireNonNull(grouping, "grouping");
      return this;
    }

    /**
     * Evaluates on held-out prompts that are also trained on, with a warning: the figure then says
     * what is remembered.
     *
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder allowOverlap() {
      this.overlapAllowed = true;
      return this;
    }

    /**
     * Evaluates the student as it was before training, too; worth knowing where it starts from a
     * checkpoint.
     *
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder compareWithUntrained() {
      this.untrained = true;
      return this;
    }

    /**
     * Evaluates someone else on the held-out prompts, too, such as the teacher.
     *
     * @param name what it is called in the report; letters, digits, {@code _} and {@code -}
     * @param source who answers, with options of its own
     * @return this builder
     * @throws IllegalArgumentException if the name has other characters or is taken
     */
    @CanIgnoreReturnValue
    public Builder compareWith(String name, AnswerSource source) {
      return compareWith(name, source, how -> {});
    }

    /**
     * Evaluates someone else on the held-out prompts, too.
     *
     * @param name what it is called in the report; letters, digits, {@code _} and {@code -}
     * @param source who answers, with options of its own
     * @param how sets concurrency, size of batches, retries and seed
     * @return this builder
     * @throws IllegalArgumentException if the name has other characters or is taken
     */
    @CanIgnoreReturnValue
    public Builder compareWith(
        String name, AnswerSource source, Consumer<? super EvaluationPipeline.Builder> how) {
      checkArgument(name.matches(NAME), "name must match %s but was '%s'", NAME, name);
      checkArgument(
          !Set.of(STUDENT, UNTRAINED).contains(name)
              && compared.stream().noneMatch(each -> each.name.equals(name)),
          "name must be one that nobody has but was '%s'",
          name);
      compared.add(
          new Compared(name, requireNonNull(source, "source"), requireNonNull(how, "how")));
      return this;
    }

    /**
     * Sets where everything is written. Required.
     *
     * @param directory a new directory, or the one that the same pipeline wrote before
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder directory(Path directory) {
      this.directory = requireNonNull(directory, "directory");
      return this;
    }

    private TracePipeline tracePipeline() {
      TracePipeline.Builder builder = TracePipeline.builder();
      asking.accept(builder);
      builder
          .prompts(requireNonNull(prompts))
          .teacher(requireNonNull(teacher))
          .termsPolicy(policy)
          .directory(requireNonNull(directory).resolve(TRACES_DIRECTORY));
      filters.forEach(builder::keep);
      if (samples != null) {
        builder.samples(samples);
      }
      if (allowReason != null) {
        builder.allowTerms(allowReason);
      }
      return builder.build();
    }

    /**
     * Builds the pipeline.
     *
     * @return the pipeline
     * @throws IllegalStateException if required parts are missing, all named, or parts do not fit
     *     each other
     */
    public TraceDistiller build() {
      Map<String, @Nullable Object> required = new LinkedHashMap<>();
      required.put("prompts", prompts);
      required.put("teacher", teacher);
      required.put("student", student);
      required.put("loss", loss);
      required.put("directory", directory);
      List<String> missing = new ArrayList<>();
      required.forEach(
          (name, part) -> {
            if (part == null) {
              missing.add(name);
            }
          });
      checkState(missing.isEmpty(), "pipeline must have all required parts but lacks %s", missing);
      Path place = requireNonNull(directory);
      FineTuning fineTuning =
          new FineTuning(
              requireNonNull(student),
              requireNonNull(loss),
              training,
              data,
              template,
              checkpoints,
              place);
      // wrong settings of the recipe are told here, not after the teacher was paid
      requireNonNull(fineTuning.recipe());
      return new TraceDistiller(this, fineTuning, evaluation(place));
    }

    private @Nullable HeldOutEvaluation evaluation(Path place) {
      if (heldOut == null) {
        checkState(
            evaluationSamples == 1 && !untrained && compared.isEmpty(),
            "evaluate(...) must be called to evaluate or compare anyone but was not");
        return null;
      }
      GenerationOptions writing = requireNonNull(options);
      checkState(
          evaluationSamples == 1 || writing.temperature() > 0,
          "options must sample for evaluationSamples %s but have temperature 0; set a temperature",
          evaluationSamples);
      return new HeldOutEvaluation(
          heldOut,
          requireNonNull(extractor),
          writing,
          evaluationSamples,
          grouping,
          template,
          overlapAllowed,
          place.resolve(EVALUATION_DIRECTORY));
    }

    /**
     * Builds the pipeline and runs it.
     *
     * @return the student and how it came about; close it
     * @throws DistillationException as {@link TraceDistiller#fit()}
     */
    public TraceDistillation fit() {
      return build().fit();
    }
  }
}
