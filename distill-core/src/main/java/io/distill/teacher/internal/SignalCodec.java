package io.distill.teacher.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Turns signals of a batch into the records of its rows and back. */
public final class SignalCodec {

  /** The kinds that can be kept. */
  public static final Set<SignalKind> KINDS =
      Set.of(
          SignalKind.LOGITS,
          SignalKind.EMBEDDING,
          SignalKind.HIDDEN_STATES,
          SignalKind.ATTENTION_SCORES,
          SignalKind.QUERIES,
          SignalKind.KEYS,
          SignalKind.VALUES);

  private static final int MATRIX = 2;
  private static final int SEQUENCE = 3;
  private static final int HEADED = 4;

  private final SignalLayout layout;
  private final DenseCoding dense;
  private final @Nullable TopKCoding topK;

  /** Prepares for a kind of a cache that has a layout for it. */
  public SignalCodec(SignalCache cache, SignalKind kind) {
    this.layout = cache.layout(kind).orElseThrow();
    this.dense = new DenseCoding(layout);
    this.topK =
        layout.coding() == SignalLayout.Coding.TOP_K
            ? new TopKCoding(layout, cache.tables(kind))
            : null;
  }

  /** The records of some rows, and what of them was lost. */
  public record Encoded(List<byte[]> records, List<KeptMass> keptMass) {}

  /** Returns the arrays of a kind. */
  public static List<NDArray> arrays(Signals signals, SignalKind kind) {
    return switch (kind) {
      case LOGITS -> List.of(signals.logits());
      case EMBEDDING -> List.of(signals.embedding());
      default -> signals.layers(kind);
    };
  }

  /**
   * Finds the shape of a kind.
   *
   * @param tokens which positions are tokens; null if nothing says so
   * @param inputWidth the number of positions of the input, -1 if it has none
   * @param half whether numbers are kept in two bytes
   * @param topK how many logits are kept, 0 for all
   */
  public static SignalLayout layout(
      Signals signals,
      SignalKind kind,
      @Nullable RowTokens tokens,
      int inputWidth,
      boolean half,
      int topK) {
    List<List<Integer>> shapes = new ArrayList<>();
    for (NDArray array : arrays(signals, kind)) {
      shapes.add(shape(kind, array.getShape(), tokens == null ? -1 : tokens.width()));
    }
    List<Integer> first = shapes.get(0);
    boolean truncated =
        kind == SignalKind.LOGITS
            && topK > 0
            && !first.isEmpty()
            && first.get(first.size() - 1) > topK;
    SignalLayout.Coding coding =
        truncated
            ? SignalLayout.Coding.TOP_K
            : half ? SignalLayout.Coding.FLOAT16 : SignalLayout.Coding.FLOAT32;
    return new SignalLayout(
        kind,
        coding,
        truncated ? topK : 0,
        shapes,
        Signals.LAYERED.contains(kind) ? signals.layerNames() : List.of(),
        signals.mask().isPresent(),
        tokens != null && tokens.width() == inputWidth);
  }

  private static List<Integer> shape(SignalKind kind, Shape shape, int width) {
    int axes = shape.dimension();
    List<Integer> lengths = new ArrayList<>();
    for (int axis = 1; axis < axes; axis++) {
      boolean ofTokens =
          switch (kind) {
            case LOGITS, HIDDEN_STATES -> axes == SEQUENCE && axis == 1;
            case ATTENTION_SCORES -> axes == HEADED && axis >= MATRIX;
            case QUERIES, KEYS, VALUES -> axes == HEADED && axis == MATRIX;
            default -> false;
          };
      lengths.add(
          ofTokens && shape.get(axis) == width
              ? SignalLayout.TOKENS
              : Math.toIntExact(shape.get(axis)));
    }
    return lengths;
  }

