package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.primitives.ImmutableIntArray;
import io.distill.data.DistillationDataset;
import io.distill.data.TextDataset;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;

/**
 * How often a model is right on the labelled rows of a data set: over all, by class, and which
 * class it takes for which.
 *
 * <p>Rows without a label are left out. Immutable.
 */
public final class Evaluation {

  private final List<String> classNames;
  private final ImmutableIntArray confusion;
  private final List<ClassResult> classes;
  private final int rows;
  private final int correct;

  private Evaluation(List<String> classNames, int[] confusion) {
    this.classNames = List.copyOf(classNames);
    this.confusion = ImmutableIntArray.copyOf(confusion);
    List<ClassResult> results = new ArrayList<>();
    int allRows = 0;
    int allCorrect = 0;
    int count = classNames.size();
    for (int actual = 0; actual < count; actual++) {
      int classRows = 0;
      for (int predicted = 0; predicted < count; predicted++) {
        classRows += confusion[actual * count + predicted];
      }
      int classCorrect = confusion[actual * count + actual];
      allRows += classRows;
      allCorrect += classCorrect;
      if (classRows > 0) {
        results.add(new ClassResult(classNames.get(actual), classRows, classCorrect));
      }
    }
    this.classes = List.copyOf(results);
    this.rows = allRows;
    this.correct = allCorrect;
  }

  /**
   * What became of the rows of one class.
   *
   * @param name the name of the class
   * @param rows the number of rows that have this label, at least 1
   * @param correct the number of those that were recognised
   */
  public record ClassResult(String name, int rows, int correct) {
    /**
     * Checks the values.
     *
     * @param name the name of the class
     * @param rows the number of rows that have this label, at least 1
     * @param correct the number of those that were recognised
     * @throws IllegalArgumentException if a value is out of range
     */
    public ClassResult {
      requireNonNull(name, "name");
      checkArgument(rows >= 1, "rows must be at least 1 but were %s", rows);
      checkArgument(
          correct >= 0 && correct <= rows,
          "correct must be from 0 to rows %s but was %s",
          rows,
          correct);
    }

    /**
     * Returns the accuracy on the rows of this class, also called its recall.
     *
     * @return the share of the class's rows that were recognised, from 0 to 1
     */
    public double accuracy() {
      return (double) correct / rows;
    }
  }

  /**
   * Evaluates a model.
   *
   * <p>Labels are compared by class name: a text data set whose classes stand in another order than
   * the model's is read in the model's order. For a model without class names the order of the data
   * set counts.
   *
   * @param model the model; it must give logits
   * @param test the rows
   * @return the evaluation over the labelled rows
   * @throws DistillationException if no row has a label, a class of the data set is none of the
   *     model, or the model decides for a class that the data set does not know
   */
  public static Evaluation of(DeployableModel model, DistillationDataset test) {
    requireNonNull(model, "model");
    requireNonNull(test, "test");
    DistillationDataset aligned = aligned(model.classNames(), test);
    requireLabels(aligned);
    List<String> names = model.classNames().isEmpty() ? aligned.classNames() : model.classNames();
    int[] predicted = model.predict(aligned);
    for (int row = 0; row < predicted.length; row++) {
      if (predicted[row] >= names.size()) {
        throw new DistillationException(
            "test must know all classes of the model but has "
                + names.size()
                + " and row "
                + row
                + " was predicted as class "
                + predicted[row]
                + "; give the test set the classes of the training set with classes(...)");
      }
    }
    return count(predicted, aligned, names);
  }

  /**
   * Evaluates predictions that were made elsewhere.
   *
   * @param predicted the predicted class of each row, an index into the data set's class names
   * @param test the rows
   * @return the evaluation over the labelled rows
   * @throws IllegalArgumentException if the predictions are not as many as the rows, or one is no
   *     class of the data set
   * @throws DistillationException if no row has a label
   */
  public static Evaluation of(int[] predicted, DistillationDataset test) {
    requireNonNull(predicted, "predicted");
    requireNonNull(test, "test");
    checkArgument(
        predicted.length == test.size(),
        "predicted must be as many as the %s rows of test but were %s",
        test.size(),
        predicted.length);
    requireLabels(test);
    List<String> names = test.classNames();
    for (int row = 0; row < predicted.length; row++) {
      checkArgument(
          predicted[row] >= 0 && predicted[row] < names.size(),
          "predicted must be from 0 to below %s but row %s has %s",
          names.size(),
          row,
          predicted[row]);
    }
    return count(predicted, test, names);
  }

  private static DistillationDataset aligned(List<String> modelNames, DistillationDataset test) {
    List<String> names = test.classNames();
    boolean leading =
        names.size() <= modelNames.size() && modelNames.subList(0, names.size()).equals(names);
    if (modelNames.isEmpty() || leading) {
      return test;
    }
    if (test instanceof TextDataset texts) {
      return texts.classes(modelNames);
    }
    throw new DistillationException(
        "test must have the classes of the model in the same order but has "
            + String.join(", ", names)
            + " and the model has "
            + String.join(", ", modelNames)
            + "; number the labels as in training");
  }

