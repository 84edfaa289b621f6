package io.distill.training;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/** Rows of numbers in Java memory; takes any labels, so that checks can be tested. */
public final class FloatRows implements DistillationDataset, BatchSource {

  private final float[][] rows;
  private final int[] labels;
  private final List<String> classNames;

  private FloatRows(float[][] rows, int[] labels, List<String> classNames) {
    this.rows = rows;
    this.labels = labels;
    this.classNames = classNames;
  }

  public static FloatRows of(float[][] rows, int[] labels, String... classNames) {
    return new FloatRows(rows, labels, List.of(classNames));
  }

  /** Draws rows from a normal distribution; the label tells where the largest value stands. */
  public static FloatRows random(int size, int width, long seed) {
    Random random = new Random(seed);
    float[][] rows = new float[size][width];
    int[] labels = new int[size];
    for (int i = 0; i < size; i++) {
      for (int j = 0; j < width; j++) {
        rows[i][j] = (float) random.nextGaussian();
        labels[i] = rows[i][j] > rows[i][labels[i]] ? j : labels[i];
      }
    }
    List<String> names = new ArrayList<>();
    for (int j = 0; j < width; j++) {
      names.add("class " + j);
    }
    return new FloatRows(rows, labels, names);
  }

  public FloatRows withLabels(int... newLabels) {
    return new FloatRows(rows, newLabels, classNames);
  }

  public FloatRows withoutClasses() {
    int[] none = new int[rows.length];
    Arrays.fill(none, NO_LABEL);
    return new FloatRows(rows, none, List.of());
  }

  public float[] row(int row) {
    return rows[row].clone();
  }

  @Override
  public int size() {
    return rows.length;
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  @Override
  public int label(int row) {
    return labels[row];
  }

  @Override
  public String id(int row) {
    return "row " + row;
  }

  @Override
  public BatchSource inputs(@Nullable Tokenizer tokenizer) {
    return this;
  }

  @Override
  public String fingerprint() {
    return Arrays.deepToString(rows) + Arrays.toString(labels) + classNames;
  }

  @Override
  public int length(int row) {
    return 1;
  }

  @Override
  public Batch batch(NDManager manager, int[] wanted) {
    int width = rows[0].length;
    float[] values = new float[wanted.length * width];
    List<String> ids = new ArrayList<>();
    for (int i = 0; i < wanted.length; i++) {
      System.arraycopy(rows[wanted[i]], 0, values, i * width, width);
      ids.add(id(wanted[i]));
    }
    return new Batch(
        new NDList(manager.create(values, new Shape(wanted.length, width))),
        wanted,
        ids,
        List.of());
  }
}
