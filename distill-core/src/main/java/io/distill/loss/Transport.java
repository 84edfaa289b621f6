package io.distill.loss;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.math.LongMath;
import java.util.Arrays;

/**
 * The cheapest way of moving the mass of some places to others, where all sources have the same
 * mass and all sinks too: exact, by successive shortest paths on whole units of mass.
 */
final class Transport {

  private final int sources;
  private final int sinks;
  private final double[][] cost;
  private final long[][] moved;
  private final long[] left;
  private final long[] wanted;

  /** What a place costs beyond its neighbours, so that no edge has a negative cost. */
  private final double[] potential;

  private Transport(double[][] cost) {
    this.sources = cost.length;
    this.sinks = cost[0].length;
    this.cost = cost;
    this.moved = new long[sources][sinks];
    long common = LongMath.gcd(sources, sinks);
    this.left = new long[sources];
    this.wanted = new long[sinks];
    Arrays.fill(left, sinks / common);
    Arrays.fill(wanted, sources / common);
    this.potential = new double[sources + sinks];
  }

  /**
   * Solves a problem.
   *
   * @param cost the cost of a unit of mass from each source to each sink; infinite where there is
   *     no way
   * @return the mass moved from each source to each sink, in all 1
   * @throws IllegalArgumentException if some mass has no way
   */
  static double[][] solve(double[][] cost) {
    Transport transport = new Transport(fromZero(cost));
    for (int source = 0; source < transport.sources; source++) {
      while (transport.left[source] > 0) {
        transport.moveSome(source);
      }
    }
    long units = LongMath.gcd(transport.sources, transport.sinks);
    units = transport.sources / units * transport.sinks;
    double[][] flow = new double[transport.sources][transport.sinks];
    for (int i = 0; i < transport.sources; i++) {
      for (int j = 0; j < transport.sinks; j++) {
        flow[i][j] = (double) transport.moved[i][j] / units;
      }
    }
    return flow;
  }

  /** All mass has to be moved, so adding a constant to all costs changes nothing. */
  private static double[][] fromZero(double[][] cost) {
    double least =
        Arrays.stream(cost).flatMapToDouble(Arrays::stream).min().orElse(Double.POSITIVE_INFINITY);
    return Arrays.stream(cost)
        .map(row -> Arrays.stream(row).map(each -> each - least).toArray())
        .toArray(double[][]::new);
  }

  /** Moves as much as fits along the cheapest way from a source to a sink with room (Dijkstra). */
  private void moveSome(int source) {
    int places = sources + sinks;
    double[] distance = new double[places];
    Arrays.fill(distance, Double.POSITIVE_INFINITY);
    distance[source] = 0;
    int[] before = new int[places];
    boolean[] done = new boolean[places];
    int end = -1;
    while (end < 0) {
      int nearest = nearest(distance, done);
      checkArgument(
          nearest >= 0, "cost must leave a way for all mass but source %s has none", source);
      done[nearest] = true;
      if (nearest >= sources && wanted[nearest - sources] > 0) {
        end = nearest;
      } else {
        relax(nearest, distance, before, done);
      }
    }
    for (int place = 0; place < places; place++) {
      potential[place] += Math.min(distance[place], distance[end]);
    }
    move(source, end, before);
  }

  private static int nearest(double[] distance, boolean[] done) {
    int nearest = -1;
    for (int place = 0; place < distance.length; place++) {
      if (!done[place]
          && distance[place] < Double.POSITIVE_INFINITY
          && (nearest < 0 || distance[place] < distance[nearest])) {
        nearest = place;
      }
    }
    return nearest;
  }

  private void relax(int from, double[] distance, int[] before, boolean[] done) {
    boolean forward = from < sources;
    int first = forward ? sources : 0;
    int last = forward ? sources + sinks : sources;
    for (int to = first; to < last; to++) {
      // mass that was moved may be moved back
      boolean open = forward || moved[to][from - sources] > 0;
      if (!done[to] && open) {
        double step = forward ? cost[from][to - sources] : -cost[to][from - sources];
        // below zero only by rounding
        double reduced = Math.max(0, step + potential[from] - potential[to]);
        if (distance[from] + reduced < distance[to]) {
          distance[to] = distance[from] + reduced;
          before[to] = from;
        }
      }
    }
  }

  private void move(int source, int end, int[] before) {
    long amount = Math.min(left[source], wanted[end - sources]);
    for (int to = end; to != source; to = before[to]) {
      if (to < sources) {
        amount = Math.min(amount, moved[to][before[to] - sources]);
      }
    }
    for (int to = end; to != source; to = before[to]) {
      if (to < sources) {
        moved[to][before[to] - sources] -= amount;
      } else {
        moved[before[to]][to - sources] += amount;
      }
    }
    left[source] -= amount;
    wanted[end - sources] -= amount;
  }
}
