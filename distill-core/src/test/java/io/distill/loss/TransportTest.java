package io.distill.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TransportTest {

  private static final double INFINITE = Double.POSITIVE_INFINITY;

  private static double[][] random(int sources, int sinks, long seed) {
    Random random = new Random(seed);
    double[][] cost = new double[sources][sinks];
    for (double[] row : cost) {
      for (int j = 0; j < sinks; j++) {
        row[j] = random.nextDouble() * 3;
      }
    }
    return cost;
  }

  private static double total(double[][] flow, double[][] cost) {
    double total = 0;
    for (int i = 0; i < cost.length; i++) {
      for (int j = 0; j < cost[0].length; j++) {
        total += flow[i][j] == 0 ? 0 : flow[i][j] * cost[i][j];
      }
    }
    return total;
  }

  private static void assertMovesEverything(double[][] flow) {
    for (double[] row : flow) {
      assertThat(Arrays.stream(row).min().orElseThrow()).isGreaterThanOrEqualTo(0);
      assertThat(Arrays.stream(row).sum()).isCloseTo(1.0 / flow.length, within(1e-12));
    }
    for (int j = 0; j < flow[0].length; j++) {
      int sink = j;
      assertThat(Arrays.stream(flow).mapToDouble(row -> row[sink]).sum())
          .isCloseTo(1.0 / flow[0].length, within(1e-12));
    }
  }

  /** Cuts all mass into equal units and tries every assignment of units. */
  private static double bruteForce(double[][] cost) {
    int sources = cost.length;
    int sinks = cost[0].length;
    int units = sources * sinks;
    return best(cost, 0, units, new int[sinks]) / units;
  }

  private static double best(double[][] cost, int unit, int units, int[] taken) {
    if (unit == units) {
      return 0;
    }
    double best = INFINITE;
    for (int j = 0; j < taken.length; j++) {
      if (taken[j] < cost.length) {
        taken[j]++;
        best = Math.min(best, cost[unit / taken.length][j] + best(cost, unit + 1, units, taken));
        taken[j]--;
      }
    }
    return best;
  }

  @ParameterizedTest(name = "{0} to {1}, seed={2}")
  @CsvSource({
    "1, 1, 1",
    "1, 4, 2",
    "4, 1, 3",
    "2, 2, 4",
    "3, 3, 5",
    "2, 3, 6",
    "3, 2, 7",
    "2, 4, 8",
    "3, 4, 9",
    "4, 3, 10",
    "2, 5, 11",
    "3, 3, 12",
    "2, 6, 13"
  })
  void solve_isAsCheapAsTheBestOfAllPlans(int sources, int sinks, long seed) {
    double[][] cost = random(sources, sinks, seed);
    double[][] flow = Transport.solve(cost);
    assertMovesEverything(flow);
    assertThat(total(flow, cost)).isCloseTo(bruteForce(cost), within(1e-12));
  }

  /** A plan is optimal if and only if no cycle of changes makes it cheaper. */
  @ParameterizedTest(name = "{0} to {1}, seed={2}")
  @CsvSource({"6, 12, 1", "12, 6, 2", "5, 7, 3", "24, 48, 4", "23, 17, 5", "4, 12, 6"})
  void solve_ofManyLayers_leavesNoCheaperCycle(int sources, int sinks, long seed) {
    double[][] cost = random(sources, sinks, seed);
    double[][] flow = Transport.solve(cost);
    assertMovesEverything(flow);
    int places = sources + sinks;
    double[][] way = new double[places][places];
    Arrays.stream(way).forEach(row -> Arrays.fill(row, INFINITE));
    for (int i = 0; i < sources; i++) {
      for (int j = 0; j < sinks; j++) {
        way[i][sources + j] = cost[i][j];
        if (flow[i][j] > 0) {
          way[sources + j][i] = -cost[i][j];
        }
      }
    }
    for (int k = 0; k < places; k++) {
      for (int i = 0; i < places; i++) {
        for (int j = 0; j < places; j++) {
          way[i][j] = Math.min(way[i][j], way[i][k] + way[k][j]);
        }
      }
    }
    for (int i = 0; i < places; i++) {
      assertThat(way[i][i]).isGreaterThan(-1e-9);
    }
  }

  /** Minimal costs from SciPy 1.17, linprog(method="highs"), of cost[i][j] = (7i + 3j)^2 mod 11. */
  @ParameterizedTest(name = "{0} to {1}")
  @CsvSource({
    "2, 3, 1.5",
    "3, 3, 1.666666666667",
    "4, 6, 1",
    "6, 12, 0.416666666667",
    "5, 7, 0.914285714286",
    "12, 5, 0.616666666667"
  })
  void solve_isAsCheapAsALinearProgram(int sources, int sinks, double expected) {
    double[][] cost = new double[sources][sinks];
    for (int i = 0; i < sources; i++) {
      for (int j = 0; j < sinks; j++) {
        cost[i][j] = (7 * i + 3 * j) * (7 * i + 3 * j) % 11;
      }
    }
    assertThat(total(Transport.solve(cost), cost)).isCloseTo(expected, within(1e-9));
  }

  @Test
  void solve_ofEqualCosts_orNegativeOnes_movesEverything() {
    assertMovesEverything(Transport.solve(new double[3][5]));
    double[][] negative = {{-5, 1}, {2, -1}};
    double[][] flow = Transport.solve(negative);
    assertThat(flow).isDeepEqualTo(new double[][] {{0.5, 0}, {0, 0.5}});
  }

  @Test
  void solve_usesOnlyWaysThatExist() {
    double[][] cost = {{INFINITE, 1}, {9, 0}};
    assertThat(Transport.solve(cost)).isDeepEqualTo(new double[][] {{0, 0.5}, {0.5, 0}});
    double[][] none = {{INFINITE, 1}, {INFINITE, 0}};
    assertThatThrownBy(() -> Transport.solve(none))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageStartingWith("cost must leave a way for all mass but source ");
  }
}
