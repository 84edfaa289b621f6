package io.distill.model;

import ai.djl.ndarray.types.Shape;
import com.google.common.hash.Hashing;
import io.distill.torchscript.HostTensor;
import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;
import java.util.function.DoubleSupplier;

/**
 * Draws initial weights. Each tensor has a random stream of its own, made from the seed and its
 * name, so that adding a layer does not change the others; all arithmetic is strict, so the same
 * seed gives the same weights on every machine.
 */
public final class WeightInitializer {

  private final long seed;

  /**
   * Creates an initializer.
   *
   * @param seed the seed of all streams
   */
  public WeightInitializer(long seed) {
    this.seed = seed;
  }

  /**
   * Draws from a normal distribution of mean 0.
   *
   * @param name the tensor's name
   * @param standardDeviation the standard deviation
   * @param shape the shape
   * @return a float32 tensor
   */
  public HostTensor normal(String name, double standardDeviation, long... shape) {
    SplittableRandom random = stream(name);
    return fill(
        shape,
        () -> {
          // Box and Muller's method; 1 - u is never 0
          double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
          double angle = 2 * Math.PI * random.nextDouble();
          return standardDeviation * radius * StrictMath.cos(angle);
        });
  }

  /**
   * Draws from {@code [-bound, bound)}.
   *
   * @param name the tensor's name
   * @param bound the bound
   * @param shape the shape
   * @return a float32 tensor
   */
  public HostTensor uniform(String name, double bound, long... shape) {
    SplittableRandom random = stream(name);
    return fill(shape, () -> bound * (2 * random.nextDouble() - 1));
  }

  /**
   * Repeats one value.
   *
   * @param value the value
   * @param shape the shape
   * @return a float32 tensor
   */
  public HostTensor constant(double value, long... shape) {
    return fill(shape, () -> value);
  }

  private SplittableRandom stream(String name) {
    long salt = Hashing.sha256().hashString(name, StandardCharsets.UTF_8).asLong();
    return new SplittableRandom(new SplittableRandom(seed).nextLong() ^ salt);
  }

  private static HostTensor fill(long[] shape, DoubleSupplier values) {
    float[] elements = new float[Math.toIntExact(new Shape(shape).size())];
    for (int i = 0; i < elements.length; i++) {
      elements[i] = (float) values.getAsDouble();
    }
    return HostTensor.of(elements, shape);
  }
}
