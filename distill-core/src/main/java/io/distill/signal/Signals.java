package io.distill.signal;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.exception.DistillationException;
import java.util.Collections;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What a model says about a batch: logits, embedding, hidden states, attention scores, each by its
 * usual name.
 *
 * <p>The arrays belong to the manager of the batch and die with the step; a signal that must live
 * longer is copied.
 */
public final class Signals {

  private final @Nullable NDArray logits;
  private final @Nullable NDArray embedding;
  private final List<NDArray> hiddenStates;
  private final List<NDArray> attentionScores;
  private final @Nullable NDArray mask;

  private Signals(Builder builder) {
    this.logits = builder.logits;
    this.embedding = builder.embedding;
    this.hiddenStates = builder.hiddenStates;
    this.attentionScores = builder.attentionScores;
    this.mask = builder.mask;
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
    if (!hiddenStates.isEmpty()) {
      kinds.add(SignalKind.HIDDEN_STATES);
    }
    if (!attentionScores.isEmpty()) {
      kinds.add(SignalKind.ATTENTION_SCORES);
    }
    return Collections.unmodifiableSet(kinds);
  }

  /**
   * Returns the class scores.
   *
   * @return logits, {@code [N, C]}
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
   * @return hidden states, first layer to last, {@code [N, L, D]} or {@code [N, D]} each
   * @throws DistillationException if the model gave none
   */
  public List<NDArray> hiddenStates() {
    return present(hiddenStates.isEmpty() ? null : hiddenStates, SignalKind.HIDDEN_STATES);
  }

  /**
   * Returns the attention scores of the layers, before the softmax and not masked.
   *
   * @return scores, first layer to last, {@code [N, H, L, L]} each
   * @throws DistillationException if the model gave none
   */
  public List<NDArray> attentionScores() {
    return present(attentionScores.isEmpty() ? null : attentionScores, SignalKind.ATTENTION_SCORES);
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
   * Applies an operation to every array.
   *
   * @param operation what to do, such as moving to a device
   * @return the results under the same names
   */
  public Signals map(UnaryOperator<NDArray> operation) {
    Builder builder = new Builder();
    builder.logits = logits == null ? null : operation.apply(logits);
    builder.embedding = embedding == null ? null : operation.apply(embedding);
    builder.hiddenStates = hiddenStates.stream().map(operation).toList();
    builder.attentionScores = attentionScores.stream().map(operation).toList();
    builder.mask = mask == null ? null : operation.apply(mask);
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
    private List<NDArray> hiddenStates = List.of();
    private List<NDArray> attentionScores = List.of();
    private @Nullable NDArray mask;

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
      this.hiddenStates = List.copyOf(requireNonNull(hiddenStates, "hiddenStates"));
      return this;
    }

    /**
     * Sets the attention scores.
     *
     * @param attentionScores scores before the softmax, first layer to last
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder attentionScores(List<NDArray> attentionScores) {
      this.attentionScores = List.copyOf(requireNonNull(attentionScores, "attentionScores"));
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
     * Builds the signals.
     *
     * @return an immutable set of signals
     */
    public Signals build() {
      return new Signals(this);
    }
  }
}
