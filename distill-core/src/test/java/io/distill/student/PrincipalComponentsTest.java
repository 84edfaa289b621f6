package io.distill.student;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.Shape;
import io.distill.torchscript.HostTensor;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PrincipalComponentsTest {

  private static HostTensor random(long seed, int rows, int width) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] values = new float[rows * width];
    for (int i = 0; i < values.length; i++) {
      // columns depend on each other and have a mean
      double own = random.nextDouble() * (1 + i % width);
      values[i] = (float) (3 + own + (i % width == 0 ? 0 : 0.7 * values[i - 1]));
    }
    return HostTensor.of(values, rows, width);
  }

  @Test
  void project_ofTwoKnownAxes_findsThem() {
    // three steps along (0.6, -0.8), one along (0.8, 0.6), around (10, 20)
    float[] rows = {
      10 + 1.8f, 20 - 2.4f, 10 - 1.8f, 20 + 2.4f, 10 + 0.8f, 20 + 0.6f, 10 - 0.8f, 20 - 0.6f
    };
    HostTensor result = PrincipalComponents.project(HostTensor.of(rows, 4, 2), 2, 1, Set.of());
    // the largest element of a direction is positive: (-0.6, 0.8) and (0.8, 0.6)
    float scale = (float) (1 / Math.sqrt(20 / 8.0));
    assertThat(result.toFloatArray())
        .usingComparatorWithPrecision(1e-5f)
        .containsExactly(-3 * scale, 0, 3 * scale, 0, 0, scale, 0, -scale);
    HostTensor one = PrincipalComponents.project(HostTensor.of(rows, 4, 2), 1, 1, Set.of());
    assertThat(one.shape()).isEqualTo(new Shape(4, 1));
    float only = (float) (1 / Math.sqrt(18 / 4.0));
    assertThat(one.toFloatArray())
        .usingComparatorWithPrecision(1e-5f)
        .containsExactly(-3 * only, 3 * only, 0, 0);
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3})
  void project_givesUncorrelatedColumnsOfFallingVariance(long seed) {
    int rows = 200;
    int size = 4;
    float[] values =
        PrincipalComponents.project(random(seed, rows, 9), size, 0.2, Set.of()).toFloatArray();
    double[][] covariance = new double[size][size];
    double squares = 0;
    for (int row = 0; row < rows; row++) {
      for (int i = 0; i < size; i++) {
        squares += values[row * size + i] * values[row * size + i];
        for (int j = 0; j < size; j++) {
          covariance[i][j] += values[row * size + i] * values[row * size + j] / (double) rows;
        }
      }
    }
    for (int i = 0; i < size; i++) {
      double sum = 0;
      for (int row = 0; row < rows; row++) {
        sum += values[row * size + i];
      }
      assertThat(sum / rows).isCloseTo(0, within(1e-6));
      for (int j = 0; j < i; j++) {
        assertThat(covariance[i][j]).isCloseTo(0, within(1e-6));
      }
      assertThat(i == 0 || covariance[i][i] < covariance[i - 1][i - 1]).isTrue();
    }
    assertThat(Math.sqrt(squares / values.length)).isCloseTo(0.2, within(1e-6));
  }

  @Test
  void project_ofNegatedRows_isNegated() {
    HostTensor rows = random(4, 50, 6);
    float[] negated = rows.toFloatArray();
    float[] expected = PrincipalComponents.project(rows, 3, 0.2, Set.of()).toFloatArray();
    for (int i = 0; i < negated.length; i++) {
      negated[i] = -negated[i];
    }
    for (int i = 0; i < expected.length; i++) {
      expected[i] = -expected[i];
    }
    assertThat(
            PrincipalComponents.project(HostTensor.of(negated, 50, 6), 3, 0.2, Set.of())
                .toFloatArray())
        .usingComparatorWithPrecision(1e-6f)
        .containsExactly(expected);
  }

  @Test
  void project_ofSomeRows_makesThoseZeroAndLeavesTheOthers() {
    HostTensor rows = random(5, 20, 6);
    float[] all = PrincipalComponents.project(rows, 2, 0.2, Set.of()).toFloatArray();
    float[] some = PrincipalComponents.project(rows, 2, 0.2, Set.of(0, 19)).toFloatArray();
    all[0] = 0;
    all[1] = 0;
    all[38] = 0;
    all[39] = 0;
    assertThat(some).containsExactly(all);
  }

  @Test
  void project_ofEqualRows_isZero() {
    HostTensor same = HostTensor.of(new float[] {1, 2, 1, 2, 1, 2}, 3, 2);
    assertThat(PrincipalComponents.project(same, 2, 0.2, Set.of()).toFloatArray()).containsOnly(0);
  }
}
