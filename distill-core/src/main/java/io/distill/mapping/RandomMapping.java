package io.distill.mapping;

import io.distill.schedule.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** A sorted random choice of layers of the deeper model, one for each layer of the other. */
record RandomMapping(boolean eachEpoch) implements LayerMapping {

  private static final Progress START = new Progress(0, 0, 1, 0);

  @Override
  public List<LayerPair> pairs(int studentLayers, int teacherLayers) {
    return draw(studentLayers, teacherLayers, START);
  }

  @Override
  public List<LayerPair> pairs(
      List<String> studentLayers, List<String> teacherLayers, Progress progress) {
    return draw(studentLayers.size(), teacherLayers.size(), progress);
  }

  private List<LayerPair> draw(int students, int teachers, Progress progress) {
    long drawn = eachEpoch ? progress.epoch() : progress.step();
    Draws draws = new Draws(progress.seed(), drawn);
    boolean deeperStudent = students > teachers;
    int[] chosen =
        deeperStudent ? draws.sorted(teachers, students) : draws.sorted(students, teachers);
    return IntStream.range(0, chosen.length)
        .mapToObj(i -> deeperStudent ? new LayerPair(chosen[i], i) : new LayerPair(i, chosen[i]))
        .toList();
  }

  @Override
  public List<LayerPair> candidates(List<String> studentLayers, List<String> teacherLayers) {
    int students = studentLayers.size();
    int teachers = teacherLayers.size();
    int spare = Math.abs(students - teachers);
    List<LayerPair> pairs = new ArrayList<>();
    for (int i = 0; i < students; i++) {
      for (int j = 0; j < teachers; j++) {
        int ahead = students > teachers ? i - j : j - i;
        if (ahead >= 0 && ahead <= spare) {
          pairs.add(new LayerPair(i, j));
        }
      }
    }
    return pairs;
  }

  /**
   * Random numbers that are a pure function of a seed and a position: the SplitMix64 sequence,
   * written out because what a run draws must not depend on a JDK.
   *
   * @see <a href="https://doi.org/10.1145/2714064.2660195">Steele, Lea, Flood, Fast splittable
   *     pseudorandom number generators, 2014</a>
   */
  private static final class Draws {
    private static final long GAMMA = 0x9E3779B97F4A7C15L;

    /** Keeps these draws apart from others of the same seed. */
    private static final long PURPOSE = 0x6C61796572L;

    private long state;

    Draws(long seed, long position) {
      state = mix(mix(seed ^ PURPOSE) + position * GAMMA);
    }

    private static long mix(long value) {
      long mixed = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
      mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
      return mixed ^ (mixed >>> 31);
    }

    private int below(int bound) {
      state += GAMMA;
      // the upper 31 bits as a share of the bound; the bias is below bound / 2^31
      return (int) (((mix(state) >>> 33) * bound) >>> 31);
    }

    /**
     * Returns so many different numbers from 0 to {@code bound - 1}, each choice equally likely.
     */
    int[] sorted(int count, int bound) {
      int[] chosen = new int[count];
      int taken = 0;
      for (int i = 0; i < bound && taken < count; i++) {
        if (below(bound - i) < count - taken) {
          chosen[taken++] = i;
        }
      }
      return chosen;
    }
  }
}
