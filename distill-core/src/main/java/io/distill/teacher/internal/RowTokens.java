package io.distill.teacher.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * Which positions of the rows of a batch are tokens. What stands after the last token of a row is
 * not kept; a position before it that does not count is.
 */
public final class RowTokens {

  /** Set in the length of a row some of whose positions do not count. */
  private static final int GAPS = 1 << 31;

  private final int width;
  private final int[] lengths;
  private final @Nullable BitSet[] gaps;

  private RowTokens(int width, int[] lengths, @Nullable BitSet[] gaps) {
    this.width = width;
    this.lengths = lengths;
    this.gaps = gaps;
  }

  /** Reads a mask {@code [N, L]}: 0 is padding. */
  public static RowTokens of(NDArray mask) {
    Shape shape = mask.getShape();
    int rows = Math.toIntExact(shape.get(0));
    int width = Math.toIntExact(shape.get(1));
    float[] values = mask.toType(DataType.FLOAT32, false).toFloatArray();
    int[] lengths = new int[rows];
    @Nullable BitSet[] gaps = new @Nullable BitSet[rows];
    for (int row = 0; row < rows; row++) {
      BitSet counted = new BitSet(width);
      for (int i = 0; i < width; i++) {
        counted.set(i, values[row * width + i] != 0);
      }
      lengths[row] = counted.length();
      gaps[row] = counted.cardinality() == counted.length() ? null : counted;
    }
    return new RowTokens(width, lengths, gaps);
  }

  /** Reads the tokens of records whose layout grows with them. */
  static RowTokens read(ByteBuffer[] records) {
    int[] lengths = new int[records.length];
    @Nullable BitSet[] gaps = new @Nullable BitSet[records.length];
    int width = 0;
    for (int row = 0; row < records.length; row++) {
      ByteBuffer record = records[row];
      if (record.remaining() < Integer.BYTES) {
        throw new IllegalArgumentException("a record must start with its number of tokens");
      }
      int word = record.getInt();
      lengths[row] = word & ~GAPS;
      if ((word & GAPS) != 0) {
        int bytes = (int) ((lengths[row] + 7L) / Byte.SIZE);
        if (bytes > record.remaining()) {
          throw new IllegalArgumentException("a record must have a mask for all its tokens");
        }
        gaps[row] = BitSet.valueOf(record.slice(record.position(), bytes));
        record.position(record.position() + bytes);
      }
      width = Math.max(width, lengths[row]);
    }
    return new RowTokens(width, lengths, gaps);
  }

  /** Returns the longest length, or that of the arrays if these came from a mask. */
  public int width() {
    return width;
  }

  /** Returns the number of positions of a row up to its last token. */
  public int length(int row) {
    return lengths[row];
  }

  /** Returns whether every row is tokens, at least one, followed by padding. */
  boolean plain() {
    for (int row = 0; row < lengths.length; row++) {
      if (gaps[row] != null || lengths[row] == 0) {
        return false;
      }
    }
    return true;
  }

  int headBytes(int row) {
    return Integer.BYTES + (gaps[row] == null ? 0 : (lengths[row] + 7) / Byte.SIZE);
  }

  void writeHead(int row, ByteBuffer record) {
    BitSet counted = gaps[row];
    record.putInt(lengths[row] | (counted == null ? 0 : GAPS));
    if (counted != null) {
      byte[] bytes = new byte[(lengths[row] + 7) / Byte.SIZE];
      byte[] set = counted.toByteArray();
      System.arraycopy(set, 0, bytes, 0, set.length);
      record.put(bytes);
    }
  }

  /** Returns these as a mask of so many positions. */
  NDArray mask(NDManager manager, int positions) {
    long[] values = new long[Math.multiplyExact(lengths.length, positions)];
    for (int row = 0; row < lengths.length; row++) {
      BitSet counted = gaps[row];
      for (int i = 0; i < lengths[row]; i++) {
        values[row * positions + i] = counted == null || counted.get(i) ? 1 : 0;
      }
    }
    return manager.create(values, new Shape(lengths.length, positions));
  }
}
