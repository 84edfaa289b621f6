package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.data.DistillationDataset;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Whether a model is right as often as it says: its confidence against its accuracy.
 *
 * <p>The confidence of a row is the largest probability of {@code softmax(logits)}. Rows are sorted
 * by confidence and split into {@value #BINS} bins of equal mass: bins differ by at most one row,
 * the first ones being the larger. Rows of equal confidence count with their mean accuracy, so that
 * their order does not matter. The expected calibration error is
 *
 * <pre>{@code
 * ECE = Σ_bins rows_b / rows · |accuracy_b − confidence_b|
 * }</pre>
 *
 * @param bins the reliability curve, from the least to the most confident rows, at least one bin
 * @see <a href="https://arxiv.org/abs/1904.01685">Nixon et al., Measuring calibration in deep
 *     learning, 2019</a>
 */
public record Calibration(List<Bin> bins) {

  /** The number of bins; as many as rows if there are fewer rows. */
  public static final int BINS = 15;

  /**
   * Copies the list.
   *
   * @param bins the reliability curve, from the least to the most confident rows, at least one bin
   * @throws IllegalArgumentException if there is no bin
   */
  public Calibration {
    bins = List.copyOf(bins);
    checkArgument(!bins.isEmpty(), "bins must have at least one bin but were empty");
  }

  /**
   * Rows of similar confidence.
   *
   * @param rows the number of rows, at least 1
   * @param confidence their mean confidence, from 0 to 1
   * @param accuracy the share of them that was recognised, from 0 to 1
   */
  public record Bin(int rows, double confidence, double accuracy) {}

  /**
   * Compares confidence with accuracy.
   *
   * @param logits the logits of each row, at least one a row; {@code -Infinity} for a class that is
   *     ruled out
   * @param labels the class of each row; rows of {@link DistillationDataset#NO_LABEL} are left out
   * @return the calibration; empty if no row has a label
   * @throws IllegalArgumentException if there are not as many labels as rows
   */
  public static Optional<Calibration> of(float[][] logits, int[] labels) {
    requireNonNull(logits, "logits");
    requireNonNull(labels, "labels");
    checkArgument(
        logits.length == labels.length,
        "labels must be as many as the %s rows of logits but were %s",
        logits.length,
        labels.length);
    int[] rows =
        IntStream.range(0, labels.length)
            .filter(row -> labels[row] != DistillationDataset.NO_LABEL)
            .toArray();
    if (rows.length == 0) {
      return Optional.empty();
    }
    double[] confidence = new double[rows.length];
    boolean[] correct = new boolean[rows.length];
    for (int i = 0; i < rows.length; i++) {
      double[] probabilities = Fidelity.probabilities(logits[rows[i]]);
      int best = 0;
      for (int c = 1; c < probabilities.length; c++) {
        best = probabilities[c] > probabilities[best] ? c : best;
      }
      confidence[i] = probabilities[best];
      correct[i] = best == labels[rows[i]];
    }
    return Optional.of(of(confidence, correct));
  }

  /**
   * Compares confidence with accuracy.
   *
   * @param confidence how sure the model was of each row, from 0 to 1
   * @param correct whether it was right, as many values
   * @return the calibration
   * @throws IllegalArgumentException if there is no row, or not as many values of both
   */
  public static Calibration of(double[] confidence, boolean[] correct) {
    requireNonNull(confidence, "confidence");
    requireNonNull(correct, "correct");
    int rows = confidence.length;
    checkArgument(rows > 0, "confidence must have at least one row but was empty");
    checkArgument(
        rows == correct.length,
        "correct must have as many rows as confidence, %s, but had %s",
        rows,
        correct.length);
    Integer[] order = IntStream.range(0, rows).boxed().toArray(Integer[]::new);
    Arrays.sort(order, (a, b) -> Double.compare(confidence[a], confidence[b]));
    double[] accuracy = sharedByTies(order, confidence, correct);
    int count = Math.min(BINS, rows);
    List<Bin> bins = new ArrayList<>();
    int start = 0;
    for (int bin = 0; bin < count; bin++) {
      int size = rows / count + (bin < rows % count ? 1 : 0);
      double confidences = 0;
      double accuracies = 0;
      for (int i = start; i < start + size; i++) {
        confidences += confidence[order[i]];
        accuracies += accuracy[i];
      }
      bins.add(new Bin(size, confidences / size, accuracies / size));
      start += size;
    }
    return new Calibration(bins);
  }

  private static double[] sharedByTies(Integer[] order, double[] confidence, boolean[] correct) {
    double[] accuracy = new double[order.length];
    for (int start = 0, end; start < order.length; start = end) {
      int right = 0;
      for (end = start;
          end < order.length && confidence[order[end]] == confidence[order[start]];
          end++) {
        right += correct[order[end]] ? 1 : 0;
      }
      Arrays.fill(accuracy, start, end, (double) right / (end - start));
    }
    return accuracy;
  }

  /**
   * Returns the expected calibration error.
   *
   * @return the mean distance of confidence and accuracy over the rows, from 0 to 1
   */
  public double error() {
    double sum = 0;
    long rows = 0;
    for (Bin bin : bins) {
      sum += bin.rows() * Math.abs(bin.accuracy() - bin.confidence());
      rows += bin.rows();
    }
    return sum / rows;
  }
}
