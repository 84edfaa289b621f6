package io.distill.signal;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import com.google.common.collect.Sets;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.exception.DistillationException;
import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What a model says about a batch: logits, embedding, hidden states, attention scores and more,
 * each by its usual name.
 *
 * <p>The arrays belong to the manager of the batch and die with the step; a signal that must live
 * longer is copied.
 */
public final class Signals {

  /** The kinds that come one a layer. */
  public static final Set<SignalKind> LAYERED =
      Sets.immutableEnumSet(
          SignalKind.HIDDEN_STATES,
          SignalKind.ATTENTION_SCORES,
          SignalKind.QUERIES,
          SignalKind.KEYS,
          SignalKind.VALUES);

  private final @Nullable NDArray logits;
  private final @Nullable NDArray embedding;
  private final Map<SignalKind, List<NDArray>> layers;
  private final @Nullable LogitFactors logitFactors;
  private final @Nullable NDArray mask;
  private final @Nullable NDArray texts;
  private final List<String> layerNames;

  private Signals(Builder builder) {
    this.logits = builder.logits;
    this.embedding = builder.embedding;
    this.layers = new EnumMap<>(builder.layers);
    this.logitFactors = builder.logitFactors;
    this.mask = builder.mask;
    this.texts = builder.texts;
    this.layerNames = builder.layerNames;
  }

  /**
   * Starts a set of signals.
   *
   * @return a builder with nothing in it
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Returns an empty set of signals.
   *
   * @return signals without any kind
   */
  public static Signals none() {
    return new Builder().build();
  }

  /**
   * Returns the kinds that are present.
   *
   * @return an unmodifiable set
   */
  public Set<SignalKind> kinds() {
    Set<SignalKind> kinds = EnumSet.noneOf(SignalKind.class);
    if (logits != null) {
      kinds.add(SignalKind.LOGITS);
    }
    if (embedding != null) {
      kinds.add(SignalKind.EMBEDDING);
    }
    kinds.addAll(layers.keySet());
    if (logitFactors != null) {
      kinds.add(SignalKind.LOGIT_FACTORS);
    }
    return Collections.unmodifiableSet(kinds);
  }

  /**
   * Returns the class scores.
   *
   * @return logits, {@code [N, C]}, or {@code [N, L, V]} of a language model
   * @throws DistillationException if the model gave none
   */
  public NDArray logits() {
    return present(logits, SignalKind.LOGITS);
  }

  /**
   * Returns the representation of each row.
   *
   * @return the embedding, {@code [N, D]}
   * @throws DistillationException if the model gave none
   */
  public NDArray embedding() {
    return present(embedding, SignalKind.EMBEDDING);
  }

  /**
   * Returns the outputs of the layers.
   *
   * @return hidden states, first layer to last, {@code [N, L, D]}, {@code [N, D]} or {@code [N, C,
   *     H, W]} each
   * @throws DistillationException if the model gave none
   */
  public List<NDArray> hiddenStates() {
    return layers(SignalKind.HIDDEN_STATES);
  }

  /**
   * Returns the attention scores of the layers, before the softmax.
   *
   * @return scores, first layer to last, {@code [N, H, L, L]} each; of padding anything, and of a
   *     key that a causal model hides a number as low as -1e9
   * @throws DistillationException if the model gave none
   */
  public List<NDArray> attentionScores() {
    return layers(SignalKind.ATTENTION_SCORES);
  }

  /**
   * Returns the queries of self-attention.
   *
   * @return queries, first layer to last, {@code [N, H, L, D / H]} each
   * @throws DistillationException if the model gave none
   */
  public List<NDArray> queries() {
    return layers(SignalKind.QUERIES);
  }

  /**
   * Returns the keys of self-attention.
   *
   * @return keys, first layer to last, {@code [N, H, L, D / H]} each
   * @throws DistillationException if the model gave none
   */
  public List<NDArray> keys() {
    return layers(SignalKind.KEYS);
  }

  /**
   * Returns the values of self-attention.
   *
   * @return values, first layer to last, {@code [N, H, L, D / H]} each
   * @throws DistillationException if the model gave none
   */
  public List<NDArray> values() {
    return layers(SignalKind.VALUES);
  }

  /**
   * Returns the signals that come one a layer.
   *
   * @param kind hidden states, attention scores, queries, keys or values
   * @return the arrays, first layer to last
   * @throws DistillationException if the model gave none
   */
  public List<NDArray> layers(SignalKind kind) {
    return present(layers.get(requireNonNull(kind, "kind")), kind);
  }

  /**
   * Returns the number of layers that a layer mapping can name.
   *
   * @return the number of hidden states, or else of attention scores, queries, keys or values; 0 if
   *     there is none of them
   */
  public int layerCount() {
    return layers.isEmpty() ? 0 : layers.values().iterator().next().size();
  }

  /**
   * Returns the names of the layers that a layer mapping can name.
   *
   * @return one name a layer; their numbers, counted from 0, if the model did not name them
   */
  public List<String> layerNames() {
    int count = layerCount();
    return layerNames.size() == count
        ? layerNames
        : IntStream.range(0, count).mapToObj(Integer::toString).toList();
  }

  /**
   * Returns the logits of a language model as two factors.
   *
   * @return last hidden states and output embedding
   * @throws DistillationException if the model gave none
   */
  public LogitFactors logitFactors() {
    return present(logitFactors, SignalKind.LOGIT_FACTORS);
  }

