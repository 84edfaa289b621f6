package io.distill.losses;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Arrays;
import java.util.stream.IntStream;

/** Numbers of a shape in host memory, which tests cut and join by rows. */
final class Values {

  private static final long MULTIPLIER = 1664525;
  private static final long INCREMENT = 1013904223;
  private static final long SCATTER = 2654435761L;
  private static final long MASK = (1L << 32) - 1;
  private static final int HALF = 1 << 23;

  private final double[] numbers;
  private final long[] shape;

  Values(float[] numbers, long... shape) {
    this(IntStream.range(0, numbers.length).mapToDouble(i -> numbers[i]).toArray(), shape);
  }

  Values(double[] numbers, long... shape) {
    this.numbers = numbers.clone();
    this.shape = shape.clone();
  }

  /** Draws from {@code -scale} to {@code scale} as golden.py does, to the bit. */
  static Values drawn(long seed, double scale, long... shape) {
    double[] numbers = new double[Math.toIntExact(new Shape(shape).size())];
    long state = (seed * SCATTER) & MASK;
    for (int i = 0; i < numbers.length; i++) {
      state = (state * MULTIPLIER + INCREMENT) & MASK;
      numbers[i] = ((state >> 8) - HALF) / (double) HALF * scale;
    }
    return new Values(numbers, shape);
  }

  static Values zeros(long... shape) {
    return new Values(new double[Math.toIntExact(new Shape(shape).size())], shape);
  }

  double[] doubles() {
    return numbers.clone();
  }

  float[] numbers() {
    float[] rounded = new float[numbers.length];
    for (int i = 0; i < rounded.length; i++) {
      rounded[i] = (float) numbers[i];
    }
    return rounded;
  }

  long[] longs() {
    return Arrays.stream(numbers).mapToLong(number -> (long) number).toArray();
  }

  long[] shape() {
    return shape.clone();
  }

  int rows() {
    return Math.toIntExact(shape[0]);
  }

  Values rows(int... rows) {
    int width = numbers.length / rows();
    double[] picked = new double[rows.length * width];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(numbers, rows[i] * width, picked, i * width, width);
    }
    long[] cut = shape();
    cut[0] = rows.length;
    return new Values(picked, cut);
  }

  Values with(int index, double number) {
    Values changed = new Values(numbers, shape);
    changed.numbers[index] = number;
    return changed;
  }

  Values plus(Values other) {
    double[] sums = doubles();
    for (int i = 0; i < sums.length; i++) {
      sums[i] += other.numbers[i];
    }
    return new Values(sums, shape);
  }

  /** The sign of each number times a size. */
  Values extreme(float size) {
    double[] large = doubles();
    for (int i = 0; i < large.length; i++) {
      large[i] = large[i] < 0 ? -size : size;
    }
    return new Values(large, shape);
  }

  /** {@code hot} once in each run of the last dimension, {@code cold} elsewhere. */
  Values oneHot(float hot, float cold) {
    int width = Math.toIntExact(shape[shape.length - 1]);
    double[] encoded = new double[numbers.length];
    Arrays.fill(encoded, cold);
    for (int start = 0; start < encoded.length; start += width) {
      encoded[start + (start / width) % width] = hot;
    }
    return new Values(encoded, shape);
  }

  NDArray toArray(NDManager manager, DataType type) {
    return type == DataType.FLOAT64
        ? manager.create(numbers, new Shape(shape))
        : manager.create(numbers(), new Shape(shape));
  }

  float largest() {
    double largest = 0;
    for (double number : numbers) {
      largest = Math.max(largest, Math.abs(number));
    }
    return (float) largest;
  }
}
