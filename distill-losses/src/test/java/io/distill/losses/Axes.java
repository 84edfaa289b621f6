package io.distill.losses;

import java.util.function.IntUnaryOperator;

/** Cuts and reorders {@link Values} along a dimension. */
final class Axes {

  private Axes() {}

  /** Keeps the first entries of a dimension. */
  static Values first(Values values, int axis, int count) {
    return pick(values, axis, count, i -> i);
  }

  /** Keeps entries of a dimension: the entry {@code i} of the result is {@code from(i)}. */
  static Values pick(Values values, int axis, int count, IntUnaryOperator from) {
    long[] shape = values.shape();
    int inner = 1;
    for (int i = axis + 1; i < shape.length; i++) {
      inner *= (int) shape[i];
    }
    int size = (int) shape[axis];
    double[] numbers = values.doubles();
    int outer = numbers.length / (inner * size);
    double[] picked = new double[outer * count * inner];
    for (int o = 0; o < outer; o++) {
      for (int i = 0; i < count; i++) {
        System.arraycopy(
            numbers,
            (o * size + from.applyAsInt(i)) * inner,
            picked,
            (o * count + i) * inner,
            inner);
      }
    }
    shape[axis] = count;
    return new Values(picked, shape);
  }

  static Values times(Values values, double factor) {
    double[] scaled = values.doubles();
    for (int i = 0; i < scaled.length; i++) {
      scaled[i] *= factor;
    }
    return new Values(scaled, values.shape());
  }
}
