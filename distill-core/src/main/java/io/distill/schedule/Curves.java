package io.distill.schedule;

import static com.google.common.base.Preconditions.checkArgument;

import java.util.List;
import java.util.function.BiConsumer;

/** The shapes of schedules; strict arithmetic, so that every machine gives the same bits. */
final class Curves {

  private Curves() {}

  /** Checks a table of one value an epoch. */
  static void checkTable(List<Double> perEpoch, BiConsumer<String, Double> valueCheck) {
    checkArgument(!perEpoch.isEmpty(), "perEpoch must not be empty");
    for (int epoch = 0; epoch < perEpoch.size(); epoch++) {
      valueCheck.accept("perEpoch[" + epoch + "]", perEpoch.get(epoch));
    }
  }

  static double linear(double first, double last, double fraction) {
    return first + (last - first) * fraction;
  }

  static double cosine(double first, double last, double fraction) {
    return last + (first - last) * (1 + StrictMath.cos(Math.PI * fraction)) / 2;
  }

  /** Two powers instead of one, so that both ends are met exactly. */
  static double exponential(double first, double last, double fraction) {
    return StrictMath.pow(first, 1 - fraction) * StrictMath.pow(last, fraction);
  }

  /** Returns a wave that is low at whole numbers and high in the middle between them. */
  static double triangle(double low, double high, double position) {
    double within = position - Math.floor(position);
    return linear(low, high, 1 - Math.abs(2 * within - 1));
  }
}
