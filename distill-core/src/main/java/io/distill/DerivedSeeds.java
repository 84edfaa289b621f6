package io.distill;

import java.util.SplittableRandom;

/** Seeds that follow from the seed of a run, for runs that belong together. */
final class DerivedSeeds {

  private DerivedSeeds() {}

  /** Returns a seed; number 0 is the seed itself. */
  static long of(long seed, int number) {
    SplittableRandom random = new SplittableRandom(seed);
    long derived = seed;
    for (int i = 0; i < number; i++) {
      derived = random.nextLong();
    }
    return derived;
  }
}
