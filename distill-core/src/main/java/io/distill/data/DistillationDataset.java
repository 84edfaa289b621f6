package io.distill.data;

import ai.djl.training.dataset.RandomAccessDataset;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * An immutable, finite set of samples to distil on: inputs, and a class label for those rows that
 * have one.
 *
 * <p>Implementations are thread-safe.
 */
public interface DistillationDataset {

  /** The label of a row that has none. */
  int NO_LABEL = -1;

  /**
   * Returns the number of rows.
   *
   * @return the number of rows, at least 1
   */
  int size();

  /**
   * Returns the names of the classes; a label is an index into this list.
   *
   * @return the class names, empty if no class is known
   */
  List<String> classNames();

  /**
   * Returns the label of a row.
   *
   * @param row the row, from 0 to {@code size() - 1}
   * @return the index of the row's class in {@link #classNames()}, or {@link #NO_LABEL}
   * @throws IndexOutOfBoundsException if there is no such row
   */
  int label(int row);

  /**
   * Returns whether the rows have labels of tokens instead of one label a row, as the texts do that
   * a language model learns from.
   *
   * @return whether {@link BatchSource#tokenLabels} gives them; then no row has a {@link #label} of
   *     its own; default false
   */
  default boolean hasTokenLabels() {
    return false;
  }

  /**
   * Returns the stable id of a sample; the same sample has the same id in another run, another
   * order or another subset, so that what a teacher said can be kept under it.
   *
   * @param row the row, from 0 to {@code size() - 1}
   * @return the sample id
   * @throws IndexOutOfBoundsException if there is no such row
   */
  String id(int row);

  /**
   * Returns the source of input batches for one model.
   *
   * @param tokenizer the tokenizer of the model; {@code null} for a model that reads no token ids
   *     (arrays, or a hosted model that reads the texts)
   * @return the source; calls with an equal tokenizer share the tokenised rows
   */
  BatchSource inputs(@Nullable Tokenizer tokenizer);

  /**
   * Returns a digest of everything in the dataset: inputs, labels, class names, order of rows.
   *
   * @return a SHA-256 digest in hexadecimal, equal for equal datasets in every run
   */
  String fingerprint();

  /**
   * Wraps a DJL dataset.
   *
   * <p>The dataset is prepared and read once, for labels and fingerprint. Batches go through the
   * dataset's own pipelines and batchifiers. A label is the first label array of a record: an
   * integral scalar, or a single element; a record without label arrays is unlabelled. Classes are
   * named {@code "0"} to the largest label.
   *
   * <p>Labels of integers and shape {@code [L]} are those of tokens, negative where a token does
   * not count; there are no classes then. If the second input is an attention mask, {@code [L]} of
   * ones followed by zeros in every row, a row has as many tokens as ones; otherwise its tokens are
   * not counted (see {@link BatchSource#length}).
   *
   * @param dataset the dataset; rows are read with {@code get(manager, index)}
   * @return a view of the dataset
   * @throws io.distill.exception.DistillationException if the dataset cannot be read, is empty, or
   *     has a label that is neither an integral scalar of at least 0 (or -1 for none) nor integers
   *     of tokens
   */
  static DistillationDataset of(RandomAccessDataset dataset) {
    return RecordDataset.of(dataset);
  }
}
