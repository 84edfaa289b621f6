package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.internal.LibraryVersion;
import io.distill.internal.ProcessEnd;
import io.distill.internal.StrictJson;
import io.distill.internal.WriterLock;
import io.distill.provenance.Terms;
import io.distill.provenance.TermsDecision;
import io.distill.provenance.TermsPolicy;
import io.distill.provenance.internal.PartCodec;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Black-box distillation: a teacher that only answers writes several answers to each prompt, what
 * is good is kept, and a student is fine-tuned on it.
 *
 * <pre>{@code
 * TraceResult traces = TracePipeline.builder()
 *     .prompts(Prompts.jsonLines(problems))
 *     .teacher(AnswerSource.of(generator, options))
 *     .samples(4)
 *     .keep(TraceFilter.finished())
 *     .keep(TraceFilter.exactAnswer(AnswerExtractor.after("####")))
 *     .keep(TraceFilter.nearDuplicates())
 *     .directory(directory)
 *     .run();
 * }</pre>
 *
 * <p>Everything streams: neither prompts nor answers must fit into memory, apart from an id each.
 * An answer is in {@code answers.jsonl} as soon as it arrives and is never asked for again, however
 * the process ends; only answers that were under way when it was killed are. Verdicts ({@code
 * verdicts.jsonl}) and traces ({@code traces.jsonl}) are written in the order of prompts and
 * answers, whatever the concurrency. To run the same pipeline on the same directory again goes on
 * where it ended; with other filters it judges the stored answers anew without asking; with another
 * teacher, seed or number of samples it is refused.
 *
 * @see <a href="https://arxiv.org/abs/2501.12948">DeepSeek-AI, DeepSeek-R1, 2025</a>
 * @see <a href="https://arxiv.org/abs/2308.01825">Yuan et al., Scaling Relationship on Learning
 *     Mathematical Reasoning (rejection sampling), 2023</a>
 */
public final class TracePipeline {

  /** The answers of the teacher. */
  public static final String ANSWERS_FILE = "answers.jsonl";

  /** What was decided about each answer. */
  public static final String VERDICTS_FILE = "verdicts.jsonl";

  /** What was kept. */
  public static final String TRACES_FILE = "traces.jsonl";

  /** Where the traces come from. */
  public static final String PROVENANCE_FILE = "traces.provenance.json";

  private static final String RECIPE_FILE = "recipe.json";
  private static final int RECIPE_LIMIT = 1 << 24;

  /** How many batches a worker may be ahead of the answer that is judged. */
  private static final int LOOK_AHEAD = 4;

  private final Prompts prompts;
  private final AnswerSource teacher;
  private final List<TraceFilter> filters;
  private final Path directory;
  private final int samples;
  private final long seed;
  private final int batchSize;
  private final int concurrency;
  private final int errorsInARow;
  private final Retries retries;
  private final TermsPolicy policy;
  private final @Nullable String allowReason;

  private TracePipeline(Builder builder) {
    this.prompts = requireNonNull(builder.prompts);
    this.teacher = requireNonNull(builder.teacher);
    this.filters = List.copyOf(builder.filters);
    this.directory = requireNonNull(builder.directory);
    this.samples = builder.samples;
    this.seed = builder.seed;
    this.batchSize = builder.batchSize;
    this.concurrency = builder.concurrency;
    this.errorsInARow = builder.errorsInARow;
    this.retries = builder.retries;
    this.policy = builder.policy;
    this.allowReason = builder.allowReason;
  }

  /**
   * Starts a pipeline.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Runs on a thread of its own.
   *
   * @return the run, which can be stopped
   */
  public TraceRun start() {
    return TraceRun.start(this);
  }

  /**
   * Runs to the end, or until the thread is interrupted: then it ends after the answers that are
   * under way, keeps all of them, and leaves the thread interrupted. So does the end of the process
   * (Ctrl-C), which waits a minute at most for answers and report; this method then does not
   * return.
   *
   * @return the counts and the files
   * @throws DistillationException if terms forbid it, the directory holds another pipeline or a
   *     damaged file, somebody else writes there, a file cannot be written, the teacher fails, or a
   *     filter fails too often; what was written stays, and running again goes on
   */
  public TraceResult run() {
    return run(() -> false);
  }

