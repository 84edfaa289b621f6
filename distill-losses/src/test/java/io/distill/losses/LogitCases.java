package io.distill.losses;

import io.distill.signal.SignalKind;
import java.util.LinkedHashMap;
import java.util.Map;

/** Batches of five rows of four logits, and what tests of losses on logits do with them. */
final class LogitCases {

  static final int ROWS = 5;
  static final int CLASSES = 4;

  private LogitCases() {}

  static LossCase drawn(long seed, double scale) {
    return drawn(seed, scale, ROWS, CLASSES);
  }

  static LossCase drawn(long seed, double scale, int rows, int classes) {
    return LossCase.of(
        SignalKind.LOGITS,
        Values.drawn(seed, scale, rows, classes),
        Values.drawn(seed + 100, scale, rows, classes));
  }

  /** Returns batches whose teacher does not fit five rows of four logits, and the messages. */
  static Map<String, LossCase> misfits(LossCase example) {
    Map<String, LossCase> misfits = new LinkedHashMap<>();
    misfits.put(
        "teacher and student logits must have the same number of classes but were 7 (teacher,"
            + " shape (5, 7)) and 4 (student, shape (5, 4)); select the shared classes or use a"
            + " feature loss",
        example.mapTeacher(values -> Values.drawn(9, 1, ROWS, 7)));
    misfits.put(
        "teacher and student logits must have the same number of rows but were 3 (teacher, shape"
            + " (3, 4)) and 5 (student, shape (5, 4)); give both models the same batch",
        example.mapTeacher(values -> Values.drawn(9, 1, 3, CLASSES)));
    misfits.put(
        "teacher and student logits must have shape (rows, classes) but were (5, 2, 4) (teacher)"
            + " and (5, 4) (student); reshape tokens into rows first",
        example.mapTeacher(values -> Values.drawn(9, 1, ROWS, 2, CLASSES)));
    return misfits;
  }

  /** Returns the same with labels that do not fit. */
  static Map<String, LossCase> labelledMisfits(LossCase example) {
    Map<String, LossCase> misfits = misfits(example);
    misfits.put(
        "student logits and labels must have shapes (rows, classes) and (rows) but were (5, 4)"
            + " (student) and (2) (labels); give one label a row, -1 where there is none",
        example.withLabels(0, 1));
    return misfits;
  }

  /** Adds a class that cannot be, as padding of a vocabulary does. */
  static Values padded(Values values) {
    int rows = values.rows();
    int classes = Math.toIntExact(values.shape()[1]);
    double[] from = values.doubles();
    double[] wide = new double[rows * (classes + 1)];
    for (int row = 0; row < rows; row++) {
      System.arraycopy(from, row * classes, wide, row * (classes + 1), classes);
      wide[row * (classes + 1) + classes] = Double.NEGATIVE_INFINITY;
    }
    return new Values(wide, rows, classes + 1);
  }

  /** Returns {@code factors[row] * values + offsets[row]}. */
  static Values affine(Values values, double[] factors, double[] offsets) {
    double[] numbers = values.doubles();
    int width = numbers.length / values.rows();
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = numbers[i] * factors[i / width] + offsets[i / width];
    }
    return new Values(numbers, values.shape());
  }

  /** Returns the tempered probabilities of rows of logits. */
  static Values softmax(Values logits, double temperature) {
    double[] numbers = logits.doubles();
    int width = numbers.length / logits.rows();
    for (int start = 0; start < numbers.length; start += width) {
      double sum = 0;
      for (int i = start; i < start + width; i++) {
        numbers[i] = Math.exp(numbers[i] / temperature);
        sum += numbers[i];
      }
      for (int i = start; i < start + width; i++) {
        numbers[i] /= sum;
      }
    }
    return new Values(numbers, logits.shape());
  }

  /** Returns the logarithms of numbers. */
  static Values log(Values values) {
    double[] numbers = values.doubles();
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = Math.log(numbers[i]);
    }
    return new Values(numbers, values.shape());
  }
}