  /**
   * Encodes all rows of a batch.
   *
   * @param tokens which positions are tokens; null if nothing says so
   * @throws DistillationException if the shapes are not those of the layout, or a value cannot be
   *     kept
   */
  public Encoded encode(Signals signals, int rows, @Nullable RowTokens tokens) {
    List<NDArray> arrays = arrays(signals, layout.kind());
    List<List<Integer>> shapes = new ArrayList<>();
    for (NDArray array : arrays) {
      shapes.add(shape(layout.kind(), array.getShape(), tokens == null ? -1 : tokens.width()));
      if (array.getShape().get(0) != rows) {
        throw new DistillationException(
            "teacher's "
                + layout.kind()
                + " must have one entry a row, "
                + rows
                + ", but had shape "
                + array.getShape()
                + "; check its outputs");
      }
    }
    if (!shapes.equals(layout.shapes())) {
      throw new DistillationException(
          "teacher's "
              + layout.kind()
              + " must have the same shape for all rows, "
              + layout.shapes()
              + " ("
              + SignalLayout.TOKENS
              + " for tokens), but had "
              + shapes
              + "; give its Signals a mask, or keep it in another file");
    }
    RowTokens used = layout.ragged() ? tokens : null;
    if (topK != null) {
      return topK.encode(arrays.get(0), rows, used);
    }
    return new Encoded(
        List.of(dense.encode(arrays, rows, used)), Collections.nCopies(rows, KeptMass.NONE));
  }

  /**
   * Decodes some rows into signals.
   *
   * @param inputWidth the number of positions of the input, -1 if it has none
   * @throws IllegalArgumentException if a record cannot be one of this layout
   */
  public void decode(
      Signals.Builder signals, NDManager manager, ByteBuffer[] records, int inputWidth) {
    RowTokens tokens = layout.ragged() ? RowTokens.read(records) : null;
    int width = 0;
    if (tokens != null) {
      width = layout.aligned() && inputWidth >= 0 ? inputWidth : tokens.width();
      if (tokens.width() > width) {
        throw new IllegalArgumentException(
            "a row must have at most as many tokens as the batch, "
                + width
                + ", but has "
                + tokens.width());
      }
      if (layout.masked()) {
        signals.mask(tokens.mask(manager, width));
      }
    }
    List<NDArray> arrays =
        topK != null
            ? List.of(topK.decode(manager, records, tokens, width))
            : dense.decode(manager, records, tokens, width);
    switch (layout.kind()) {
      case LOGITS -> signals.logits(arrays.get(0));
      case EMBEDDING -> signals.embedding(arrays.get(0));
      default -> signals.layers(layout.kind(), arrays).layerNames(layout.layerNames());
    }
  }

  /**
   * Returns how far what was kept of a batch is from what the teacher says of it now; see {@code
   * CacheCheck}.
   */
  public double difference(Signals kept, Signals live, @Nullable RowTokens tokens) {
    RowTokens used = layout.ragged() ? tokens : null;
    List<NDArray> ofKept = arrays(kept, layout.kind());
    List<NDArray> ofLive = arrays(live, layout.kind());
    if (topK != null) {
      return topK.difference(ofKept.get(0), ofLive.get(0), used);
    }
    DenseCoding exact = new DenseCoding(layout.exact());
    int rows = Math.toIntExact(ofLive.get(0).getShape().get(0));
    byte[][] left = exact.encode(ofKept, rows, used);
    byte[][] right = exact.encode(ofLive, rows, used);
    double largest = 0;
    for (int row = 0; row < rows; row++) {
      int head = used == null ? 0 : used.headBytes(row);
      if (left[row].length != right[row].length) {
        return Double.POSITIVE_INFINITY;
      }
      ByteBuffer a = BlockFile.little(left[row]).position(head);
      ByteBuffer b = BlockFile.little(right[row]).position(head);
      while (b.hasRemaining()) {
        double x = a.getFloat();
        double y = b.getFloat();
        if (x != y) {
          largest = Math.max(largest, Math.abs(x - y) / Math.max(1, Math.abs(y)));
        }
      }
    }
    return largest;
  }
}
