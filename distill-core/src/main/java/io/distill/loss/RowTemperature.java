package io.distill.loss;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import io.distill.signal.SignalKind;
import java.util.Set;

/**
 * A softmax temperature that depends on more than training progress: on each row's teacher, or on
 * parameters that are learned with the student.
 *
 * <p>Of a language model each token is a row.
 */
public interface RowTemperature {

  /** The default lower bound of a learned temperature. */
  double LEARNED_LOW = 1;

  /** The default upper bound of a learned temperature. */
  double LEARNED_HIGH = 21;

  /** The default number of epochs over which a learned temperature gains its full strength. */
  int LEARNED_EPOCHS = 10;

  /** The default number of hidden units of a temperature that is learned for each row. */
  int LEARNED_HIDDEN_SIZE = 64;

  /**
   * Declares learned parameters, once, before the first step.
   *
   * @param setup the widths of the signals, and where parameters are declared
   */
  void prepare(LossSetup setup);

  /**
   * Returns the temperatures of a batch. Called only if a loss reads them, and then once a batch
   * for all terms that share it.
   *
   * @param context the batch
   * @return float32, one for all rows {@code []} or one a row {@code [N, 1]}; finite and greater
   *     than 0
   */
  NDArray of(LossContext context);

  /**
   * Returns a bound of the temperatures, for a teacher that kept only some of its logits.
   *
   * @return the highest temperature that can come; infinite, for unknown, by default
   */
  default double highest() {
    return Double.POSITIVE_INFINITY;
  }

  /**
   * Returns what the student must say beside what the loss needs.
   *
   * @return the kinds of signals; none by default
   */
  default Set<SignalKind> requiresOfStudent() {
    return Set.of();
  }

  /**
   * Returns what the teacher must say beside what the loss needs.
   *
   * @return the kinds of signals; none by default
   */
  default Set<SignalKind> requiresOfTeacher() {
    return Set.of();
  }

  /**
   * Gives each row a temperature by how sure the teacher is of it: the surer, the higher.
   *
   * <pre>{@code
   * T = high - (high - low) · H(p) / log C,  p = softmax(teacher)
   * }</pre>
   *
   * <p>A row of which the teacher is certain is softened most, so that what it thinks of the other
   * classes shows; a row on which it hesitates is already soft. That the temperature should even
   * out how soft the teacher's answers are is argued in the paper below; the straight line in the
   * entropy is a heuristic of this library and not its formula.
   *
   * <p><b>Shapes.</b> Teacher logits {@code [N, C]}; result {@code [N, 1]}. <b>Numerics.</b>
   * Classes at {@code -inf} are ruled out and not counted in {@code C}.
   *
   * @param low the temperature of a row on which the teacher cannot choose; finite and greater than
   *     0
   * @param high the temperature of a row of which the teacher is certain; finite and at least
   *     {@code low}
   * @return the temperature
   * @throws IllegalArgumentException if an argument is out of range
   * @see <a href="https://arxiv.org/abs/2605.20357">Luong et al., Consistently Informative
   *     Soft-Label Temperature for Knowledge Distillation, 2026</a>
   */
  static RowTemperature byTeacherEntropy(double low, double high) {
    return new EntropyTemperature(low, high);
  }

  /**
   * Learns one temperature against the student (CTKD, global), from 1 to 21 over 10 epochs.
   *
   * @return {@code learned(1, 21, 10)}
   * @see #learned(double, double, int)
   */
  static RowTemperature learned() {
    return learned(LEARNED_LOW, LEARNED_HIGH, LEARNED_EPOCHS);
  }

  /**
   * Learns one temperature against the student: while the student makes the loss small, the
   * temperature makes it large (CTKD, global).
   *
   * <pre>{@code
   * T = low + (high - low) · sigmoid(θ),  θ starts at 1
   * gradient of θ times -λ,  λ = (1 - cos(π · min(1, (epoch + 1) / epochs))) / 2
   * }</pre>
   *
   * <p>The curriculum {@code λ} rises from near 0 to 1, one stair an epoch, as in the authors'
   * code. {@code θ} is trained by the run's optimizer, at its rate and without weight decay. As one
   * of the terms of a sum, each term learns its own; as the run's temperature all terms share it.
   *
   * @param low the lower bound of the temperature; finite and greater than 0
   * @param high the upper bound of the temperature; finite and above {@code low}
   * @param epochs the number of the epoch, counted from 1, that first has the full reversed
   *     gradient; at least 1
   * @return the temperature
   * @throws IllegalArgumentException if an argument is out of range
   * @see <a href="https://arxiv.org/abs/2211.16231">Li et al., Curriculum Temperature for Knowledge
   *     Distillation, 2023</a>
   */
  static RowTemperature learned(double low, double high, int epochs) {
    return new LearnedTemperature(low, high, epochs, 0);
  }

  /**
   * Learns a temperature for each row against the student (CTKD, instance-wise), from 1 to 21 over
   * 10 epochs, with 64 hidden units.
   *
   * @return {@code learnedByInstance(1, 21, 10, 64)}
   * @see #learnedByInstance(double, double, int, int)
   */
  static RowTemperature learnedByInstance() {
    return learnedByInstance(LEARNED_LOW, LEARNED_HIGH, LEARNED_EPOCHS, LEARNED_HIDDEN_SIZE);
  }

  /**
   * Learns a temperature for each row against the student, by a perceptron that reads the logits of
   * both models (CTKD, instance-wise).
   *
   * <pre>{@code
   * T = low + (high - low) · sigmoid(v · relu(W [teacher; student] + b) + c)
   * gradient of W, b, v, c times -λ,  λ as in learned(low, high, epochs)
   * }</pre>
   *
   * <p>The perceptron has two layers, as in the paper, which leaves their width open. {@code c}
   * starts at 1, so that temperatures start where the global form starts. Logits are read without
   * gradient: the student is not taught to move its temperature.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]}; result {@code [N, 1]}. <b>Numerics.</b> Logits that
   * are infinite are read as 0.
   *
   * @param low the lower bound of the temperature; finite and greater than 0
   * @param high the upper bound of the temperature; finite and above {@code low}
   * @param epochs the number of the epoch, counted from 1, that first has the full reversed
   *     gradient; at least 1
   * @param hiddenSize the number of hidden units; at least 1
   * @return the temperature
   * @throws IllegalArgumentException if an argument is out of range
   * @see <a href="https://arxiv.org/abs/2211.16231">Li et al., Curriculum Temperature for Knowledge
   *     Distillation, 2023</a>
   */
  static RowTemperature learnedByInstance(double low, double high, int epochs, int hiddenSize) {
    checkArgument(hiddenSize >= 1, "hiddenSize must be at least 1 but was %s", hiddenSize);
    return new LearnedTemperature(low, high, epochs, hiddenSize);
  }
}
