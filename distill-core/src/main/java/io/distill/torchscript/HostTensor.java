package io.distill.torchscript;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Set;

/**
 * An immutable tensor in host memory: element type, shape, and little-endian row-major bytes.
 *
 * <p>Weights travel in this form between files and modules; it owns no native memory and needs no
 * closing. A tensor can be {@linkplain #mapped mapped} from a file, and can be a view: of another
 * precision ({@link #to}), of some rows, transposed, or of several tensors. The elements of a view
 * are computed while they are read, so {@link #chunks()} of it never hold the whole tensor.
 */
public final class HostTensor {

  /** A buffer has less than 2 GiB; a multiple of every element's size. */
  private static final long PIECE_BYTES = 1L << 30;

  /** The parts of a large copy on the heap: small enough to find room. */
  private static final long HEAP_PIECE_BYTES = 1L << 26;

  /**
   * What DJL copies at once: where memory does not suffice for its copy it ends the process, while
   * a buffer of our own, being larger, is refused before.
   */
  private static final long COPIED_BYTES = 1L << 20;

  private static final Set<DataType> FLOATING =
      Set.of(DataType.FLOAT32, DataType.FLOAT16, DataType.BFLOAT16);

  private final DataType type;
  private final Shape shape;
  private final Elements elements;

  private HostTensor(DataType type, Shape shape, Elements elements) {
    this.type = type;
    this.shape = shape;
    this.elements = elements;
  }

  /**
   * Wraps little-endian bytes without copying.
   *
   * @param type the element type
   * @param shape the shape; every dimension at least 0
   * @param bytes the elements, row-major, from position to limit; must not be changed afterwards
   * @return the tensor
   * @throws IllegalArgumentException if the number of bytes does not fit type and shape
   */
  public static HostTensor of(DataType type, Shape shape, ByteBuffer bytes) {
    requireNonNull(type, "type");
    long expected = Math.multiplyExact(shape.size(), (long) type.getNumOfBytes());
    checkArgument(
        bytes.remaining() == expected,
        "bytes of a %s tensor of shape %s must be %s but were %s",
        type,
        shape,
        expected,
        bytes.remaining());
    return new HostTensor(type, shape, new Elements.Stored(List.of(bytes)));
  }

  /**
   * Maps a part of a file, of any size, into memory: elements are read from the file as they are
   * needed, and the operating system may forget them again.
   *
   * @param type the element type
   * @param shape the shape; every dimension at least 0
   * @param channel the open file; may be closed afterwards
   * @param position where the elements begin
   * @return the tensor; the file must not be changed or made shorter while it is used
   * @throws IOException if the file ends before the elements do, or cannot be mapped
   */
  public static HostTensor mapped(DataType type, Shape shape, FileChannel channel, long position)
      throws IOException {
    long size = Math.multiplyExact(shape.size(), (long) type.getNumOfBytes());
    if (position < 0 || channel.size() < position || channel.size() - position < size) {
      // a mapping beyond the end would end the process
      throw new EOFException(
          "the file must have "
              + size
              + " bytes from byte "
              + position
              + " on but has "
              + channel.size()
              + " in all");
    }
    List<ByteBuffer> pieces = new ArrayList<>();
    for (long start = 0; start < size || pieces.isEmpty(); start += PIECE_BYTES) {
      pieces.add(
          channel.map(
              FileChannel.MapMode.READ_ONLY,
              position + start,
              Math.min(PIECE_BYTES, size - start)));
    }
    return new HostTensor(type, shape, new Elements.Stored(pieces));
  }

  /**
   * Copies float values.
   *
   * @param values the elements, row-major
   * @param shape the shape
   * @return a float32 tensor
   * @throws IllegalArgumentException if the number of values does not fit the shape
   */
  public static HostTensor of(float[] values, long... shape) {
    ByteBuffer buffer =
        ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    buffer.asFloatBuffer().put(values);
    return of(DataType.FLOAT32, new Shape(shape), buffer);
  }

  /**
   * Copies long values.
   *
   * @param values the elements, row-major
   * @param shape the shape
   * @return an int64 tensor
   * @throws IllegalArgumentException if the number of values does not fit the shape
   */
  public static HostTensor of(long[] values, long... shape) {
    ByteBuffer buffer =
        ByteBuffer.allocate(Math.multiplyExact(values.length, Long.BYTES))
            .order(ByteOrder.LITTLE_ENDIAN);
    buffer.asLongBuffer().put(values);
    return of(DataType.INT64, new Shape(shape), buffer);
  }