  /**
   * Returns which tokens are real.
   *
   * @return 1 for a token and 0 for padding, {@code [N, L]}; empty for models without tokens
   */
  public Optional<NDArray> mask() {
    return Optional.ofNullable(mask);
  }

  /**
   * Returns which text each token is of, as a causal language model says that reads rows of several
   * texts: a token sees the tokens before it of its own text.
   *
   * @return the number of the text, counted from 1 in each row, and 0 for padding, {@code [N, L]};
   *     empty for other models
   */
  public Optional<NDArray> texts() {
    return Optional.ofNullable(texts);
  }

  /**
   * Returns a builder that starts with these signals.
   *
   * @return a builder, to change some of them
   */
  public Builder toBuilder() {
    Builder builder = new Builder();
    builder.logits = logits;
    builder.embedding = embedding;
    builder.layers.putAll(layers);
    builder.logitFactors = logitFactors;
    builder.mask = mask;
    builder.texts = texts;
    builder.layerNames = layerNames;
    return builder;
  }

  /**
   * Applies an operation to every array.
   *
   * @param operation what to do, such as moving to a device
   * @return the results under the same names
   */
  public Signals map(UnaryOperator<NDArray> operation) {
    Builder builder = new Builder();
    builder.logits = logits == null ? null : operation.apply(logits);
    builder.embedding = embedding == null ? null : operation.apply(embedding);
    layers.forEach(
        (kind, arrays) -> builder.layers.put(kind, arrays.stream().map(operation).toList()));
    builder.logitFactors = logitFactors == null ? null : logitFactors.map(operation);
    builder.mask = mask == null ? null : operation.apply(mask);
    builder.texts = texts == null ? null : operation.apply(texts);
    builder.layerNames = layerNames;
    return builder.build();
  }

  private <T> T present(@Nullable T value, SignalKind kind) {
    if (value == null) {
      throw new DistillationException(
          "signal "
              + kind
              + " must be present but the model gave "
              + kinds()
              + "; ask for it in DistillationLoss.requires()");
    }
    return value;
  }

  @Override
  public String toString() {
    return "Signals" + kinds();
  }

  /** Collects {@link Signals}. */
  public static final class Builder {
    private @Nullable NDArray logits;
    private @Nullable NDArray embedding;
    private final Map<SignalKind, List<NDArray>> layers = new EnumMap<>(SignalKind.class);
    private @Nullable LogitFactors logitFactors;
    private @Nullable NDArray mask;
    private @Nullable NDArray texts;
    private List<String> layerNames = List.of();

    private Builder() {}

    /**
     * Sets the class scores.
     *
     * @param logits logits, {@code [N, C]}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder logits(NDArray logits) {
      this.logits = requireNonNull(logits, "logits");
      return this;
    }

    /**
     * Sets the representation of each row.
     *
     * @param embedding the embedding, {@code [N, D]}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder embedding(NDArray embedding) {
      this.embedding = requireNonNull(embedding, "embedding");
      return this;
    }

    /**
     * Sets the outputs of the layers.
     *
     * @param hiddenStates hidden states, first layer to last
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder hiddenStates(List<NDArray> hiddenStates) {
      return layers(SignalKind.HIDDEN_STATES, requireNonNull(hiddenStates, "hiddenStates"));
    }

    /**
     * Sets the attention scores.
     *
     * @param attentionScores scores before the softmax, first layer to last
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder attentionScores(List<NDArray> attentionScores) {
      return layers(
          SignalKind.ATTENTION_SCORES, requireNonNull(attentionScores, "attentionScores"));
    }

    /**
     * Sets signals that come one a layer.
     *
     * @param kind hidden states, attention scores, queries, keys or values
     * @param arrays the arrays, first layer to last; none removes the kind
     * @return this builder
     * @throws IllegalArgumentException if the kind is one array and not one a layer
     */
    @CanIgnoreReturnValue
    public Builder layers(SignalKind kind, List<NDArray> arrays) {
      checkArgument(
          LAYERED.contains(requireNonNull(kind, "kind")),
          "kind must be one of %s but was %s",
          LAYERED,
          kind);
      if (requireNonNull(arrays, "arrays").isEmpty()) {
        layers.remove(kind);
      } else {
        layers.put(kind, List.copyOf(arrays));
      }
      return this;
    }

    /**
     * Sets the logits of a language model as two factors.
     *
     * @param logitFactors last hidden states and output embedding
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder logitFactors(LogitFactors logitFactors) {
      this.logitFactors = requireNonNull(logitFactors, "logitFactors");
      return this;
    }

    /**
     * Sets which tokens are real.
     *
     * @param mask 1 for a token and 0 for padding, {@code [N, L]}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder mask(NDArray mask) {
      this.mask = requireNonNull(mask, "mask");
      return this;
    }

    /**
     * Sets which text each token is of, for a causal language model.
     *
     * @param texts the number of the text, counted from 1 in each row, and 0 for padding, {@code
     *     [N, L]}
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder texts(NDArray texts) {
      this.texts = requireNonNull(texts, "texts");
      return this;
    }

    /**
     * Names the layers, so that a layer mapping can.
     *
     * @param layerNames one name a layer, first to last; default their numbers
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder layerNames(List<String> layerNames) {
      this.layerNames = List.copyOf(requireNonNull(layerNames, "layerNames"));
      return this;
    }

    /**
     * Builds the signals.
     *
     * @return an immutable set of signals
     */
    public Signals build() {
      return new Signals(this);
    }
  }
}
