package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

/**
 * Rotary positions: pairs of numbers of each query and key are turned by an angle that grows with
 * the position, so that scores depend on distances.
 *
 * <pre>{@code
 * angle(p, i) = p · f_i,   f_i = theta^(-2i / d),   i = 0 .. d/2 - 1
 * }</pre>
 *
 * @param theta the base of the frequencies; greater than 0; 10,000 in the paper
 * @param share the share of each head that is turned, from its first number on; greater than 0, at
 *     most 1
 * @param scaling how frequencies are changed for longer inputs than the model was first trained on
 * @param factor by how much longer; at least 1; not looked at without scaling
 * @param lowFrequencyFactor for {@link Scaling#LLAMA3}: wave lengths above {@code originalPositions
 *     / lowFrequencyFactor} are stretched by the whole factor
 * @param highFrequencyFactor for {@link Scaling#LLAMA3}: wave lengths below {@code
 *     originalPositions / highFrequencyFactor} are left alone; above {@code lowFrequencyFactor}
 * @param originalPositions the context of the first training; for {@link Scaling#DYNAMIC} and
 *     {@link Scaling#LLAMA3}
 * @see <a href="https://arxiv.org/abs/2104.09864">Su et al., RoFormer, 2021</a>
 */
public record RotaryEmbedding(
    double theta,
    double share,
    Scaling scaling,
    double factor,
    double lowFrequencyFactor,
    double highFrequencyFactor,
    int originalPositions) {

  /** How frequencies are changed for longer inputs. */
  public enum Scaling {
    /** Not at all. */
    NONE,
    /** All divided by the factor. */
    LINEAR,
    /**
     * The base grows with inputs longer than the original context: {@code theta · (factor · L /
     * originalPositions - (factor - 1))^(d / (d - 2))}.
     */
    DYNAMIC,
    /** Low ones divided by the factor, high ones kept, between them a smooth step. */
    LLAMA3
  }

  /**
   * Checks the values.
   *
   * @param theta the base of the frequencies; greater than 0
   * @param share the share of each head that is turned; greater than 0, at most 1
   * @param scaling how frequencies are changed for longer inputs
   * @param factor by how much longer; at least 1
   * @param lowFrequencyFactor the lower bound of the smooth step
   * @param highFrequencyFactor the upper bound of the smooth step
   * @param originalPositions the context of the first training
   * @throws IllegalArgumentException if a value is out of range
   */
  public RotaryEmbedding {
    checkArgument(theta > 0, "theta must be greater than 0 but was %s", theta);
    checkArgument(share > 0 && share <= 1, "share must be above 0 and at most 1 but was %s", share);
    requireNonNull(scaling, "scaling");
    if (scaling != Scaling.NONE) {
      checkArgument(factor >= 1, "factor must be at least 1 but was %s", factor);
    }
    if (scaling == Scaling.LLAMA3) {
      checkArgument(
          lowFrequencyFactor > 0 && highFrequencyFactor > lowFrequencyFactor,
          "lowFrequencyFactor must be above 0 and below highFrequencyFactor but they were %s and"
              + " %s",
          lowFrequencyFactor,
          highFrequencyFactor);
    }
    if (scaling == Scaling.DYNAMIC || scaling == Scaling.LLAMA3) {
      checkArgument(
          originalPositions >= 1,
          "originalPositions must be at least 1 but was %s",
          originalPositions);
    }
  }

  /**
   * Returns rotary positions without scaling.
   *
   * @param theta the base of the frequencies; greater than 0
   * @return the positions; whole heads are turned
   */
  public static RotaryEmbedding of(double theta) {
    return new RotaryEmbedding(theta, 1, Scaling.NONE, 1, 0, 0, 0);
  }

  /**
   * Returns these positions with a part of each head left as it is.
   *
   * @param share the share that is turned; greater than 0, at most 1
   * @return a copy
   */
  public RotaryEmbedding withShare(double share) {
    return new RotaryEmbedding(
        theta, share, scaling, factor, lowFrequencyFactor, highFrequencyFactor, originalPositions);
  }

  /** Returns how many numbers of a head of a size are turned; always even. */
  int turned(int headSize) {
    int turned = (int) (headSize * share);
    return turned - turned % 2;
  }
}