  /**
   * Copies a native array.
   *
   * @param array the array
   * @return its elements in host memory
   */
  public static HostTensor of(NDArray array) {
    long bytes = Math.multiplyExact(array.size(), (long) array.getDataType().getNumOfBytes());
    if (bytes <= COPIED_BYTES) {
      ByteBuffer source = array.toByteBuffer().order(ByteOrder.nativeOrder());
      return of(array.getDataType(), array.getShape(), source);
    }
    List<ByteBuffer> pieces = new ArrayList<>();
    try (NDArray flat = array.reshape(-1)) {
      for (long start = 0; start < bytes; start += HEAP_PIECE_BYTES) {
        pieces.add(copied(flat, start, Math.min(bytes, start + HEAP_PIECE_BYTES)));
      }
    }
    return new HostTensor(array.getDataType(), array.getShape(), new Elements.Stored(pieces));
  }

  private static ByteBuffer copied(NDArray flat, long start, long end) {
    ByteBuffer piece = ByteBuffer.allocate(Math.toIntExact(end - start));
    for (long from = start; from < end; from += COPIED_BYTES) {
      long to = Math.min(end, from + COPIED_BYTES);
      try (NDArray part = flat.get(elements(flat.getDataType(), from, to))) {
        piece.put(part.toByteBuffer());
      }
    }
    return piece.flip();
  }

  private static NDIndex elements(DataType type, long fromByte, long toByte) {
    int each = type.getNumOfBytes();
    return new NDIndex().addSliceDim(fromByte / each, toByte / each);
  }

  /**
   * Returns the element type.
   *
   * @return the element type
   */
  public DataType type() {
    return type;
  }

  /**
   * Returns the shape.
   *
   * @return the shape
   */
  public Shape shape() {
    return shape;
  }

  /**
   * Returns the number of bytes of the elements.
   *
   * @return elements times bytes of the type
   */
  public long byteCount() {
    return elements.size();
  }

  /**
   * Returns the elements in one buffer: without a copy if they are stored in one piece, and
   * computed anew by each call if this is a view.
   *
   * @return a read-only little-endian view of the elements, row-major
   * @throws IllegalStateException if they are 2 GiB or more; use {@link #chunks()}
   */
  public ByteBuffer bytes() {
    if (elements instanceof Elements.Stored stored && stored.pieces().size() == 1) {
      return stored.pieces().get(0).duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }
    ByteBuffer copy = Elements.buffer(oneBuffer());
    elements.read(0, copy);
    return copy.flip().asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }

  private int oneBuffer() {
    if (byteCount() > Integer.MAX_VALUE - 8) {
      throw new IllegalStateException(
          "tensor must have less than 2 GiB to be one buffer but "
              + this
              + " has "
              + byteCount()
              + " bytes; take it in chunks()");
    }
    return (int) byteCount();
  }

  /**
   * Returns the elements in order, a few hundred kilobytes at a time.
   *
   * @return read-only little-endian buffers of whole elements; each is good until the next is taken
   */
  public Iterable<ByteBuffer> chunks() {
    return () ->
        new Iterator<>() {
          private final ByteBuffer chunk =
              Elements.buffer((int) Math.min(byteCount(), Elements.CHUNK_BYTES));
          private long position;

          @Override
          public boolean hasNext() {
            return position < byteCount();
          }

          @Override
          public ByteBuffer next() {
            if (!hasNext()) {
              throw new NoSuchElementException();
            }
            chunk.clear().limit((int) Math.min(chunk.capacity(), byteCount() - position));
            elements.read(position, chunk);
            position += chunk.limit();
            return chunk.flip().asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
          }
        };
  }

  /**
   * Returns this tensor in another floating point precision, rounded to nearest, ties to even; what
   * is too large for float16 becomes infinite.
   *
   * @param wanted float32, float16 or bfloat16
   * @return a view; this tensor itself if it has that type
   * @throws IllegalArgumentException if this or the wanted type is another
   */
  public HostTensor to(DataType wanted) {
    if (wanted == type) {
      return this;
    }
    checkArgument(
        FLOATING.contains(type) && FLOATING.contains(wanted),
        "tensor must be of float32, float16 or bfloat16 to become another of these but was %s and"
            + " should become %s",
        type,
        wanted);
    return new HostTensor(wanted, shape, new Elements.Converted(elements, type, wanted));
  }

  /**
   * Returns some rows: indexes of the first dimension.
   *
   * @param from the first row
   * @param to the row after the last one
   * @return a view
   * @throws IllegalArgumentException if there are no such rows
   */
  public HostTensor rows(long from, long to) {
    checkArgument(shape.dimension() > 0, "tensor must have rows but %s has none", this);
    checkArgument(
        from >= 0 && from <= to && to <= shape.get(0),
        "rows must be within %s but were %s to %s",
        shape,
        from,
        to);
    long[] sizes = shape.getShape().clone();
    sizes[0] = to - from;
    Shape part = new Shape(sizes);
    long rowBytes = shape.get(0) == 0 ? 0 : byteCount() / shape.get(0);
    return new HostTensor(
        type, part, new Elements.Part(elements, from * rowBytes, (to - from) * rowBytes));
  }