  private static void requireLabels(DistillationDataset test) {
    for (int row = 0; row < test.size(); row++) {
      if (test.label(row) != DistillationDataset.NO_LABEL) {
        return;
      }
    }
    throw new DistillationException(
        "test must have at least one labelled row but none of its "
            + test.size()
            + " rows has a label; name the label column, or measure agreement(...) instead");
  }

  private static Evaluation count(int[] predicted, DistillationDataset test, List<String> names) {
    int[] confusion = new int[Math.multiplyExact(names.size(), names.size())];
    for (int row = 0; row < predicted.length; row++) {
      int label = test.label(row);
      if (label != DistillationDataset.NO_LABEL) {
        confusion[label * names.size() + predicted[row]]++;
      }
    }
    return new Evaluation(names, confusion);
  }

  /**
   * Compares the decisions of two models on the same rows.
   *
   * @param first the predicted class of each row by one model, at least one
   * @param second the predicted class of each row by the other
   * @return the share of rows on which both decide alike, from 0 to 1
   * @throws IllegalArgumentException if there are no rows, or not equally many
   */
  public static double agreement(int[] first, int[] second) {
    requireNonNull(first, "first");
    requireNonNull(second, "second");
    checkArgument(
        first.length == second.length,
        "first and second must be equally many but were %s and %s",
        first.length,
        second.length);
    checkArgument(first.length > 0, "first and second must have at least one row but were empty");
    int same = 0;
    for (int row = 0; row < first.length; row++) {
      same += first[row] == second[row] ? 1 : 0;
    }
    return (double) same / first.length;
  }

  /**
   * Returns the number of rows that counted.
   *
   * @return the number of labelled rows, at least 1
   */
  public int rows() {
    return rows;
  }

  /**
   * Returns how many rows were recognised.
   *
   * @return the number of labelled rows whose predicted class is their label
   */
  public int correct() {
    return correct;
  }

  /**
   * Returns the accuracy.
   *
   * @return the share of labelled rows that were recognised, from 0 to 1
   */
  public double accuracy() {
    return (double) correct / rows;
  }

  /**
   * Returns the mean of the classes' accuracies, in which a rare class counts as much as a common
   * one.
   *
   * @return the balanced accuracy over the classes that occur, from 0 to 1
   */
  public double balancedAccuracy() {
    return classes.stream().mapToDouble(ClassResult::accuracy).average().orElseThrow();
  }

  /**
   * Returns the mean of the classes' F1 scores, in which a rare class counts as much as a common
   * one.
   *
   * <pre>{@code
   * F1_c = 2 · correct_c / (rows_c + predicted_c)
   * }</pre>
   *
   * @return the macro-averaged F1 score over the classes that occur or were predicted, from 0 to 1
   */
  public double macroF1() {
    int count = classNames.size();
    double sum = 0;
    int counted = 0;
    for (int label = 0; label < count; label++) {
      int both = 0;
      for (int other = 0; other < count; other++) {
        both += confusion(label, other) + confusion(other, label);
      }
      if (both > 0) {
        sum += 2.0 * confusion(label, label) / both;
        counted++;
      }
    }
    return sum / counted;
  }

  /**
   * Returns the results by class.
   *
   * @return one entry for each class that at least one row has, in the order of classes
   */
  public List<ClassResult> classes() {
    return classes;
  }

  /**
   * Returns the class that is recognised worst.
   *
   * @return the class of the lowest accuracy; the first of them if several are equal
   */
  public ClassResult worstClass() {
    return classes.stream().min(Comparator.comparingDouble(ClassResult::accuracy)).orElseThrow();
  }

  /**
   * Returns the names of all classes, in the order of {@link #confusion(int, int)}.
   *
   * @return the names, also of classes that no row has
   */
  public List<String> classNames() {
    return classNames;
  }

  /**
   * Returns an entry of the confusion matrix.
   *
   * @param actual the index of the class that rows have
   * @param predicted the index of the class that was predicted
   * @return the number of such rows
   * @throws IndexOutOfBoundsException if there is no such class
   */
  public int confusion(int actual, int predicted) {
    int count = classNames.size();
    return confusion.get(
        Objects.checkIndex(actual, count) * count + Objects.checkIndex(predicted, count));
  }

  /**
   * Returns the confusion matrix.
   *
   * @return a copy; entry {@code [actual][predicted]} is a number of rows
   */
  public int[][] confusionMatrix() {
    int count = classNames.size();
    int[][] matrix = new int[count][];
    for (int actual = 0; actual < count; actual++) {
      matrix[actual] = confusion.subArray(actual * count, (actual + 1) * count).toArray();
    }
    return matrix;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Evaluation that
        && classNames.equals(that.classNames)
        && confusion.equals(that.confusion);
  }

  @Override
  public int hashCode() {
    return Objects.hash(classNames, confusion);
  }

  @Override
  public String toString() {
    return "Evaluation[" + correct + " of " + rows + " rows correct]";
  }
}
