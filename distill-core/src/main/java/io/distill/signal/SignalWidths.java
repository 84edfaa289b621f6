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
 * @param hiddenStates the width of each layer's hidden states, of convolutional ones the number of
 *     channels; empty if there are none
 * @param attentionHeads the number of heads of each layer; empty if there are no attention scores,
 *     queries, keys or values
 * @param layerNames the names of the layers, first to last
 */
public record SignalWidths(
    OptionalInt classes,
    OptionalInt embedding,
    List<Integer> hiddenStates,
    List<Integer> attentionHeads,
    List<String> layerNames) {

  private static final int CONVOLUTIONAL = 4;
  private static final List<SignalKind> HEADED =
      List.of(SignalKind.ATTENTION_SCORES, SignalKind.QUERIES, SignalKind.KEYS, SignalKind.VALUES);

  /**
   * Copies the lists.
   *
   * @param classes the number of classes {@code C}; empty if there are no logits
   * @param embedding the width {@code D} of the embedding; empty if there is none
   * @param hiddenStates the width of each layer's hidden states, of convolutional ones the number
   *     of channels; empty if there are none
   * @param attentionHeads the number of heads of each layer; empty if there are no attention
   *     scores, queries, keys or values
   * @param layerNames the names of the layers, first to last
   */
  public SignalWidths {
    requireNonNull(classes, "classes");
    requireNonNull(embedding, "embedding");
    hiddenStates = List.copyOf(hiddenStates);
    attentionHeads = List.copyOf(attentionHeads);
    layerNames = List.copyOf(layerNames);
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
            ? signals.hiddenStates().stream().map(SignalWidths::channels).toList()
            : List.of(),
        heads(signals),
        signals.layerNames());
  }

  private static List<Integer> heads(Signals signals) {
    for (SignalKind kind : HEADED) {
      if (signals.kinds().contains(kind)) {
        return signals.layers(kind).stream()
            .map(array -> Math.toIntExact(array.getShape().get(1)))
            .toList();
      }
    }
    return List.of();
  }

  private static int channels(NDArray array) {
    return array.getShape().dimension() == CONVOLUTIONAL
        ? Math.toIntExact(array.getShape().get(1))
        : lastDimension(array);
  }

  private static OptionalInt width(@Nullable NDArray array) {
    return array == null ? OptionalInt.empty() : OptionalInt.of(lastDimension(array));
  }

  private static int lastDimension(NDArray array) {
    long[] shape = array.getShape().getShape();
    return Math.toIntExact(shape[shape.length - 1]);
  }
}