  /**
   * Returns a matrix with rows and columns exchanged.
   *
   * @return a view of shape [columns, rows]
   * @throws IllegalArgumentException if this is no matrix
   */
  public HostTensor transposed() {
    checkArgument(shape.dimension() == 2, "tensor must be a matrix but was %s", this);
    return new HostTensor(
        type,
        new Shape(shape.get(1), shape.get(0)),
        new Elements.Transposed(elements, shape.get(0), shape.get(1), type.getNumOfBytes()));
  }

  /**
   * Puts the rows of several tensors under each other.
   *
   * @param tensors at least one, of the same type and the same shape but for the number of rows
   * @return a view
   * @throws IllegalArgumentException if types or shapes differ
   */
  public static HostTensor concatenated(List<HostTensor> tensors) {
    checkArgument(!tensors.isEmpty(), "tensors to concatenate must be at least one but were none");
    HostTensor first = tensors.get(0);
    checkArgument(first.shape.dimension() > 0, "tensor must have rows but %s has none", first);
    long rows = 0;
    for (HostTensor each : tensors) {
      checkArgument(
          each.type == first.type
              && each.shape.dimension() == first.shape.dimension()
              && each.shape.slice(1).equals(first.shape.slice(1)),
          "tensors to concatenate must have the same type and rows but were %s and %s",
          first,
          each);
      rows = Math.addExact(rows, each.shape.get(0));
    }
    long[] sizes = first.shape.getShape().clone();
    sizes[0] = rows;
    return new HostTensor(
        first.type,
        new Shape(sizes),
        new Elements.Joined(tensors.stream().map(each -> each.elements).toList()));
  }

  /**
   * Copies the elements of a float32 tensor.
   *
   * @return the elements, row-major
   * @throws IllegalStateException if the type is not float32, or an array cannot hold that many
   */
  public float[] toFloatArray() {
    if (type != DataType.FLOAT32) {
      throw new IllegalStateException("tensor must be float32 but was " + type);
    }
    if (shape.size() > Integer.MAX_VALUE - 8) {
      throw new IllegalStateException(
          "tensor must have less than 2^31 elements to be an array but was " + this);
    }
    float[] values = new float[(int) shape.size()];
    int position = 0;
    for (ByteBuffer chunk : chunks()) {
      int count = chunk.remaining() / Float.BYTES;
      chunk.asFloatBuffer().get(values, position, count);
      position += count;
    }
    return values;
  }

  /**
   * Copies the tensor into native memory.
   *
   * @param manager the owner of the copy
   * @return a native array, attached to {@code manager}
   * @throws IllegalStateException if the type is bfloat16, of which DJL makes no arrays
   */
  public NDArray toArray(NDManager manager) {
    if (type == DataType.BFLOAT16) {
      // DJL would end the process
      throw new IllegalStateException(
          "tensor must not be bfloat16 to become a native array but was "
              + this
              + "; take it to(DataType.FLOAT32) first");
    }
    if (byteCount() <= PIECE_BYTES) {
      return toArray(manager, shape, 0, (int) byteCount());
    }
    NDArray array = manager.create(shape, type);
    copyPieces(array);
    return array;
  }

  /**
   * Copies the elements into a native array.
   *
   * @param target the array, of this type and shape
   * @throws IllegalStateException as {@link #toArray}
   */
  public void copyTo(NDArray target) {
    if (byteCount() > PIECE_BYTES) {
      copyPieces(target);
      return;
    }
    try (NDArray copy = toArray(target.getManager())) {
      copy.copyTo(target);
    }
  }

  /** DJL takes no more than 2 GiB at once. */
  private void copyPieces(NDArray target) {
    try (NDArray flat = target.reshape(-1)) {
      for (long start = 0; start < byteCount(); start += PIECE_BYTES) {
        int bytes = (int) Math.min(PIECE_BYTES, byteCount() - start);
        Shape part = new Shape(bytes / type.getNumOfBytes());
        try (NDArray piece = toArray(target.getManager(), part, start, bytes)) {
          flat.set(elements(type, start, start + bytes), piece);
        }
      }
    }
  }

  private NDArray toArray(NDManager manager, Shape part, long start, int bytes) {
    ByteBuffer direct = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    elements.read(start, direct);
    NDArray array = manager.create(part, type);
    array.set(direct.rewind());
    return array;
  }

  @Override
  public String toString() {
    return "HostTensor[" + type + ", " + shape + "]";
  }
}
