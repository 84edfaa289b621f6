package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.util.Arrays;
import java.util.OptionalDouble;

/**
 * Figures that set scores of a student against those of others. A score is an accuracy or anything
 * else that is better when higher, at least 0.
 *
 * <p>Where a figure has no meaning it is empty, never a number.
 */
public final class Comparison {

  private static final double PERCENT = 100;

  private Comparison() {}

  /**
   * Returns the share of the teacher's score that a student reaches.
   *
   * @param student the student's score
   * @param teacher the teacher's score
   * @return {@code R = student / teacher}; empty if the teacher's score is not above 0
   */
  public static OptionalDouble retention(double student, double teacher) {
    return teacher > 0 ? OptionalDouble.of(student / teacher) : OptionalDouble.empty();
  }

  /**
   * Returns the part of the distance between a plainly trained student and the teacher that a
   * student covers.
   *
   * @param student the student's score
   * @param plain the score of a student of the same architecture that saw the same labels without a
   *     teacher
   * @param teacher the teacher's score
   * @return {@code (student − plain) / (teacher − plain)}, negative if the student is worse than
   *     the plain one; empty if the teacher is not better than the plain student
   */
  public static OptionalDouble gapClosed(double student, double plain, double teacher) {
    return teacher > plain
        ? OptionalDouble.of((student - plain) / (teacher - plain))
        : OptionalDouble.empty();
  }

  /**
   * Returns how much better a student keeps its target than other tasks.
   *
   * @param target the retention on the target
   * @param others the retention on each other task, at least one
   * @return {@code R_T − mean_j R_j}: 0 for a student that lost nothing or equally much everywhere
   * @throws IllegalArgumentException if there is no other task
   */
  public static double specialisationIndex(double target, double... others) {
    return target - mean(others, "others");
  }

  /**
   * Returns what specialising did to other tasks, for each point that it gained on the target.
   *
   * @param target the change of the retention on the target, against the student before
   * @param others the change of the retention on each other task, at least one
   * @return {@code 100 · mean_j dR_j / dR_T}: −50 if other tasks lost half of what the target won;
   *     empty if the target won nothing
   * @throws IllegalArgumentException if there is no other task
   */
  public static OptionalDouble transferabilityIndex(double target, double... others) {
    double mean = mean(others, "others");
    return target > 0 ? OptionalDouble.of(PERCENT * mean / target) : OptionalDouble.empty();
  }

  private static double mean(double[] values, String name) {
    checkArgument(
        requireNonNull(values, name).length > 0,
        "%s must have at least one value but were empty",
        name);
    return Arrays.stream(values).average().orElseThrow();
  }
}