  @SuppressWarnings("try") // the end of the process only has to be watched
  TraceResult run(BooleanSupplier stopped) {
    TermsDecision decision =
        TermsDecision.decide(
            teacher.id(), teacher.terms(), policy, Optional.ofNullable(allowReason));
    AtomicBoolean processEnds = new AtomicBoolean();
    CountDownLatch ended = new CountDownLatch(1);
    Thread caller = Thread.currentThread();
    BooleanSupplier ending =
        () -> processEnds.get() || stopped.getAsBoolean() || caller.isInterrupted();
    try (ProcessEnd.Registration watched = ProcessEnd.before(() -> processEnds.set(true), ended)) {
      return locked(decision, ending);
    } finally {
      ended.countDown();
      ProcessEnd.restIfEnding();
    }
  }

  private TraceResult locked(TermsDecision decision, BooleanSupplier ending) {
    WriterLock.Subject subject =
        new WriterLock.Subject(
            "trace directory " + directory,
            "trace directory " + directory + " must be writable",
            "check free space and permissions",
            "use another directory");
    try (WriterLock lock = WriterLock.in(directory, ".traces.lock", subject)) {
      requireNonNull(lock);
      prepare();
      try (AnswerLog answers = AnswerLog.open(directory.resolve(ANSWERS_FILE), samples);
          Judge judge =
              new Judge(
                  filters,
                  errorsInARow,
                  samples,
                  teacher,
                  answers,
                  directory.resolve(VERDICTS_FILE),
                  directory.resolve(TRACES_FILE));
          Questioning questioning =
              new Questioning(teacher, answers, retries, concurrency, ending)) {
        TraceReport report = work(answers, judge, questioning);
        writeProvenance(report, decision);
        if (report.complete()) {
          answers.closeInOrder(prompts);
        }
        return new TraceResult(
            report, directory.resolve(TRACES_FILE), directory.resolve(PROVENANCE_FILE));
      }
    }
  }

  private TraceReport work(AnswerLog answers, Judge judge, Questioning questioning) {
    try (UniquePrompts unique = UniquePrompts.open(prompts, 0)) {
      boolean complete =
          judgeAll(new Agenda(unique, samples, seed, batchSize), answers, judge, questioning);
      answers.sync();
      judge.finish();
      unique.drain();
      requireUnchanged(unique);
      return judge.report(
          unique, questioning.asked(), questioning.retried(), questioning.seconds(), complete);
    }
  }

  /**
   * Judges answers in their order, while questions that come later are asked: one slow answer does
   * not keep the teacher idle, and what waits to be judged is bounded.
   *
   * @return whether all were judged
   */
  private boolean judgeAll(Agenda agenda, AnswerLog answers, Judge judge, Questioning questioning) {
    long most = (long) LOOK_AHEAD * concurrency * batchSize;
    Deque<Questioning.Item> ahead = new ArrayDeque<>();
    boolean recorded = true;
    boolean more = true;
    while (true) {
      while (more && ahead.size() < most && !questioning.ending()) {
        List<Questioning.Item> batch = agenda.next();
        more = !batch.isEmpty();
        List<Questioning.Item> open = new ArrayList<>();
        for (Questioning.Item item : batch) {
          recorded = recorded && judge.replay(item.prompt(), item.index());
          if (recorded) {
            answers.passed(item.prompt(), item.index());
          } else {
            open.add(item);
          }
        }
        questioning.submit(open);
        ahead.addAll(open);
      }
      Questioning.Item next = ahead.poll();
      if (next == null) {
        return !more;
      }
      if (!questioning.await(next)) {
        return false;
      }
      answers.passed(next.prompt(), next.index());
      judge.judge(
          next.prompt(), next.index(), next.seed(), answers.read(next.prompt(), next.index()));
    }
  }

  /** Prompts are opened more than once; they must be the same each time. */
  private void requireUnchanged(UniquePrompts unique) {
    Path file = directory.resolve(RECIPE_FILE);
    JsonObject recipe =
        StrictJson.object(
            StrictJson.text(file, "recipe of traces", RECIPE_LIMIT), "recipe", RECIPE_LIMIT);
    if (!text(recipe, "promptsDigest").equals(unique.digest())) {
      throw new DistillationException(
          "prompts must stay the same while they are asked but have changed; what was answered is"
              + " stored: run again");
    }
  }

