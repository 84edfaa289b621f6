package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import io.distill.provenance.TermsPolicy;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Lets a source answer prompts whose right answers are known, once or several times each, and
 * counts right answers.
 *
 * <pre>{@code
 * EvaluationResult result = EvaluationPipeline.builder()
 *     .source(AnswerSource.of(generator, options))
 *     .prompts(Prompts.jsonLines(heldOut))
 *     .extractor(AnswerExtractor.after("####"))
 *     .samples(8)
 *     .directory(directory)
 *     .run();
 * }</pre>
 *
 * <p>Answers are kept as a {@link TracePipeline} keeps them: it streams, asks nothing twice, and
 * goes on after it was ended, however that was. Scores are counted anew each time, so another
 * extractor needs no answer to be asked again. Of a directory that holds the answers of another
 * source, or to other prompts, it is refused. {@link AnswerEvaluation} does the same in memory.
 *
 * <p>With several samples, {@link EvaluationResult#passAtK} says how often one of k answers is
 * right, and {@link EvaluationResult#majorityVote} how often the most frequent final answer is
 * (self-consistency); of answers as frequent, the one that came first counts.
 *
 * @see <a href="https://arxiv.org/abs/2203.11171">Wang et al., Self-Consistency Improves Chain of
 *     Thought Reasoning in Language Models, 2022</a>
 */
public final class EvaluationPipeline {

  /** What was extracted from each answer. */
  public static final String SCORES_FILE = "scores.jsonl";

  private final AnswerSource source;
  private final Prompts prompts;
  private final AnswerExtractor extractor;
  private final Function<Prompt, String> grouping;
  private final int samples;
  private final Path directory;
  private final TracePipeline pipeline;

  private EvaluationPipeline(Builder builder) {
    this.source = requireNonNull(builder.source);
    this.prompts = requireNonNull(builder.prompts);
    this.extractor = requireNonNull(builder.extractor);
    this.grouping = builder.grouping;
    this.samples = builder.samples;
    this.directory = requireNonNull(builder.directory);
    this.pipeline =
        builder
            .traces
            .teacher(source)
            .prompts(prompts)
            .samples(samples)
            .directory(directory)
            // nobody learns from these answers
            .termsPolicy(terms -> TermsPolicy.Verdict.ALLOW)
            .build();
  }

  /**
   * Starts an evaluation.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Runs to the end, or until the thread is interrupted, as {@link TracePipeline#run} does.
   *
   * @return the scores
   * @throws DistillationException if a prompt has no reference, or as {@link TracePipeline#run}
   */
  public EvaluationResult run() {
    requireReferences();
    boolean complete = pipeline.run().report().complete();
    EvaluationScores scores = new EvaluationScores(extractor, samples);
    Path file = directory.resolve(SCORES_FILE);
    if (complete) {
      AtomicFiles.write(
          file,
          out -> {
            try (AnswerLog answers =
                    AnswerLog.open(directory.resolve(TracePipeline.ANSWERS_FILE), samples);
                UniquePrompts unique = UniquePrompts.open(prompts, 0)) {
              while (unique.hasNext()) {
                Prompt prompt = unique.next();
                List<Answer> all = new ArrayList<>();
                for (int i = 0; i < samples; i++) {
                  all.add(answers.read(prompt, i));
                }
                String line = scores.add(prompt, grouping.apply(prompt), all) + "\n";
                out.write(line.getBytes(StandardCharsets.UTF_8));
              }
            }
          });
    }
    return scores.result(complete, file);
  }

  /** Told before anything is asked. */
  private void requireReferences() {
    try (Stream<Prompt> all = prompts.open()) {
      Optional<Prompt> bare = all.filter(prompt -> prompt.reference().isEmpty()).findFirst();
      if (bare.isPresent()) {
        throw AnswerEvaluation.noReference(bare.get());
      }
    }
  }

  /** Collects what an evaluation is made of. */
  public static final class Builder {
    private @Nullable AnswerSource source;
    private @Nullable Prompts prompts;
    private @Nullable AnswerExtractor extractor;
    private Function<Prompt, String> grouping = prompt -> "";
    private int samples = 1;
    private @Nullable Path directory;
    private final TracePipeline.Builder traces = TracePipeline.builder();

    private Builder() {}

    /**
     * Sets who answers. Required.
     *
     * @param source a model in this process, a hosted one, or a lambda
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder source(AnswerSource source) {
      this.source = requireNonNull(source, "source");
      return this;
    }

    /**
     * Sets what is asked. Required.
     *
     * @param prompts the prompts, each with a reference
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder prompts(Prompts prompts) {
      this.prompts = requireNonNull(prompts, "prompts");
      return this;
    }

    /**
     * Sets how the final answer is found, which is compared with the reference. Required.
     *
     * @param extractor finds the answer in what was written
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder extractor(AnswerExtractor extractor) {
      this.extractor = requireNonNull(extractor, "extractor");
      return this;
    }

    /**
     * Sets where everything is written. Required.
     *
     * @param directory a new directory, or the one that the same evaluation wrote before
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder directory(Path directory) {
      this.directory = requireNonNull(directory, "directory");
      return this;
    }

    /**
     * Sets how many answers each prompt gets.
     *
     * @param samples the number; at least 1; default 1. More need a source that samples
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
     * Sets how prompts are grouped.
     *
     * @param grouping the name of a prompt's group, such as its number of digits; empty for none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder grouping(Function<Prompt, String> grouping) {
      this.grouping = requireNonNull(grouping, "grouping");
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
      traces.seed(seed);
      return this;
    }

    /**
     * Sets how many questions go to the source in one call.
     *
     * @param batchSize the number; at least 1; default 64
     * @return this builder
     * @throws IllegalArgumentException if it is below 1
     */
    @CanIgnoreReturnValue
    public Builder batchSize(int batchSize) {
      traces.batchSize(batchSize);
      return this;
    }

    /**
     * Sets how many calls to the source are under way at once.
     *
     * @param concurrency the number; at least 1; default 1
     * @return this builder
     * @throws IllegalArgumentException if it is below 1
     */
    @CanIgnoreReturnValue
    public Builder concurrency(int concurrency) {
      traces.concurrency(concurrency);
      return this;
    }

    /**
     * Sets how failures of the source that pass are waited for.
     *
     * @param retries the rule; default {@link Retries#STANDARD}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder retries(Retries retries) {
      traces.retries(retries);
      return this;
    }

    /**
     * Builds the evaluation.
     *
     * @return the evaluation
     * @throws IllegalStateException if source, prompts, extractor or directory are missing
     */
    public EvaluationPipeline build() {
      List<String> missing = new ArrayList<>();
      if (source == null) {
        missing.add("source");
      }
      if (prompts == null) {
        missing.add("prompts");
      }
      if (extractor == null) {
        missing.add("extractor");
      }
      if (directory == null) {
        missing.add("directory");
      }
      checkState(missing.isEmpty(), "%s must be set", String.join(", ", missing));
      return new EvaluationPipeline(this);
    }

    /**
     * Builds the evaluation and runs it.
     *
     * @return the scores
     * @throws DistillationException as {@link EvaluationPipeline#run()}
     */
    public EvaluationResult run() {
      return build().run();
    }
  }
}
