package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Percentile intervals by resampling, over the two things that a figure depends on by chance: with
 * which seed a student was trained, and which rows it was tested on.
 *
 * <p>In each of {@value #RESAMPLES} resamples, first the seeds are drawn with replacement, then the
 * rows of every test set with replacement. All seeds and all models of a resample answer the
 * <em>same</em> drawn rows, because they were all tested on the same rows: a comparison of two
 * models is paired, and drawing rows afresh for each seed would make the chance of the rows look
 * smaller than it is. The interval reaches from the 2.5 % to the 97.5 % quantile of the figure over
 * all resamples.
 *
 * <p>Below {@value #MIN_SEEDS} seeds nothing can be said about the chance of the seeds: all seeds
 * are then kept as they are and only rows are drawn, which {@link Interval#over} tells. Draws
 * depend on the number of seeds and rows alone, so that the same figures have the same intervals.
 *
 * @see <a href="https://arxiv.org/abs/0711.1002">Owen, The pigeonhole bootstrap, 2007</a>
 */
public final class Bootstrap {

  /** The number of resamples. */
  public static final int RESAMPLES = 1000;

  /** The share of resamples that an interval covers. */
  public static final double LEVEL = 0.95;

  /** From how many seeds on the seeds are resampled too. */
  public static final int MIN_SEEDS = 3;

  /**
   * The share of resamples in which a figure may be undefined (such as the gap to a teacher that is
   * no better); they are left out. Above it there is no interval.
   */
  public static final double MAX_UNDEFINED = 0.01;

  private static final long RANDOM_SEED = 0x5EED;

  private Bootstrap() {}

  /** One resample. */
  public static final class Draw {
    private final int[] seeds;
    private final int[][] rows;

    private Draw(int[] seeds, int[][] rows) {
      this.seeds = seeds;
      this.rows = rows;
    }

    /**
     * Returns the seeds that were drawn.
     *
     * @return as many indices as there are seeds; must not be changed
     */
    public int[] seeds() {
      return seeds;
    }

    /**
     * Returns the rows that were drawn from a test set.
     *
     * @param set the index of the test set
     * @return as many rows as the set has; must not be changed
     * @throws IndexOutOfBoundsException if there is no such set
     */
    public int[] rows(int set) {
      return rows[set];
    }
  }

  /**
   * Returns everything once: the draw on which a figure has its own value.
   *
   * @param seeds the number of seeds, at least 1
   * @param rows the number of rows of each test set, at least 1 each
   * @return all seeds and all rows in their order
   * @throws IllegalArgumentException if a number is below 1
   */
  public static Draw all(int seeds, int... rows) {
    check(seeds, rows);
    return new Draw(
        IntStream.range(0, seeds).toArray(),
        Arrays.stream(rows)
            .mapToObj(count -> IntStream.range(0, count).toArray())
            .toArray(int[][]::new));
  }

  /**
   * Returns the interval of a figure.
   *
   * @param figure computes the figure on a draw; NaN where it is undefined
   * @param seeds the number of seeds, at least 1
   * @param rows the number of rows of each test set, at least 1 each
   * @return the interval; empty if the figure is undefined in more than {@value #MAX_UNDEFINED} of
   *     the resamples, or infinite in one
   * @throws IllegalArgumentException if a number is below 1
   */
  public static Optional<Interval> interval(ToDoubleFunction<Draw> figure, int seeds, int... rows) {
    requireNonNull(figure, "figure");
    return intervals(draw -> new double[] {figure.applyAsDouble(draw)}, seeds, rows).get(0);
  }

  /**
   * Returns the intervals of several figures that are computed together.
   *
   * @param figures computes the figures on a draw, always equally many; NaN where one is undefined
   * @param seeds the number of seeds, at least 1
   * @param rows the number of rows of each test set, at least 1 each
   * @return the interval of each figure, as {@link #interval} gives it
   * @throws IllegalArgumentException if a number is below 1
   */
  public static List<Optional<Interval>> intervals(
      Function<Draw, double[]> figures, int seeds, int... rows) {
    requireNonNull(figures, "figures");
    check(seeds, rows);
    boolean drawSeeds = seeds >= MIN_SEEDS;
    SplittableRandom random = new SplittableRandom(RANDOM_SEED);
    Draw draw = all(seeds, rows);
    double[][] resamples = new double[RESAMPLES][];
    for (int i = 0; i < RESAMPLES; i++) {
      if (drawSeeds) {
        draw(random, draw.seeds);
      }
      for (int[] set : draw.rows) {
        draw(random, set);
      }
      resamples[i] = figures.apply(draw).clone();
    }
    Interval.Over over = drawSeeds ? Interval.Over.SEEDS_AND_ROWS : Interval.Over.ROWS;
    List<Optional<Interval>> intervals = new ArrayList<>();
    for (int figure = 0; figure < resamples[0].length; figure++) {
      int index = figure;
      intervals.add(
          interval(Arrays.stream(resamples).mapToDouble(values -> values[index]).toArray(), over));
    }
    return intervals;
  }

  private static Optional<Interval> interval(double[] resamples, Interval.Over over) {
    double[] sorted =
        Arrays.stream(resamples).filter(value -> !Double.isNaN(value)).sorted().toArray();
    boolean infinite = Arrays.stream(sorted).anyMatch(Double::isInfinite);
    if (infinite || resamples.length - sorted.length > MAX_UNDEFINED * resamples.length) {
      return Optional.empty();
    }
    double tail = (1 - LEVEL) / 2;
    return Optional.of(new Interval(quantile(sorted, tail), quantile(sorted, 1 - tail), over));
  }

  private static void check(int seeds, int[] rows) {
    checkArgument(seeds >= 1, "seeds must be at least 1 but were %s", seeds);
    for (int count : requireNonNull(rows, "rows")) {
      checkArgument(count >= 1, "rows must be at least 1 but were %s", count);
    }
  }

  private static void draw(SplittableRandom random, int[] into) {
    for (int i = 0; i < into.length; i++) {
      into[i] = random.nextInt(into.length);
    }
  }

  /** Returns a quantile, with linear interpolation between neighbours. */
  static double quantile(double[] sorted, double share) {
    double position = share * (sorted.length - 1);
    int below = (int) Math.floor(position);
    int above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
  }
}
