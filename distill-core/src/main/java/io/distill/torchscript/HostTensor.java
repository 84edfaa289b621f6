package io.distill.torchscript;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * An immutable tensor in host memory: element type, shape, and little-endian row-major bytes.
 *
 * <p>Weights travel in this form between files and modules; it owns no native memory and needs no
 * closing.
 */
public final class HostTensor {

  private final DataType type;
  private final Shape shape;
  private final ByteBuffer bytes;

  private HostTensor(DataType type, Shape shape, ByteBuffer bytes) {
    this.type = type;
    this.shape = shape;
    this.bytes = bytes;
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
    return new HostTensor(
        type, shape, bytes.slice().asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN));
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
    ByteBuffer source = array.toByteBuffer().order(ByteOrder.nativeOrder());
    return of(array.getDataType(), array.getShape(), source);
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
   * Returns the elements.
   *
   * @return a read-only little-endian view of the elements, row-major
   */
  public ByteBuffer bytes() {
    return bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Copies the elements of a float32 tensor.
   *
   * @return the elements, row-major
   * @throws IllegalStateException if the type is not float32
   */
  public float[] toFloatArray() {
    if (type != DataType.FLOAT32) {
      throw new IllegalStateException("tensor must be float32 but was " + type);
    }
    float[] values = new float[Math.toIntExact(shape.size())];
    bytes().asFloatBuffer().get(values);
    return values;
  }

  /**
   * Copies the tensor into native memory.
   *
   * @param manager the owner of the copy
   * @return a native array, attached to {@code manager}
   */
  public NDArray toArray(NDManager manager) {
    NDArray array = manager.create(shape, type);
    ByteBuffer direct =
        ByteBuffer.allocateDirect(bytes.remaining()).order(ByteOrder.LITTLE_ENDIAN).put(bytes());
    array.set(direct.rewind());
    return array;
  }

  @Override
  public String toString() {
    return "HostTensor[" + type + ", " + shape + "]";
  }
}
