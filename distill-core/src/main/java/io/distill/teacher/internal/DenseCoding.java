package io.distill.teacher.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Keeps every number of a row, without padding, in four bytes or two. */
final class DenseCoding {

  private final SignalLayout layout;
  private final DataType type;

  DenseCoding(SignalLayout layout) {
    this.layout = layout;
    this.type =
        layout.coding() == SignalLayout.Coding.FLOAT16 ? DataType.FLOAT16 : DataType.FLOAT32;
  }

  /** Returns the records of the rows of a batch. */
  byte[][] encode(List<NDArray> arrays, int rows, @Nullable RowTokens tokens) {
    byte[][] result = new byte[rows][];
    ByteBuffer[] records = new ByteBuffer[rows];
    for (int row = 0; row < rows; row++) {
      long bytes = layout.ragged() ? headBytes(tokens, row) : 0;
      for (List<Integer> shape : layout.shapes()) {
        bytes += SignalLayout.elements(shape, length(tokens, row)) * layout.coding().bytes();
      }
      result[row] = new byte[Math.toIntExact(bytes)];
      records[row] = BlockFile.little(result[row]);
      if (layout.ragged() && tokens != null) {
        tokens.writeHead(row, records[row]);
      }
    }
    for (int i = 0; i < arrays.size(); i++) {
      List<Integer> shape = layout.shapes().get(i);
      ByteBuffer values = bytes(arrays.get(i));
      int width = tokens == null ? 0 : tokens.width();
      int stride = values.remaining() / rows;
      for (int row = 0; row < rows; row++) {
        copy(
            shape,
            length(tokens, row),
            new Cursor(values, row * stride, width),
            new Cursor(records[row], records[row].position(), length(tokens, row)));
        records[row].position(
            records[row].position()
                + Math.toIntExact(
                    SignalLayout.elements(shape, length(tokens, row)) * layout.coding().bytes()));
      }
    }
    return result;
  }

  private static int headBytes(@Nullable RowTokens tokens, int row) {
    return tokens == null ? 0 : tokens.headBytes(row);
  }

  private static int length(@Nullable RowTokens tokens, int row) {
    return tokens == null ? 0 : tokens.length(row);
  }

  /** Returns the values of an array in the type of the layout, and checks that they fit it. */
  private ByteBuffer bytes(NDArray array) {
    float[] values = array.toType(DataType.FLOAT32, false).toFloatArray();
    for (float value : values) {
      if (Float.isNaN(value) || value == Float.POSITIVE_INFINITY) {
        throw new DistillationException(
            "teacher's "
                + layout.kind()
                + " must be finite to be kept but one value was "
                + value
                + "; check its weights and this batch");
      }
    }
    NDArray narrow = array.toType(type, false);
    if (type == DataType.FLOAT16) {
      float[] rounded = narrow.toType(DataType.FLOAT32, false).toFloatArray();
      for (int i = 0; i < values.length; i++) {
        if (Float.isInfinite(rounded[i]) && Float.isFinite(values[i])) {
          throw new DistillationException(
              "teacher's "
                  + layout.kind()
                  + " must lie within ±65504 to be kept with half precision but one value was "
                  + values[i]
                  + "; keep it exactly, in another file");
        }
      }
    }
    return narrow.toByteBuffer().order(ByteOrder.nativeOrder());
  }

  /**
   * Returns the arrays of some rows.
   *
   * @param records positioned after the number of tokens
   * @param width the number of positions of a row
   */
  List<NDArray> decode(
      NDManager manager, ByteBuffer[] records, @Nullable RowTokens tokens, int width) {
    check(records, tokens);
    List<NDArray> arrays = new ArrayList<>();
    for (List<Integer> shape : layout.shapes()) {
      long stride = SignalLayout.elements(shape, width) * layout.coding().bytes();
      long total = Math.multiplyExact(stride, records.length);
      if (total > Integer.MAX_VALUE) {
        throw new DistillationException(
            "an array of a batch must have less than 2 GiB but "
                + layout.kind()
                + " of "
                + records.length
                + " rows has "
                + total
                + " bytes; use a smaller batchSize");
      }
      ByteBuffer values = manager.allocateDirect((int) total);
      for (int row = 0; row < records.length; row++) {
        ByteBuffer record = records[row];
        copy(
            shape,
            length(tokens, row),
            new Cursor(record, record.position(), length(tokens, row)),
            new Cursor(values, (int) (row * stride), width));
        record.position(
            record.position()
                + (int)
                    (SignalLayout.elements(shape, length(tokens, row)) * layout.coding().bytes()));
      }
      values.rewind();
      long[] lengths = new long[shape.size() + 1];
      lengths[0] = records.length;
      for (int i = 0; i < shape.size(); i++) {
        lengths[i + 1] = shape.get(i) == SignalLayout.TOKENS ? width : shape.get(i);
      }
      NDArray array = manager.create(values, new Shape(lengths), type);
      arrays.add(type == DataType.FLOAT32 ? array : array.toType(DataType.FLOAT32, false));
    }
    return arrays;
  }

  private void check(ByteBuffer[] records, @Nullable RowTokens tokens) {
    for (int row = 0; row < records.length; row++) {
      long bytes = 0;
      for (List<Integer> shape : layout.shapes()) {
        bytes =
            Math.addExact(
                bytes,
                Math.multiplyExact(
                    SignalLayout.elements(shape, length(tokens, row)), layout.coding().bytes()));
      }
      if (records[row].remaining() != bytes) {
        throw new IllegalArgumentException(
            "a record of "
                + layout.kind()
                + " must have "
                + bytes
                + " bytes of values but has "
                + records[row].remaining());
      }
    }
  }

  /** A place in a buffer, and how many positions the token axes have there. */
  private record Cursor(ByteBuffer buffer, int offset, int width) {}

  /** Copies one array of one row between widths; what is not copied stays 0. */
  private void copy(List<Integer> shape, int tokens, Cursor from, Cursor to) {
    int bytes = layout.coding().bytes();
    int first = shape.indexOf(SignalLayout.TOKENS);
    if (first < 0) {
      move(from, 0, to, 0, (int) SignalLayout.elements(shape, 0) * bytes);
      return;
    }
    int outer = (int) SignalLayout.elements(shape.subList(0, first), 0);
    List<Integer> rest = shape.subList(first + 1, shape.size());
    if (!rest.contains(SignalLayout.TOKENS)) {
      int inner = (int) SignalLayout.elements(rest, 0) * bytes;
      for (int i = 0; i < outer; i++) {
        move(from, i * from.width() * inner, to, i * to.width() * inner, tokens * inner);
      }
      return;
    }
    // attention: [H, L, L]
    for (int i = 0; i < outer; i++) {
      for (int j = 0; j < tokens; j++) {
        move(
            from,
            (i * from.width() + j) * from.width() * bytes,
            to,
            (i * to.width() + j) * to.width() * bytes,
            tokens * bytes);
      }
    }
  }

  private static void move(Cursor from, int fromOffset, Cursor to, int toOffset, int bytes) {
    to.buffer().put(to.offset() + toOffset, from.buffer(), from.offset() + fromOffset, bytes);
  }
}
