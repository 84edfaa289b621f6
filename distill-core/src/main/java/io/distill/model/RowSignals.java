package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.LengthGroupedSampler;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.LongConsumer;

/**
 * The row signals (logits, embedding) of a model for a whole data set, in host memory.
 *
 * <p>Rows are batched in one fixed order, so the values do not depend on who asks or when.
 */
public final class RowSignals {

  /** The kinds that are one vector a row. */
  public static final Set<SignalKind> KINDS =
      Set.copyOf(EnumSet.of(SignalKind.LOGITS, SignalKind.EMBEDDING));

  /** The number of rows that a batch of the pass holds. */
  public static final int BATCH_SIZE = 32;

  private final Map<SignalKind, float[][]> values;

  private RowSignals(Map<SignalKind, float[][]> values) {
    this.values = values;
  }

  /**
   * Runs a model over all rows.
   *
   * @param source the rows as the model reads them
   * @param device the device on which inputs are made
   * @param model gives the signals of a batch
   * @param kinds which kinds to keep; only row kinds
   * @param rowsDone told after each batch how many rows are done
   * @return the signals
   * @throws DistillationException if the model gives other shapes than {@code [N, D]}, or values
   *     that are not finite; a logit may be {@code -Infinity}, as of a class that is ruled out, if
   *     another one of its row is finite
   */
  public static RowSignals collect(
      BatchSource source,
      Device device,
      BiFunction<Batch, Set<SignalKind>, Signals> model,
      Set<SignalKind> kinds,
      LongConsumer rowsDone) {
    checkArgument(KINDS.containsAll(kinds), "kinds must be among %s but were %s", KINDS, kinds);
    Map<SignalKind, float[][]> values = new EnumMap<>(SignalKind.class);
    kinds.forEach(kind -> values.put(kind, new float[source.size()][]));
    NativeEngine.prepareThread();
    long done = 0;
    for (int[] rows : LengthGroupedSampler.of(source, BATCH_SIZE, 0).inOrder()) {
      try (NDManager manager = NativeEngine.newManager(device)) {
        Signals signals = model.apply(source.batch(manager, rows), kinds);
        values.forEach((kind, table) -> store(kind, of(signals, kind), rows, table));
      }
      done += rows.length;
      rowsDone.accept(done);
    }
    return new RowSignals(values);
  }

  private static NDArray of(Signals signals, SignalKind kind) {
    return kind == SignalKind.LOGITS ? signals.logits() : signals.embedding();
  }

  private static void store(SignalKind kind, NDArray array, int[] rows, float[][] table) {
    Shape shape = array.getShape();
    if (shape.dimension() != 2 || shape.get(0) != rows.length) {
      throw new DistillationException(
          kind
              + " must have shape ("
              + rows.length
              + ", D) but had "
              + shape
              + "; check the model's outputs");
    }
    float[] flat = array.toType(DataType.FLOAT32, false).toFloatArray();
    int width = Math.toIntExact(shape.get(1));
    for (int i = 0; i < rows.length; i++) {
      float[] row = new float[width];
      System.arraycopy(flat, i * width, row, 0, width);
      boolean anyFinite = false;
      for (float value : row) {
        anyFinite |= Float.isFinite(value);
        if (!Float.isFinite(value) && !rulesOut(kind, value)) {
          throw notFinite(kind, rows[i], "has " + value);
        }
      }
      if (!anyFinite) {
        throw notFinite(kind, rows[i], "rules out every class");
      }
      table[rows[i]] = row;
    }
  }

  /** A padded entry of a vocabulary, or a class that cannot be, has no probability. */
  private static boolean rulesOut(SignalKind kind, float value) {
    return kind == SignalKind.LOGITS && value == Float.NEGATIVE_INFINITY;
  }

  private static DistillationException notFinite(SignalKind kind, int row, String what) {
    return new DistillationException(
        kind
            + " must be finite but row "
            + row
            + " "
            + what
            + "; check the model's weights and this row");
  }

  /**
   * Returns one kind for all rows.
   *
   * @param kind the kind
   * @return one vector a row; must not be changed
   * @throws IllegalArgumentException if it was not collected
   */
  public float[][] values(SignalKind kind) {
    float[][] table = values.get(kind);
    if (table == null) {
      throw new IllegalArgumentException(
          "kind must be one of " + values.keySet() + " but was " + kind);
    }
    return table;
  }

  /**
   * Returns the signals of some rows as native arrays.
   *
   * @param manager the owner of the arrays
   * @param rows the rows
   * @return the signals of those rows
   */
  public Signals signals(NDManager manager, int[] rows) {
    Signals.Builder signals = Signals.builder();
    values.forEach(
        (kind, table) -> {
          int width = table[rows[0]].length;
          float[] flat = new float[rows.length * width];
          for (int i = 0; i < rows.length; i++) {
            System.arraycopy(table[rows[i]], 0, flat, i * width, width);
          }
          NDArray array = manager.create(flat, new Shape(rows.length, width));
          if (kind == SignalKind.LOGITS) {
            signals.logits(array);
          } else {
            signals.embedding(array);
          }
        });
    return signals.build();
  }
}
