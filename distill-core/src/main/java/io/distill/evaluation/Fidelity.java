package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.model.DeployableModel;
import java.util.Arrays;

/**
 * How closely a student says what its teacher says, whatever is true: labels are not looked at.
 *
 * <pre>{@code
 * p = softmax(teacher), q = softmax(student), m = (p + q) / 2        (temperature 1)
 * kl         = mean_rows Σ_c p_c ln(p_c / q_c)                       (nats)
 * similarity = mean_rows (1 − √(½ Σ_c p_c log₂(p_c / m_c) + ½ Σ_c q_c log₂(q_c / m_c)))
 * }</pre>
 *
 * <p>Computed in float64 from log-softmax. A class of logit {@code -Infinity} has no probability.
 *
 * @param agreement the share of rows on which both have the same most probable class, from 0 to 1
 * @param kl the mean Kullback-Leibler divergence of the student from the teacher, in nats, at least
 *     0; {@code Infinity} if the student rules out a class that the teacher does not
 * @param similarity one minus the root of the Jensen-Shannon divergence in bits, from 0 (nothing in
 *     common) to 1 (the same)
 * @see <a href="https://arxiv.org/abs/2106.05945">Stanton et al., Does knowledge distillation
 *     really work?, 2021</a>
 */
public record Fidelity(double agreement, double kl, double similarity) {

  private static final double LN_2 = Math.log(2);

  /**
   * Compares what two models say of the same rows.
   *
   * @param teacher the teacher's logits, one vector a row, at least one row
   * @param student the student's logits of the same rows and classes
   * @return the means over the rows
   * @throws IllegalArgumentException if there are no rows, or rows or classes are not equally many
   */
  public static Fidelity of(float[][] teacher, float[][] student) {
    requireNonNull(teacher, "teacher");
    requireNonNull(student, "student");
    checkArgument(teacher.length > 0, "teacher must have at least one row but was empty");
    checkArgument(
        teacher.length == student.length,
        "student must have as many rows as teacher, %s, but had %s",
        teacher.length,
        student.length);
    double same = 0;
    double kl = 0;
    double similarity = 0;
    for (int row = 0; row < teacher.length; row++) {
      same +=
          DeployableModel.indexOfMaximum(teacher[row])
                  == DeployableModel.indexOfMaximum(student[row])
              ? 1
              : 0;
      kl += kl(teacher[row], student[row]);
      similarity += similarity(teacher[row], student[row]);
    }
    return new Fidelity(same / teacher.length, kl / teacher.length, similarity / teacher.length);
  }

  /**
   * Returns the divergence of one row.
   *
   * @param teacher the teacher's logits
   * @param student the student's logits, as many
   * @return the divergence in nats, at least 0, or {@code Infinity}
   * @throws IllegalArgumentException if there are not equally many
   */
  public static double kl(float[] teacher, float[] student) {
    requireSameWidth(teacher, student);
    double[] p = logProbabilities(teacher);
    double[] q = logProbabilities(student);
    double sum = 0;
    for (int c = 0; c < p.length; c++) {
      double probability = Math.exp(p[c]);
      sum += probability == 0 ? 0 : probability * (p[c] - q[c]);
    }
    // rounding may leave a tiny negative number where both are equal
    return Math.max(0, sum);
  }

  /**
   * Returns the similarity of one row.
   *
   * @param teacher the teacher's logits
   * @param student the student's logits, as many
   * @return one minus the root of the Jensen-Shannon divergence in bits, from 0 to 1
   * @throws IllegalArgumentException if there are not equally many
   */
  public static double similarity(float[] teacher, float[] student) {
    requireSameWidth(teacher, student);
    double[] p = probabilities(teacher);
    double[] q = probabilities(student);
    double sum = 0;
    for (int c = 0; c < p.length; c++) {
      double middle = (p[c] + q[c]) / 2;
      sum += p[c] == 0 ? 0 : p[c] * Math.log(p[c] / middle) / 2;
      sum += q[c] == 0 ? 0 : q[c] * Math.log(q[c] / middle) / 2;
    }
    return 1 - Math.sqrt(Math.min(1, Math.max(0, sum / LN_2)));
  }

  private static void requireSameWidth(float[] teacher, float[] student) {
    checkArgument(
        teacher.length == student.length,
        "student must have as many classes as teacher, %s, but had %s",
        teacher.length,
        student.length);
  }

  static double[] probabilities(float[] logits) {
    return Arrays.stream(logProbabilities(logits)).map(Math::exp).toArray();
  }

  private static double[] logProbabilities(float[] logits) {
    double maximum = Double.NEGATIVE_INFINITY;
    for (float logit : logits) {
      maximum = Math.max(maximum, logit);
    }
    double sum = 0;
    for (float logit : logits) {
      sum += Math.exp(logit - maximum);
    }
    double[] result = new double[logits.length];
    for (int c = 0; c < logits.length; c++) {
      result[c] = logits[c] - maximum - Math.log(sum);
    }
    return result;
  }
}
