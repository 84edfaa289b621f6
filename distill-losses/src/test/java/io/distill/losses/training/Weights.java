package io.distill.losses.training;

import io.distill.torchscript.HostTensor;
import java.util.SplittableRandom;

/** Draws initial weights. */
final class Weights {

  private final SplittableRandom random;

  Weights(long seed) {
    random = new SplittableRandom(seed);
  }

  /** Draws so that inputs of unit size give outputs of unit size. */
  HostTensor drawn(long... shape) {
    int size = 1;
    for (long each : shape) {
      size *= Math.toIntExact(each);
    }
    double fanIn = shape.length == 1 ? 1 : (double) size / shape[0];
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] = (float) ((2 * random.nextDouble() - 1) * Math.sqrt(3 / fanIn));
    }
    return HostTensor.of(values, shape);
  }

  static HostTensor zeros(long length) {
    return HostTensor.of(new float[Math.toIntExact(length)], length);
  }
}
