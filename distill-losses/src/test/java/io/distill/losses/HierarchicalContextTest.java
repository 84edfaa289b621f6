package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HierarchicalContextTest {

  private static final DistillationLoss LOSS = Losses.hierarchicalContext();

  @Nested
  class Vectors extends FeatureContract {
    Vectors() {
      super(LOSS, Kind.VECTORS, 3, 3, 1);
    }
  }

  @Nested
  class Tokens extends FeatureContract {
    Tokens() {
      super(LOSS, Kind.TOKENS, 2, 2, 2);
    }
  }

  @Nested
  class TokensThroughMatrix extends FeatureContract {
    TokensThroughMatrix() {
      super(LOSS, Kind.TOKENS, 2, 3, 1);
    }
  }

  @Nested
  class Maps extends FeatureContract {
    Maps() {
      super(LOSS, Kind.MAPS, 3, 3, 1);
    }
  }

  /** A difference of 1 everywhere is 1 at every level, and so is its weighted mean. */
  @ParameterizedTest(name = "{0} x {1}")
  @CsvSource({"1, 1", "2, 3", "3, 3", "4, 4", "5, 7", "8, 8"})
  void constantDifference_isTheSameAtEveryLevel(int height, int width) {
    Values ones =
        new Values(Values.zeros(2, 2, height, width).oneHot(1, 1).numbers(), 2, 2, height, width);
    LossCase given =
        LossCase.layers(List.of(ones), List.of(Values.zeros(2, 2, height, width)), null);
    assertThat(given.value(LOSS)).isCloseTo(1, within(1e-6));
  }

  /** Differences that cancel in every region leave the full level: 1 over the sum of weights. */
  @ParameterizedTest(name = "{0} x {0}")
  @CsvSource({"8, 1.875", "4, 1.375", "2, 1.125"})
  void checkerboard_isSeenAtFullResolutionAlone(int side, double weights) {
    double[] board = new double[side * side];
    for (int i = 0; i < board.length; i++) {
      board[i] = (i / side + i) % 2 == 0 ? 1 : -1;
    }
    LossCase given =
        LossCase.layers(
            List.of(new Values(board, 1, 1, side, side)),
            List.of(Values.zeros(1, 1, side, side)),
            null);
    assertThat(given.value(LOSS)).isCloseTo(1 / weights, within(1e-6));
  }

  @ParameterizedTest(name = "{0} tokens")
  @CsvSource({"8, 1.875", "4, 1.375", "2, 1.125", "1, 1"})
  void alternatingTokens_areSeenAtFullLengthAlone(int tokens, double weights) {
    double[] numbers = new double[10];
    float[] real = new float[10];
    // padding in front and behind
    for (int i = 0; i < tokens; i++) {
      numbers[i + 1] = i % 2 == 0 ? 1 : -1;
      real[i + 1] = 1;
    }
    numbers[0] = 77;
    numbers[9] = 99;
    LossCase given =
        LossCase.layers(
            List.of(new Values(numbers, 1, 10, 1)),
            List.of(Values.zeros(1, 10, 1)),
            new Values(real, 1, 10));
    double first = tokens == 1 ? 1 : 1 / weights;
    assertThat(given.value(LOSS)).isCloseTo(first, within(1e-6));
  }

  @Test
  void tokens_arePooledAsAMapOfOneColumnWouldBe() {
    // 5 tokens in 4 regions: 0-1, 1-2, 2-3, 3-4, as adaptive pooling has it
    double[] d = {1, -2, 4, 3, -5};
    double full = (1 + 4 + 16 + 9 + 25) / 5.0;
    double four =
        square((d[0] + d[1]) / 2, (d[1] + d[2]) / 2, (d[2] + d[3]) / 2, (d[3] + d[4]) / 2);
    double two = square((d[0] + d[1] + d[2]) / 3, (d[2] + d[3] + d[4]) / 3);
    double one = square(Arrays.stream(d).sum() / 5);
    LossCase given =
        LossCase.layers(
            List.of(new Values(d, 1, 5, 1)),
            List.of(Values.zeros(1, 5, 1)),
            new Values(new float[] {1, 1, 1, 1, 1}, 1, 5));
    assertThat(given.value(LOSS))
        .isCloseTo((full + four / 2 + two / 4 + one / 8) / 1.875, within(1e-5));
  }

  private static double square(double... means) {
    return Arrays.stream(means).map(mean -> mean * mean).average().orElseThrow();
  }
}
