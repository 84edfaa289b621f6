package io.distill.model;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.common.primitives.Longs;
import io.distill.exception.DistillationException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Adds up over batches how well a language model predicts the tokens that have labels: the logits
 * at a position are compared with the label at the next one. Sums are taken in float64. Not
 * thread-safe.
 */
public final class TokenMeter {

  private static final int RIGHT = 0;
  private static final int SURPRISE = 1;
  private static final int SAME = 2;
  private static final int DIVERGENCE = 3;

  private final double[] sums = new double[4];
  private long tokens;
  private boolean compared = true;
  private boolean divergent = true;

  /**
   * Adds a batch.
   *
   * @param logits what the model says, {@code [N, L, V]}
   * @param teacher what its teacher says, {@code [N, L, V']}; null if there is none to compare with
   * @param labels the token labels of each row, as {@link io.distill.data.BatchSource#tokenLabels}
   *     gives them
   * @throws DistillationException if a label is outside of the vocabulary
   */
  public void add(NDArray logits, @Nullable NDArray teacher, int[][] labels) {
    Shape shape = logits.getShape();
    checkArgument(
        shape.dimension() == 3 && shape.get(0) == labels.length,
        "logits must have shape (%s, L, V) but had %s",
        labels.length,
        shape);
    List<Long> positions = new ArrayList<>();
    List<Long> targets = new ArrayList<>();
    for (int i = 0; i < labels.length; i++) {
      for (int j = 1; j < Math.min(labels[i].length, shape.get(1)); j++) {
        if (labels[i][j] >= 0) {
          positions.add(i * shape.get(1) + j - 1);
          targets.add((long) labels[i][j]);
          requireKnown(labels[i][j], shape.get(2));
        }
      }
    }
    if (positions.isEmpty()) {
      return;
    }
    try (NDManager scratch = logits.getManager().newSubManager()) {
      NDArray index = scratch.create(Longs.toArray(positions));
      NDArray expected = scratch.create(Longs.toArray(targets));
      NDArray student = chosen(logits, index, scratch);
      NDArray guess = student.argMax(-1);
      tokens += positions.size();
      sums[RIGHT] += count(guess.eq(expected));
      sums[SURPRISE] -= sum(student.gather(expected.expandDims(1), 1));
      if (teacher == null) {
        compared = false;
      } else {
        NDArray other = chosen(teacher, index, scratch);
        sums[SAME] += count(guess.eq(other.argMax(-1)));
        if (other.getShape().equals(student.getShape())) {
          NDArray probability = other.exp();
          // a token that the teacher rules out counts nothing, whatever the student says
          sums[DIVERGENCE] +=
              sum(
                  NDArrays.where(
                      probability.gt(0),
                      probability.mul(other.sub(student)),
                      probability.zerosLike()));
        } else {
          divergent = false;
        }
      }
    }
  }

  private static void requireKnown(int label, long vocabulary) {
    if (label >= vocabulary) {
      throw new DistillationException(
          "token labels must be within the model's vocabulary, from 0 to "
              + (vocabulary - 1)
              + ", but one is "
              + label
              + "; make the data set with the model's tokenizer");
    }
  }

  /** Returns the log-probabilities at some positions, {@code [T, V]}. */
  private static NDArray chosen(NDArray logits, NDArray index, NDManager scratch) {
    NDArray flat = logits.reshape(-1, logits.getShape().get(2));
    flat.attach(scratch);
    NDArray rows = flat.get(scratch, new NDIndex("{}", index));
    return rows.toType(DataType.FLOAT32, false).logSoftmax(-1);
  }

  private static double count(NDArray flags) {
    return flags.toType(DataType.INT64, false).sum().getLong();
  }

  private static double sum(NDArray values) {
    return values.toType(DataType.FLOAT64, false).sum().getDouble();
  }

  /**
   * Returns how many tokens were predicted.
   *
   * @return the number of tokens with a label
   */
  public long tokens() {
    return tokens;
  }

  /**
   * Returns how often the likeliest token is the label.
   *
   * @return a share from 0 to 1
   */
  public double accuracy() {
    return sums[RIGHT] / tokens;
  }

  /**
   * Returns the mean cross-entropy.
   *
   * @return nats a token; at least 0
   */
  public double crossEntropy() {
    return sums[SURPRISE] / tokens;
  }

  /**
   * Returns whether the teacher was compared with at all tokens.
   *
   * @return whether {@link #agreement} can be told
   */
  public boolean compared() {
    return compared && tokens > 0;
  }

  /**
   * Returns whether the teacher has the same vocabulary.
   *
   * @return whether {@link #kl} can be told
   */
  public boolean divergent() {
    return compared() && divergent;
  }

  /**
   * Returns how often the likeliest token is the teacher's.
   *
   * @return a share from 0 to 1
   */
  public double agreement() {
    return sums[SAME] / tokens;
  }

  /**
   * Returns the mean divergence of the model's distribution from the teacher's.
   *
   * @return {@code KL(teacher || model)} in nats a token; at least 0
   */
  public double kl() {
    return sums[DIVERGENCE] / tokens;
  }
}
