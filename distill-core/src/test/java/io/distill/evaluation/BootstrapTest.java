package io.distill.evaluation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;

class BootstrapTest {

  /** The mean over the drawn seeds and rows of values by seed and row. */
  private static ToDoubleFunction<Bootstrap.Draw> mean(double[][] values) {
    return draw -> {
      double sum = 0;
      for (int seed : draw.seeds()) {
        for (int row : draw.rows(0)) {
          sum += values[seed][row];
        }
      }
      return sum / draw.seeds().length / draw.rows(0).length;
    };
  }

  private static double width(Interval interval) {
    return interval.high() - interval.low();
  }

  private static double[][] normal(int seeds, int rows, double ofSeed, double ofRow, double rest) {
    Random random = new Random(3);
    double[] shared = random.doubles(rows).map(value -> ofRow * random.nextGaussian()).toArray();
    double[][] values = new double[seeds][rows];
    for (double[] own : values) {
      double shift = ofSeed * random.nextGaussian();
      for (int row = 0; row < rows; row++) {
        own[row] = shift + shared[row] + rest * random.nextGaussian();
      }
    }
    return values;
  }

  @Test
  void interval_ofRows_isAboutTwoStandardErrors() {
    double[][] values = normal(1, 400, 0, 1, 0);

    Interval interval = Bootstrap.interval(mean(values), 1, 400).orElseThrow();

    assertThat(width(interval)).isCloseTo(2 * 1.96 / 20, within(0.03));
    assertThat(interval.over()).isEqualTo(Interval.Over.ROWS);
  }

  @Test
  void interval_ofSharedRows_doesNotShrinkWithMoreSeeds() {
    double[][] values = normal(20, 100, 0, 1, 0);

    Interval interval = Bootstrap.interval(mean(values), 20, 100).orElseThrow();

    assertThat(width(interval)).isCloseTo(2 * 1.96 / 10, within(0.08));
    assertThat(interval.over()).isEqualTo(Interval.Over.SEEDS_AND_ROWS);
  }

  @Test
  void interval_ofSeeds_needsThree() {
    double[][] values = normal(3, 50, 1, 0, 0);

    assertThat(width(Bootstrap.interval(mean(values), 3, 50).orElseThrow())).isGreaterThan(0.5);
    // two seeds are kept as they are, and their rows are all alike
    assertThat(width(Bootstrap.interval(mean(values), 2, 50).orElseThrow()))
        .isCloseTo(0, within(1e-9));
  }

  @Test
  void interval_ofPairedDifferences_cancelsTheRows() {
    double[] rows = new Random(5).doubles(200).toArray();
    ToDoubleFunction<Bootstrap.Draw> difference =
        draw -> {
          double first = Arrays.stream(draw.rows(0)).mapToDouble(row -> rows[row] + 0.1).sum();
          double second = Arrays.stream(draw.rows(0)).mapToDouble(row -> rows[row]).sum();
          return (first - second) / rows.length;
        };

    Interval interval = Bootstrap.interval(difference, 1, 200).orElseThrow();

    assertThat(interval.low()).isCloseTo(0.1, within(1e-9));
    assertThat(interval.high()).isCloseTo(0.1, within(1e-9));
  }

  @Test
  void interval_isTheSameEachTime() {
    double[][] values = normal(3, 30, 1, 1, 1);

    assertThat(Bootstrap.interval(mean(values), 3, 30))
        .isEqualTo(Bootstrap.interval(mean(values), 3, 30));
  }

  @Test
  void severalSets_areDrawnOnTheirOwn() {
    Optional<Interval> interval =
        Bootstrap.interval(
            draw -> {
              assertThat(Arrays.stream(draw.rows(0)).boxed()).hasSize(4).allMatch(row -> row < 4);
              assertThat(Arrays.stream(draw.rows(1)).boxed()).hasSize(9).allMatch(row -> row < 9);
              return Arrays.stream(draw.rows(1)).sum();
            },
            1,
            4,
            9);

    assertThat(interval).isPresent();
  }

  @Test
  void figureThatIsOftenUndefined_hasNoInterval() {
    int[] calls = {0};

    assertThat(Bootstrap.interval(draw -> calls[0]++ % 50 == 0 ? Double.NaN : 1, 1, 3)).isEmpty();
    assertThat(Bootstrap.interval(draw -> calls[0]++ % 500 == 0 ? Double.NaN : 1, 1, 3))
        .contains(new Interval(1, 1, Interval.Over.ROWS));
    assertThat(Bootstrap.interval(draw -> calls[0]++ == 9999 ? 0 : Double.POSITIVE_INFINITY, 1, 3))
        .isEmpty();
  }

  @Test
  void quantile_liesBetweenItsNeighbours() {
    assertThat(Bootstrap.quantile(new double[] {1, 2, 4}, 0.75)).isEqualTo(3);
    assertThat(Bootstrap.quantile(new double[] {7}, 0.975)).isEqualTo(7);
  }

  @Test
  void numbers_mustBePositive() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Bootstrap.all(0, 1))
        .withMessage("seeds must be at least 1 but were 0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Bootstrap.all(1, 4, 0))
        .withMessage("rows must be at least 1 but were 0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Interval(2, 1, Interval.Over.ROWS))
        .withMessage("high must be finite and at least low 2.0 but was 1.0");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Interval(Double.NaN, 1, Interval.Over.ROWS))
        .withMessage("low must be finite but was NaN");
  }
}
