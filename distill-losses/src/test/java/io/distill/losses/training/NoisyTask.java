package io.distill.losses.training;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.ArrayDataset;
import io.distill.data.DistillationDataset;
import java.util.Random;

/**
 * Rows of six numbers in four classes that a curved rule tells apart. A fifth of the labels is
 * wrong, so that one learner of a few rows is easily misled, and many are not.
 */
final class NoisyTask {

  static final int CLASSES = 4;
  private static final int WIDTH = 6;
  private static final int HIDDEN = 12;
  private static final double WRONG = 0.2;

  private final NDManager manager;
  private final double[][] hidden = new double[HIDDEN][WIDTH];
  private final double[][] output = new double[CLASSES][HIDDEN];

  NoisyTask(NDManager manager) {
    this.manager = manager;
    Random random = new Random(5);
    for (double[] row : hidden) {
      for (int i = 0; i < WIDTH; i++) {
        row[i] = random.nextGaussian();
      }
    }
    for (double[] row : output) {
      for (int i = 0; i < HIDDEN; i++) {
        row[i] = random.nextGaussian();
      }
    }
  }

  private int rule(float[] row) {
    int best = 0;
    double highest = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < CLASSES; c++) {
      double score = 0;
      for (int h = 0; h < HIDDEN; h++) {
        double sum = 0;
        for (int i = 0; i < WIDTH; i++) {
          sum += hidden[h][i] * row[i];
        }
        score += output[c][h] * Math.tanh(sum);
      }
      if (score > highest) {
        highest = score;
        best = c;
      }
    }
    return best;
  }

  /** Returns rows whose labels are all right. */
  DistillationDataset clean(int rows, long seed) {
    return rows(rows, rows, 0, seed);
  }

  /** Returns rows of which the first ones have a label, a fifth of them a wrong one. */
  DistillationDataset noisy(int rows, int labelled, long seed) {
    return rows(rows, labelled, WRONG, seed);
  }

  private DistillationDataset rows(int rows, int labelled, double wrong, long seed) {
    Random random = new Random(seed);
    float[] values = new float[rows * WIDTH];
    long[] labels = new long[rows];
    for (int r = 0; r < rows; r++) {
      float[] row = new float[WIDTH];
      for (int i = 0; i < WIDTH; i++) {
        row[i] = (float) random.nextGaussian();
      }
      System.arraycopy(row, 0, values, r * WIDTH, WIDTH);
      int other = random.nextInt(CLASSES);
      boolean misled = random.nextDouble() < wrong;
      labels[r] = r >= labelled ? DistillationDataset.NO_LABEL : misled ? other : rule(row);
    }
    NDArray data = manager.create(values, new Shape(rows, WIDTH));
    return DistillationDataset.of(
        new ArrayDataset.Builder()
            .setData(data)
            .optLabels(manager.create(labels, new Shape(rows)))
            .setSampling(32, false)
            .build());
  }
}
