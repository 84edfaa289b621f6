package io.distill.generation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableSet;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * How a model writes. Immutable.
 *
 * <p>Scores are changed in this order, which is that of the transformers library: repetition
 * penalty, temperature, top-k, top-p, min-p.
 *
 * @param maxNewTokens the most tokens to write, at least 1; default 256
 * @param temperature what scores are divided by before one is drawn; 0 takes the best one (greedy),
 *     which is the default
 * @param topK how many of the best tokens may be drawn; 0 for all, which is the default
 * @param topP the smallest set of best tokens whose probabilities add up to at least this may be
 *     drawn; above 0, at most 1, which is the default and stands for all (nucleus sampling)
 * @param minP tokens below this share of the best one's probability may not be drawn; from 0, which
 *     is the default, to 1
 * @param repetitionPenalty what positive scores of tokens that are there already, the prompt's
 *     included, are divided by and negative ones multiplied with; greater than 0, default 1
 * @param stopStrings texts that end the writing; the text ends before them
 * @param endIds tokens that end the writing besides the model's own
 * @param ignoreEnd whether the model's own end tokens do not end the writing; default false
 * @param seed the seed of the draws; default 0. Each row draws from a stream of its own, so a row
 *     is the same in every batch as far as floating point numbers are
 * @param logProbabilities whether {@link Generation#logProbabilities()} are kept; default false
 * @param batchSize how many rows are written at once, at least 1; default 64
 * @see <a href="https://arxiv.org/abs/1904.09751">Holtzman et al., The Curious Case of Neural Text
 *     Degeneration, 2020</a>
 * @see <a href="https://arxiv.org/abs/1909.05858">Keskar et al., CTRL, 2019 (repetition
 *     penalty)</a>
 * @see <a href="https://arxiv.org/abs/2407.01082">Nguyen et al., Min-p Sampling, 2024</a>
 */
public record GenerationOptions(
    int maxNewTokens,
    double temperature,
    int topK,
    double topP,
    double minP,
    double repetitionPenalty,
    List<String> stopStrings,
    Set<Integer> endIds,
    boolean ignoreEnd,
    long seed,
    boolean logProbabilities,
    int batchSize) {

  /**
   * Checks the values.
   *
   * @param maxNewTokens the most tokens to write, at least 1
   * @param temperature the temperature; at least 0
   * @param topK how many of the best tokens may be drawn; at least 0
   * @param topP the mass of the best tokens that may be drawn; above 0, at most 1
   * @param minP the smallest share of the best token's probability; from 0 to 1
   * @param repetitionPenalty the penalty; greater than 0
   * @param stopStrings texts that end the writing; none empty
   * @param endIds tokens that end the writing
   * @param ignoreEnd whether the model's own end tokens do not count
   * @param seed the seed of the draws
   * @param logProbabilities whether logarithms of probabilities are kept
   * @param batchSize how many rows are written at once, at least 1
   * @throws IllegalArgumentException if a value is out of range
   */
  public GenerationOptions {
    checkArgument(maxNewTokens >= 1, "maxNewTokens must be at least 1 but was %s", maxNewTokens);
    checkArgument(
        temperature >= 0 && Double.isFinite(temperature),
        "temperature must be at least 0 but was %s",
        temperature);
    checkArgument(topK >= 0, "topK must be at least 0 but was %s", topK);
    checkArgument(topP > 0 && topP <= 1, "topP must be above 0 and at most 1 but was %s", topP);
    checkArgument(minP >= 0 && minP <= 1, "minP must be from 0 to 1 but was %s", minP);
    checkArgument(
        repetitionPenalty > 0 && Double.isFinite(repetitionPenalty),
        "repetitionPenalty must be greater than 0 but was %s",
        repetitionPenalty);
    stopStrings = List.copyOf(stopStrings);
    checkArgument(
        stopStrings.stream().noneMatch(String::isEmpty), "stopStrings must not be empty texts");
    endIds = ImmutableSet.copyOf(endIds);
    checkArgument(batchSize >= 1, "batchSize must be at least 1 but was %s", batchSize);
  }

  /**
   * Starts from the defaults.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Returns the defaults: greedy, at most 256 tokens.
   *
   * @return the options
   */
  public static GenerationOptions greedy() {
    return builder().build();
  }

  /**
   * Reads what a {@code generation_config.json} recommends.
   *
   * @param config the file's content; what it does not say, or says of things that are not here, is
   *     left at the default
   * @return a builder with these values
   * @throws DistillationException if a value is not a number, or out of range
   */
  public static Builder recommended(JsonObject config) {
    Builder builder = builder();
    try {
      boolean sampled = config.has("do_sample") && config.get("do_sample").getAsBoolean();
      if (sampled) {
        builder.temperature(number(config, "temperature", 1));
        builder.topK((int) number(config, "top_k", 50));
        builder.topP(number(config, "top_p", 1));
        builder.minP(number(config, "min_p", 0));
      }
      builder.repetitionPenalty(number(config, "repetition_penalty", 1));
      builder.maxNewTokens(
          (int) number(config, "max_new_tokens", GenerationOptions.greedy().maxNewTokens()));
      return builder.build().toBuilder();
    } catch (IllegalArgumentException | UnsupportedOperationException | IllegalStateException e) {
      throw new DistillationException(
          "generation_config.json must have values in range but has not ("
              + e.getMessage()
              + "); set the options yourself",
          e);
    }
  }

  private static double number(JsonObject config, String name, double otherwise) {
    JsonElement value = config.get(name);
    return value == null || value.isJsonNull() ? otherwise : value.getAsDouble();
  }

  /**
   * Returns a builder with these values.
   *
   * @return a builder
   */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.maxNewTokens = maxNewTokens;
    builder.temperature = temperature;
    builder.topK = topK;
    builder.topP = topP;
    builder.minP = minP;
    builder.repetitionPenalty = repetitionPenalty;
    builder.stopStrings = stopStrings;
    builder.endIds = endIds;
    builder.ignoreEnd = ignoreEnd;
    builder.seed = seed;
    builder.logProbabilities = logProbabilities;
    builder.batchSize = batchSize;
    return builder;
  }

  /** Collects options. */
  public static final class Builder {
    private int maxNewTokens = 256;
    private double temperature;
    private int topK;
    private double topP = 1;
    private double minP;
    private double repetitionPenalty = 1;
    private List<String> stopStrings = List.of();
    private Set<Integer> endIds = ImmutableSet.of();
    private boolean ignoreEnd;
    private long seed;
    private boolean logProbabilities;
    private int batchSize = 64;

    private Builder() {}

    /**
     * Sets the most tokens to write.
     *
     * @param maxNewTokens the number; at least 1; default 256
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder maxNewTokens(int maxNewTokens) {
      this.maxNewTokens = maxNewTokens;
      return this;
    }

    /**
     * Sets what scores are divided by before a token is drawn.
     *
     * @param temperature the temperature; at least 0; default 0, which takes the best token
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder temperature(double temperature) {
      this.temperature = temperature;
      return this;
    }

    /**
     * Sets how many of the best tokens may be drawn.
     *
     * @param topK the number; default 0, which stands for all
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder topK(int topK) {
      this.topK = topK;
      return this;
    }

    /**
     * Sets the mass of the best tokens that may be drawn.
     *
     * @param topP the mass; above 0, at most 1, which is the default
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder topP(double topP) {
      this.topP = topP;
      return this;
    }

    /**
     * Sets the share of the best token's probability below which no token is drawn.
     *
     * @param minP the share; from 0, which is the default, to 1
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder minP(double minP) {
      this.minP = minP;
      return this;
    }

    /**
     * Sets the penalty of tokens that are there already.
     *
     * @param repetitionPenalty the penalty; greater than 0; default 1, which is none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder repetitionPenalty(double repetitionPenalty) {
      this.repetitionPenalty = repetitionPenalty;
      return this;
    }

    /**
     * Sets the texts that end the writing.
     *
     * @param stopStrings the texts; default none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder stopStrings(String... stopStrings) {
      this.stopStrings = List.of(stopStrings);
      return this;
    }

    /**
     * Adds a token that ends the writing, besides the model's own.
     *
     * @param id the token
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder endId(int id) {
      Set<Integer> ids = new LinkedHashSet<>(endIds);
      ids.add(id);
      this.endIds = ids;
      return this;
    }

    /**
     * Sets whether the model's own end tokens do not end the writing.
     *
     * @param ignoreEnd whether to write on; default false
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder ignoreEnd(boolean ignoreEnd) {
      this.ignoreEnd = ignoreEnd;
      return this;
    }

    /**
     * Sets the seed of the draws.
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
     * Sets whether the logarithms of probabilities are kept.
     *
     * @param logProbabilities whether to keep them; default false
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder logProbabilities(boolean logProbabilities) {
      this.logProbabilities = logProbabilities;
      return this;
    }

    /**
     * Sets how many rows are written at once.
     *
     * @param batchSize the number; at least 1; default 64
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder batchSize(int batchSize) {
      this.batchSize = batchSize;
      return this;
    }

    /**
     * Builds the options.
     *
     * @return the options
     * @throws IllegalArgumentException if a value is out of range
     */
    public GenerationOptions build() {
      return new GenerationOptions(
          maxNewTokens,
          temperature,
          topK,
          topP,
          minP,
          repetitionPenalty,
          requireNonNull(stopStrings, "stopStrings"),
          endIds,
          ignoreEnd,
          seed,
          logProbabilities,
          batchSize);
    }
  }
}
