package io.distill.torchscript;

import ai.djl.ndarray.types.DataType;
import ai.djl.util.Float16Utils;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/**
 * The elements of a tensor as little-endian bytes that are read piece by piece: in memory, mapped
 * from a file, or computed from others only while they are read. Immutable and thread-safe.
 */
abstract class Elements {

  /** A multiple of every element's size, and small enough for processor caches. */
  static final int CHUNK_BYTES = 1 << 18;

  /** Returns the number of bytes. */
  abstract long size();

  /**
   * Fills a buffer.
   *
   * @param from the first byte to read; the start of an element
   * @param target takes whole elements until it is full; little-endian
   */
  abstract void read(long from, ByteBuffer target);

  static ByteBuffer buffer(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Bytes that are there, in pieces of equal size but for the last. */
  static final class Stored extends Elements {

    private final List<ByteBuffer> pieces;
    private final long size;

    Stored(List<ByteBuffer> pieces) {
      this.pieces =
          pieces.stream()
              .map(piece -> piece.slice().asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN))
              .toList();
      this.size = pieces.stream().mapToLong(ByteBuffer::remaining).sum();
    }

    @Override
    long size() {
      return size;
    }

    List<ByteBuffer> pieces() {
      return pieces;
    }

    @Override
    void read(long from, ByteBuffer target) {
      long position = from;
      while (target.hasRemaining()) {
        int pieceBytes = pieces.get(0).limit();
        ByteBuffer piece = pieces.get((int) (position / pieceBytes));
        int start = (int) (position % pieceBytes);
        int count = Math.min(target.remaining(), piece.limit() - start);
        target.put(piece.slice(start, count));
        position += count;
      }
    }
  }

  /** Floating point numbers of another precision, rounded to nearest, ties to even. */
  static final class Converted extends Elements {

    private final Elements source;
    private final DataType from;
    private final DataType to;

    Converted(Elements source, DataType from, DataType to) {
      this.source = source;
      this.from = from;
      this.to = to;
    }

    @Override
    long size() {
      return source.size() / from.getNumOfBytes() * to.getNumOfBytes();
    }

    @Override
    void read(long start, ByteBuffer target) {
      int step = CHUNK_BYTES / Long.BYTES;
      long position = start / to.getNumOfBytes() * from.getNumOfBytes();
      int left = target.remaining() / to.getNumOfBytes();
      ByteBuffer numbers = buffer(Math.min(left, step) * from.getNumOfBytes());
      while (left > 0) {
        int count = Math.min(left, step);
        numbers.clear().limit(count * from.getNumOfBytes());
        source.read(position, numbers);
        convert(numbers.flip(), target, count);
        position += numbers.limit();
        left -= count;
      }
    }

    private void convert(ByteBuffer numbers, ByteBuffer target, int count) {
      for (int i = 0; i < count; i++) {
        float value =
            switch (from) {
              case FLOAT32 -> numbers.getFloat();
              case FLOAT16 -> Float16Utils.halfToFloat(numbers.getShort());
              case BFLOAT16 -> Float.intBitsToFloat(numbers.getShort() << 16);
              default -> throw new IllegalStateException("no conversion from " + from);
            };
        switch (to) {
          case FLOAT32 -> target.putFloat(value);
          case FLOAT16 -> target.putShort(float16(value));
          case BFLOAT16 -> target.putShort(bfloat16(value));
          default -> throw new IllegalStateException("no conversion to " + to);
        }
      }
    }
  }

  /** Rounds to a sign, 5 bits of exponent and 10 of fraction. */
  static short float16(float value) {
    int bits = Float.floatToRawIntBits(value);
    int sign = bits >>> 16 & 0x8000;
    int magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      return (short) (sign | 0x7e00);
    }
    if (magnitude >= 0x477ff000) {
      // 65520 and above round to infinity
      return (short) (sign | 0x7c00);
    }
    if (magnitude < 0x38800000) {
      // below 2^-14: a multiple of 2^-24, which adding 0.5 rounds to
      float shifted = Float.intBitsToFloat(magnitude) + 0.5f;
      return (short) (sign | (Float.floatToRawIntBits(shifted) - 0x3f000000));
    }
    int odd = magnitude >>> 13 & 1;
    return (short) (sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13));
  }

  /** Rounds to the upper half of a float32. */
  static short bfloat16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) (bits >>> 16 | 0x40);
    }
    return (short) ((bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
  }

  /** A part of others. */
  static final class Part extends Elements {

    private final Elements source;
    private final long offset;
    private final long size;

    Part(Elements source, long offset, long size) {
      this.source = source;
      this.offset = offset;
      this.size = size;
    }

    @Override
    long size() {
      return size;
    }

    @Override
    void read(long from, ByteBuffer target) {
      source.read(offset + from, target);
    }
  }

  /** Others, one after another. */
  static final class Joined extends Elements {

    private final List<Elements> parts;

    Joined(List<Elements> parts) {
      this.parts = List.copyOf(parts);
    }

    @Override
    long size() {
      return parts.stream().mapToLong(Elements::size).sum();
    }

    @Override
    void read(long from, ByteBuffer target) {
      long start = 0;
      int limit = target.limit();
      for (Elements part : parts) {
        long position = Math.max(0, from - start);
        if (position < part.size() && target.position() < limit) {
          int count = (int) Math.min(limit - target.position(), part.size() - position);
          target.limit(target.position() + count);
          part.read(position, target);
          target.limit(limit);
        }
        start += part.size();
      }
    }
  }

  /** A matrix with rows and columns exchanged. */
  static final class Transposed extends Elements {

    private final Elements source;
    private final long rows;
    private final long columns;
    private final int width;

    /**
     * Exchanges rows and columns.
     *
     * @param source a matrix
     * @param rows its rows
     * @param columns its columns
     * @param width the bytes of an element
     */
    Transposed(Elements source, long rows, long columns, int width) {
      this.source = source;
      this.rows = rows;
      this.columns = columns;
      this.width = width;
    }

    @Override
    long size() {
      return source.size();
    }

    @Override
    void read(long from, ByteBuffer target) {
      long next = from / width;
      long end = next + target.remaining() / width;
      int start = target.position();
      // the columns that are wanted, whole rows of them at once
      long firstColumn = next / rows;
      int span = (int) ((end - 1) / rows - firstColumn + 1);
      if (target.hasRemaining()) {
        byte[] bytes = new byte[span * width];
        ByteBuffer line = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (long row = 0; row < rows; row++) {
          source.read((row * columns + firstColumn) * width, line.clear());
          for (int column = 0; column < span; column++) {
            long index = (firstColumn + column) * rows + row;
            if (index >= next && index < end) {
              target.put(start + (int) (index - next) * width, bytes, column * width, width);
            }
          }
        }
        target.position(target.limit());
      }
    }
  }
}
