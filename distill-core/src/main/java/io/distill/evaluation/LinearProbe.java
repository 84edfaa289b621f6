package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import io.distill.model.SoftmaxRegression;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * How much a frozen representation knows about a question that it was not trained for: the accuracy
 * of a linear classifier on it, fitted on some rows and measured on others.
 *
 * <p>Representations of different models have different scales and widths, and a penalised
 * classifier would favour the larger. So every representation is first scaled by a single number:
 *
 * <pre>{@code
 * x ← (x − μ) / √(mean_rows ‖x − μ‖²),  μ = mean_rows x        (both of the training rows)
 * }</pre>
 *
 * <p>The result then depends neither on the scale, the offset, a rotation of the representation,
 * nor on how often it repeats the same features. Features are not standardised one by one, because
 * that would raise directions without content to the rank of the others. The classifier is {@link
 * SoftmaxRegression} with penalty {@value #L2}, fitted to its optimum: the figure depends on
 * nothing but the data.
 *
 * @see <a href="https://arxiv.org/abs/1610.01644">Alain and Bengio, Understanding intermediate
 *     layers using linear classifier probes, 2016</a>
 */
public final class LinearProbe {

  /** The strength of the penalty on the weights of the classifier. */
  public static final double L2 = 1e-3;

  private LinearProbe() {}

  /**
   * Fits a classifier on the embeddings of some rows and measures it on those of others.
   *
   * @param model the model; its {@link DeployableModel#embeddings} are what is probed
   * @param train the rows to fit on; those without a label are left out
   * @param test the rows to measure on; those without a label are left out
   * @return the accuracy on {@code test}, from 0 to 1
   * @throws DistillationException if a data set has no labelled row, {@code train} has fewer than 2
   *     classes, {@code test} has a class that {@code train} has not, or the model gives no
   *     embedding
   */
  public static double of(
      DeployableModel model, DistillationDataset train, DistillationDataset test) {
    boolean[] recognised = recognised(model, train, test);
    int correct = 0;
    for (boolean each : recognised) {
      correct += each ? 1 : 0;
    }
    return (double) correct / recognised.length;
  }

  /**
   * Fits a classifier on the embeddings of some rows and tells which of others it recognises.
   *
   * @param model the model; its {@link DeployableModel#embeddings} are what is probed
   * @param train the rows to fit on; those without a label are left out
   * @param test the rows to try; those without a label are left out
   * @return whether each labelled row of {@code test} was recognised, in their order
   * @throws DistillationException if a data set has no labelled row, {@code train} has fewer than 2
   *     classes, {@code test} has a class that {@code train} has not, or the model gives no
   *     embedding
   */
  public static boolean[] recognised(
      DeployableModel model, DistillationDataset train, DistillationDataset test) {
    requireNonNull(model, "model");
    int[] fitted = labelledRows(requireNonNull(train, "train"), "train");
    int[] measured = labelledRows(requireNonNull(test, "test"), "test");
    List<String> names = train.classNames();
    if (names.size() < 2) {
      throw new DistillationException(
          "train must have at least 2 classes but has only "
              + String.join(", ", names)
              + "; add rows of another class");
    }
    int[] testLabels = labels(test, measured);
    for (int i = 0; i < testLabels.length; i++) {
      String name = test.classNames().get(testLabels[i]);
      testLabels[i] = names.indexOf(name);
      if (testLabels[i] < 0) {
        throw new DistillationException(
            "test must have only classes of train, "
                + String.join(", ", names)
                + ", but row "
                + measured[i]
                + " has '"
                + name
                + "'; drop the row, or add rows of that class to train");
      }
    }
    int[] predicted =
        predict(
            rows(model.embeddings(train), fitted),
            labels(train, fitted),
            rows(model.embeddings(test), measured),
            testLabels,
            names.size());
    boolean[] recognised = new boolean[predicted.length];
    for (int i = 0; i < predicted.length; i++) {
      recognised[i] = predicted[i] == testLabels[i];
    }
    return recognised;
  }

  private static int[] labelledRows(DistillationDataset dataset, String name) {
    int[] rows =
        IntStream.range(0, dataset.size())
            .filter(row -> dataset.label(row) != DistillationDataset.NO_LABEL)
            .toArray();
    if (rows.length == 0) {
      throw new DistillationException(
          name
              + " must have at least one labelled row but none of its "
              + dataset.size()
              + " rows has a label; name the label column");
    }
    return rows;
  }

  private static int[] labels(DistillationDataset dataset, int[] rows) {
    return Arrays.stream(rows).map(dataset::label).toArray();
  }

  private static float[][] rows(float[][] vectors, int[] rows) {
    return Arrays.stream(rows).mapToObj(row -> vectors[row]).toArray(float[][]::new);
  }

  /**
   * Fits a classifier on some vectors and measures it on others.
   *
   * @param trainFeatures the vectors to fit on, one a row, all of one width
   * @param trainLabels the class of each, from 0 to below {@code classes}
   * @param testFeatures the vectors to measure on, of the same width
   * @param testLabels the class of each
   * @param classes the number of classes, at least 2
   * @return the accuracy on the vectors to measure on, from 0 to 1
   * @throws IllegalArgumentException if there are no vectors, their numbers or widths do not fit,
   *     or a label is out of range
   */
  public static double accuracy(
      float[][] trainFeatures,
      int[] trainLabels,
      float[][] testFeatures,
      int[] testLabels,
      int classes) {
    return Evaluation.agreement(
        predict(trainFeatures, trainLabels, testFeatures, testLabels, classes), testLabels);
  }

  private static int[] predict(
      float[][] trainFeatures,
      int[] trainLabels,
      float[][] testFeatures,
      int[] testLabels,
      int classes) {
    requireNonNull(trainFeatures, "trainFeatures");
    requireNonNull(testFeatures, "testFeatures");
    checkRows("train", trainFeatures, requireNonNull(trainLabels, "trainLabels"));
    checkRows("test", testFeatures, requireNonNull(testLabels, "testLabels"));
    int width = trainFeatures[0].length;
    checkWidth("trainFeatures", trainFeatures, width);
    checkWidth("testFeatures", testFeatures, width);
    double[] mean = mean(trainFeatures, width);
    double length = meanLength(trainFeatures, mean);
    SoftmaxRegression probe =
        SoftmaxRegression.fit(scaled(trainFeatures, mean, length), trainLabels, classes, L2);
    return probe.predict(scaled(testFeatures, mean, length));
  }

  private static void checkRows(String name, float[][] features, int[] labels) {
    checkArgument(
        features.length > 0, "%sFeatures must have at least one row but were empty", name);
    checkArgument(
        features.length == labels.length,
        "%sLabels must be as many as %sFeatures, %s, but were %s",
        name,
        name,
        features.length,
        labels.length);
  }

  private static void checkWidth(String name, float[][] features, int width) {
    for (int row = 0; row < features.length; row++) {
      checkArgument(
          features[row].length == width,
          "%s must have width %s, that of the first training row, but row %s has %s",
          name,
          width,
          row,
          features[row].length);
    }
  }

  private static double[] mean(float[][] features, int width) {
    double[] mean = new double[width];
    for (float[] row : features) {
      for (int i = 0; i < width; i++) {
        mean[i] += (double) row[i] / features.length;
      }
    }
    return mean;
  }

  private static double meanLength(float[][] features, double[] mean) {
    double sum = 0;
    for (float[] row : features) {
      for (int i = 0; i < mean.length; i++) {
        double difference = row[i] - mean[i];
        sum += difference * difference;
      }
    }
    // all rows alike: there is nothing to scale, and nothing to learn
    return sum == 0 ? 1 : Math.sqrt(sum / features.length);
  }

  private static float[][] scaled(float[][] features, double[] mean, double length) {
    float[][] scaled = new float[features.length][mean.length];
    for (int row = 0; row < features.length; row++) {
      for (int i = 0; i < mean.length; i++) {
        scaled[row][i] = (float) ((features[row][i] - mean[i]) / length);
      }
    }
    return scaled;
  }
}
