package io.distill.losses.contrastive;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import io.distill.internal.NativeEngine;
import io.distill.losses.internal.Formula;
import io.distill.schedule.Progress;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The rows that a row is told from are as good as drawn by chance, and are never the row. */
class DrawnNegativesTest {

  private static final Formula DRAWN =
      new ContrastiveRepresentation(1, 1, 0, 1, false)
          .formula()
          .extended(
              "DrawnNegatives",
              """
              def draw(self, own: Tensor, key: Tensor, sizes: Tensor) -> Tensor:
                rows = int(torch.select(sizes, 0, 0))
                return self.drawn(own, key, rows, int(torch.select(sizes, 0, 1)))
              """);

  private static long[] drawn(long seed, long step, long rows, long negatives, long... own) {
    NativeEngine.prepareThread();
    Progress progress = new Progress(0, step, 1_000_000, seed);
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      return DRAWN
          .call(
              "draw",
              manager.create(own),
              manager.create(ContrastiveRepresentation.key(progress)),
              manager.create(new long[] {rows, negatives}))
          .toLongArray();
    }
  }

  @ParameterizedTest(name = "{0} rows, row {1}, step {2}")
  @CsvSource({"2, 0, 0", "2, 1, 0", "3, 1, 5", "100, 0, 1", "100, 99, 2", "100, 50, 999999"})
  void everyOtherRow_comesEquallyOften(int rows, long own, long step) {
    int negatives = 200_000;
    long[] counts = new long[rows];
    for (long row : drawn(42, step, rows, negatives, own)) {
      counts[(int) row]++;
    }
    assertThat(counts[(int) own]).isZero();
    double expected = negatives / (rows - 1.0);
    double chiSquare = 0;
    for (int row = 0; row < rows; row++) {
      if (row != own) {
        chiSquare += (counts[row] - expected) * (counts[row] - expected) / expected;
      }
    }
    // its mean is rows - 2 and its variance twice that; a good draw is beyond 6 deviations never
    assertThat(chiSquare).isLessThanOrEqualTo(rows - 2 + 6 * Math.sqrt(2.0 * (rows - 2)));
  }

  @ParameterizedTest(name = "{0} rows")
  @ValueSource(longs = {2, 10, 50_000, 2_000_000_000L})
  void drawnRows_exist(long rows) {
    for (long own : new long[] {0, rows / 2, rows - 1}) {
      long[] drawn = drawn(7, 3, rows, 10_000, own);
      assertThat(Arrays.stream(drawn).min().orElseThrow()).isNotNegative();
      assertThat(Arrays.stream(drawn).max().orElseThrow()).isLessThan(rows);
      assertThat(drawn).doesNotContain(own);
    }
  }

  /** Between 10,000 draws of each of two, chance gives 100 common places at 100 rows. */
  @Test
  void stepsSeedsAndRows_areDrawnApart() {
    long[] one = drawn(1, 0, 100, 10_000, 5);
    assertThat(drawn(1, 0, 100, 10_000, 5)).containsExactly(one);
    for (long other = 1; other <= 20; other++) {
      assertApart(one, drawn(1, other, 100, 10_000, 5));
      assertApart(one, drawn(1 + other, 0, 100, 10_000, 5));
      assertApart(one, drawn(1, 0, 100, 10_000, 5 + other));
    }
  }

  private static void assertApart(long[] one, long[] two) {
    long common = 0;
    for (int i = 0; i < one.length; i++) {
      common += one[i] == two[i] ? 1 : 0;
    }
    assertThat(common).isBetween(40L, 160L);
  }

  @Test
  void rowsOfABatch_areDrawnAsAlone() {
    long[] both = drawn(1, 4, 1000, 50, 17, 3);
    assertThat(Arrays.copyOfRange(both, 0, 50)).containsExactly(drawn(1, 4, 1000, 50, 17));
    assertThat(Arrays.copyOfRange(both, 50, 100)).containsExactly(drawn(1, 4, 1000, 50, 3));
  }

  @Test
  void consecutiveDraws_areIndependent() {
    long[] drawn = drawn(3, 1, 11, 100_000, 10);
    long[] pairs = new long[100];
    for (int i = 1; i < drawn.length; i++) {
      pairs[(int) (10 * drawn[i - 1] + drawn[i])]++;
    }
    double chiSquare = 0;
    double expected = (drawn.length - 1) / 100.0;
    for (long count : pairs) {
      chiSquare += (count - expected) * (count - expected) / expected;
    }
    assertThat(chiSquare).isBetween(99 - 6 * Math.sqrt(198), 99 + 6 * Math.sqrt(198));
  }
}