  /** Compares with what the directory holds, and throws verdicts away that are of other filters. */
  private void prepare() {
    Path file = directory.resolve(RECIPE_FILE);
    JsonObject before =
        Files.exists(file)
            ? StrictJson.object(
                StrictJson.text(file, "recipe of traces", RECIPE_LIMIT),
                "recipe of traces " + file,
                RECIPE_LIMIT)
            : null;
    if (before == null && Files.exists(directory.resolve(ANSWERS_FILE))) {
      throw new DistillationException(
          "trace directory must be new or hold the recipe of its answers but "
              + directory
              + " has "
              + ANSWERS_FILE
              + " without "
              + RECIPE_FILE
              + "; restore it, or use another directory");
    }
    long known = before == null ? 0 : count(before, file);
    JsonObject now;
    try (UniquePrompts all = UniquePrompts.open(prompts, known).drain()) {
      if (all.count() == 0) {
        throw new DistillationException(
            "prompts must be at least one but are none; check the file they come from");
      }
      now = recipe(all.count(), all.digest());
      if (before != null) {
        requireSame(before, now);
        boolean begins =
            all.count() >= known && text(before, "promptsDigest").equals(all.digestAtMark());
        if (!begins) {
          throw different(
              "its first " + known + " prompts are others, or some of them are missing");
        }
      }
    }
    if (before != null && !before.get("filters").equals(now.get("filters"))) {
      // traces first: verdicts without their traces are cut off when they are read
      delete(directory.resolve(TRACES_FILE));
      delete(directory.resolve(VERDICTS_FILE));
    }
    AtomicFiles.write(file, now + "\n");
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new DistillationException(
          "file " + file + " of other filters must be deletable but was not (" + e + ")", e);
    }
  }

  private static long count(JsonObject recipe, Path file) {
    try {
      return recipe.get("prompts").getAsLong();
    } catch (RuntimeException e) {
      throw new DistillationException(
          "recipe of traces "
              + file
              + " must say how many prompts there were but does not; restore it, or use another"
              + " directory",
          e);
    }
  }

  private static String text(JsonObject recipe, String name) {
    return recipe.has(name) ? recipe.get(name).toString().replace("\"", "") : "";
  }

  private void requireSame(JsonObject before, JsonObject now) {
    for (String name : List.of("teacher", "fingerprint", "sampling", "samples", "seed")) {
      String old = text(before, name);
      String wanted = text(now, name);
      if (!old.equals(wanted)) {
        throw different("its " + name + " was " + old + " and now is " + wanted);
      }
    }
    if (!before.has("filters")) {
      throw different("it names no filters");
    }
  }

  private DistillationException different(String what) {
    return new DistillationException(
        "trace directory "
            + directory
            + " must hold answers of this pipeline but holds those of another: "
            + what
            + "; use another directory, or the settings of before");
  }

  private JsonObject recipe(long count, String digest) {
    JsonObject json = new JsonObject();
    json.addProperty("teacher", teacher.id());
    json.addProperty("fingerprint", teacher.fingerprint().orElse(""));
    json.add("sampling", JsonLine.strings(teacher.sampling()));
    json.addProperty("samples", samples);
    json.addProperty("seed", seed);
    json.addProperty("prompts", count);
    json.addProperty("promptsDigest", digest);
    JsonArray descriptions = new JsonArray();
    filters.forEach(filter -> descriptions.add(filter.description()));
    json.add("filters", descriptions);
    return json;
  }

  private void writeProvenance(TraceReport report, TermsDecision decision) {
    Path recipe = directory.resolve(RECIPE_FILE);
    JsonObject json =
        StrictJson.object(
            StrictJson.text(recipe, "recipe of traces", RECIPE_LIMIT), "recipe", RECIPE_LIMIT);
    JsonObject terms =
        PartCodec.ofPlainRecords().encode(decision.terms(), Terms.class).getAsJsonObject();
    terms.addProperty("verdict", decision.verdict().name());
    decision.reason().ifPresent(reason -> terms.addProperty("reason", reason));
    json.add("terms", terms);
    json.addProperty("library", LibraryVersion.text());
    json.add("report", report.json());
    AtomicFiles.write(
        directory.resolve(PROVENANCE_FILE),
        new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create().toJson(json) + "\n");
  }

  /** Collects what a pipeline is made of. */
  public static final class Builder {
    private @Nullable Prompts prompts;
    private @Nullable AnswerSource teacher;
    private final List<TraceFilter> filters = new ArrayList<>();
    private @Nullable Path directory;
    private int samples = 4;
    private long seed;
    private int batchSize = 64;
    private int concurrency = 1;
    private int errorsInARow = 20;
    private Retries retries = Retries.STANDARD;
    private TermsPolicy policy = TermsPolicy.standard();
    private @Nullable String allowReason;

    private Builder() {}

    /**
     * Sets what is asked.
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
     * Sets who answers.
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
     * Adds a filter; an answer is kept if all filters keep it, in the order in which they were
     * added. Drops are counted by the names of filters, so two of one name are refused: give them
     * names with {@link TraceFilter#named}. Where the directory has verdicts of other filters, they
     * and the traces are replaced: the stored answers are judged anew.
     *
     * @param filter the filter
     * @return this builder
     * @throws IllegalArgumentException if one of that name was added before, or the name is {@code
     *     answer}, under which empty answers are counted
     */
    @CanIgnoreReturnValue
    public Builder keep(TraceFilter filter) {
      checkArgument(
          !filter.name().equals(Judge.EMPTY_FILTER),
          "filter must not be called '%s', under which empty answers are counted; call named(...)",
          Judge.EMPTY_FILTER);
      Set<String> names = new HashSet<>();
      filters.forEach(each -> names.add(each.name()));
      checkArgument(
          !names.contains(filter.name()),
          "filters must have different names but two are called '%s'; call named(...) on one",
          filter.name());
      filters.add(filter);
      return this;
    }

    /**
     * Sets where everything is written.
     *
     * @param directory a new directory, or the one that the same pipeline wrote before
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder directory(Path directory) {
      this.directory = requireNonNull(directory, "directory");
      return this;
    }

    /**
     * Sets how many answers to a prompt are asked for.
     *
     * @param samples the number; at least 1; default 4
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder samples(int samples) {
      this.samples = atLeastOne("samples", samples);
      return this;
    }

    /**
     * Sets what the seeds of the questions are made from.
     *
     * @param seed the seed; default 0
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder seed(long seed) {
      this.seed = seed;
      return this;
    }

    /**
     * Sets how many questions go to the teacher in one call. What a call was to bring is lost if
     * the process is killed before the source hands it over; a source that is paid for each answer
     * does best with 1, or hands over each answer as it comes ({@link AnswerSource#answers(List,
     * AnswerSource.Receiver)}).
     *
     * @param batchSize the number; at least 1; default 64
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder batchSize(int batchSize) {
      this.batchSize = atLeastOne("batchSize", batchSize);
      return this;
    }

    /**
     * Sets how many calls to the teacher are under way at once. They go on with later questions
     * while an earlier one takes its time; up to four batches for each wait to be judged.
     *
     * @param concurrency the number; at least 1; default 1, which is right for a model in this
     *     process
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder concurrency(int concurrency) {
      this.concurrency = atLeastOne("concurrency", concurrency);
      return this;
    }

    /**
     * Sets how often a filter may fail in a row before the run stops.
     *
     * @param errorsInARow the number; at least 1; default 20
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder errorsInARow(int errorsInARow) {
      this.errorsInARow = atLeastOne("errorsInARow", errorsInARow);
      return this;
    }

    /**
     * Sets how failures of the teacher that pass are waited for.
     *
     * @param retries the rule; default {@link Retries#STANDARD}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder retries(Retries retries) {
      this.retries = requireNonNull(retries, "retries");
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
     * Goes against a refusal; the reason is recorded.
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

    private static int atLeastOne(String name, int value) {
      checkArgument(value >= 1, "%s must be at least 1 but was %s", name, value);
      return value;
    }

    /**
     * Builds the pipeline.
     *
     * @return the pipeline
     * @throws IllegalStateException if prompts, teacher or directory are missing
     */
    public TracePipeline build() {
      List<String> missing = new ArrayList<>();
      if (prompts == null) {
        missing.add("prompts");
      }
      if (teacher == null) {
        missing.add("teacher");
      }
      if (directory == null) {
        missing.add("directory");
      }
      checkState(missing.isEmpty(), "%s must be set", String.join(", ", missing));
      return new TracePipeline(this);
    }

    /**
     * Builds the pipeline and runs it.
     *
     * @return the counts and the files
     * @throws DistillationException as {@link TracePipeline#run()}
     */
    public TraceResult run() {
      return build().run();
    }
  }
}
