package io.distill.report;

import io.distill.data.DistillationDataset;

/** Counts recognised rows by class; scores are those of {@code Evaluation}, only faster. */
final class Tally {

  private final int[] actual;
  private final int[] predicted;
  private final int[] correct;
  private int rows;
  private int right;

  Tally(int classes) {
    this.actual = new int[classes];
    this.predicted = new int[classes];
    this.correct = new int[classes];
  }

  /** Counts some rows; those without a label are left out. */
  Tally add(int[] labels, int[] answers, int[] which) {
    for (int row : which) {
      int label = labels[row];
      if (label != DistillationDataset.NO_LABEL) {
        int answer = answers[row];
        rows++;
        actual[label]++;
        predicted[answer]++;
        if (answer == label) {
          right++;
          correct[label]++;
        }
      }
    }
    return this;
  }

  /** Returns NaN if no row had a label. */
  double accuracy() {
    return (double) right / rows;
  }

  double balancedAccuracy() {
    double sum = 0;
    int counted = 0;
    for (int c = 0; c < actual.length; c++) {
      if (actual[c] > 0) {
        sum += (double) correct[c] / actual[c];
        counted++;
      }
    }
    return sum / counted;
  }

  double macroF1() {
    double sum = 0;
    int counted = 0;
    for (int c = 0; c < actual.length; c++) {
      int both = actual[c] + predicted[c];
      if (both > 0) {
        sum += 2.0 * correct[c] / both;
        counted++;
      }
    }
    return sum / counted;
  }

  /** Returns NaN if no row has the class. */
  double accuracy(int label) {
    return (double) correct[label] / actual[label];
  }

  int rows(int label) {
    return actual[label];
  }

  int rows() {
    return rows;
  }
}
