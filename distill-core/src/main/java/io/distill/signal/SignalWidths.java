package io.distill.signal;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * The widths of a model's signals: what a loss needs to know to size its projectors.
 *
 * @param classes the number of classes {@code C}; empty if there are no logits
 * @param embedding the width {@code D} of the embedding; empty if there is none
 * @param hiddenStates the width of each layer's hidden states; empty if there are none
 * @param attentionHeads the number of heads of each layer; empty if there are no attention scores
 */
public record SignalWidths(
    OptionalInt classes,
    OptionalInt embedding,
    List<Integer> hiddenStates,
    List<Integer> attentionHeads) {

  /**
   * Copies the lists.
   *
   * @param classes the number of classes {@code C}; empty if there are no logits
   * @param embedding the width {@code D} of the embedding; empty if there is none
   * @param hiddenStates the width of each layer's hidden states; empty if there are none
   * @param attentionHeads the number of heads of each layer; empty if there are no attention scores
   */
  public SignalWidths {
    requireNonNull(classes, "classes");
    requireNonNull(embedding, "embedding");
    hiddenStates = List.copyOf(hiddenStates);
    attentionHeads = List.copyOf(attentionHeads);
  }

  /**
   * Counts the layers that a layer mapping can name.
   *
   * @return the number of hidden states, or of attention scores if there are no hidden states
   */
  public int layers() {
    return hiddenStates.isEmpty() ? attentionHeads.size() : hiddenStates.size();
  }

  /**
   * Reads the widths off signals.
   *
   * @param signals the signals of any batch
   * @return their widths
   */
  public static SignalWidths of(Signals signals) {
    return new SignalWidths(
        width(signals.kinds().contains(SignalKind.LOGITS) ? signals.logits() : null),
        width(signals.kinds().contains(SignalKind.EMBEDDING) ? signals.embedding() : null),
        signals.kinds().contains(SignalKind.HIDDEN_STATES)
            ? signals.hiddenStates().stream().map(SignalWidths::lastDimension).toList()
            : List.of(),
        signals.kinds().contains(SignalKind.ATTENTION_SCORES)
            ? signals.attentionScores().stream()
                .map(scores -> Math.toIntExact(scores.getShape().get(1)))
                .toList()
            : List.of());
  }

  private static OptionalInt width(@Nullable NDArray array) {
    return array == null ? OptionalInt.empty() : OptionalInt.of(lastDimension(array));
  }

  private static int lastDimension(NDArray array) {
    long[] shape = array.getShape().getShape();
    return Math.toIntExact(shape[shape.length - 1]);
  }
}
