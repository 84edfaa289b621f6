package io.distill.examples.email;

import java.util.Collection;
import java.util.function.ToDoubleFunction;

/**
 * The figures of one model.
 *
 * @param accuracy the share of test rows it gets right
 * @param agreement the share of test rows on which it says what the teacher says
 * @param parameters the number of its parameters
 * @param bytes the size of its saved directory
 * @param sentencesPerSecond texts a second on one thread, one at a time, tokenising included
 * @param p50Millis the median time of one text on one thread, tokenising included
 * @param p50MillisWithoutTokenising the same for text that is tokenised already
 * @param trainingSeconds how long it was trained; for the teacher, how long its classifier was
 *     fitted
 * @param offTask the accuracy of a linear probe on its representation of other kinds of text
 */
record Figures(
    double accuracy,
    double agreement,
    long parameters,
    long bytes,
    double sentencesPerSecond,
    double p50Millis,
    double p50MillisWithoutTokenising,
    double trainingSeconds,
    double offTask) {

  /** Takes the mean of what differs between seeds, and the size and speed of the first. */
  static Figures mean(Collection<Figures> seeds) {
    Figures first = seeds.iterator().next();
    return new Figures(
        mean(seeds, Figures::accuracy),
        mean(seeds, Figures::agreement),
        first.parameters,
        first.bytes,
        first.sentencesPerSecond,
        first.p50Millis,
        first.p50MillisWithoutTokenising,
        mean(seeds, Figures::trainingSeconds),
        mean(seeds, Figures::offTask));
  }

  private static double mean(Collection<Figures> seeds, ToDoubleFunction<Figures> figure) {
    return seeds.stream().mapToDouble(figure).average().orElse(Double.NaN);
  }
}
