package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.exception.DistillationException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Options for reading a text file into a {@link TextDataset}; made by {@link TextDataset#csv},
 * {@link TextDataset#tsv} and {@link TextDataset#jsonLines}. Not thread-safe.
 *
 * <p>Files are UTF-8, with or without a byte order mark, and may be compressed with gzip. Blank
 * lines are skipped. A row with an empty label is unlabelled. Nothing is guessed from a damaged
 * file: the first fault stops reading with the number of its line.
 */
@SuppressWarnings({"UnusedVariable", "DoNotCallSuggester", "unused"})
public final class TextFileReader {

  /** The names that a text column is recognised by, in this order; case does not matter. */
  static final List<String> TEXT_NAMES =
      List.of("text", "sentence", "document", "utterance", "query", "content", "body");

  /** The names that a label column is recognised by, in this order; case does not matter. */
  static final List<String> LABEL_NAMES = List.of("label", "category", "intent", "class", "target");

  enum Format {
    CSV,
    TSV,
    JSON_LINES
  }

  private final Path path;
  private final Format format;
  private @Nullable String textColumn;
  private @Nullable String labelColumn;
  private @Nullable Boolean header;
  private int textIndex = -1;
  private int labelIndex = -1;
  private boolean unlabelled;
  private boolean quoted;

  TextFileReader(Path path, Format format) {
    this.path = requireNonNull(path, "path");
    this.format = format;
    this.quoted = format == Format.CSV;
  }

  /**
   * Names the column of the texts. Default: {@code text}, {@code sentence}, {@code document},
   * {@code utterance}, {@code query}, {@code content} or {@code body}, in any case.
   *
   * @param name the name in the header, or the key in JSON Lines
   * @return this reader
   */
  @CanIgnoreReturnValue
  public TextFileReader textColumn(String name) {
    this.textColumn = requireNonNull(name, "name");
    return this;
  }

  /**
   * Names the column of the labels. Default: {@code label}, {@code category}, {@code intent},
   * {@code class} or {@code target}, in any case.
   *
   * @param name the name in the header, or the key in JSON Lines
   * @return this reader
   */
  @CanIgnoreReturnValue
  public TextFileReader labelColumn(String name) {
    this.labelColumn = requireNonNull(name, "name");
    return this;
  }

  /**
   * Says where the columns are in a CSV or TSV file; no names are looked up then. Default without a
   * header: the only column is the text; of two columns the first is the text, the second the
   * label.
   *
   * @param text the position of the text, counted from 0
   * @param label the position of the label, counted from 0
   * @return this reader
   * @throws IllegalArgumentException if a position is below 0 or both are the same
   */
  @CanIgnoreReturnValue
  public TextFileReader columns(int text, int label) {
    checkArgument(text >= 0, "text must be at least 0 but was %s", text);
    checkArgument(label >= 0, "label must be at least 0 but was %s", label);
    checkArgument(text != label, "text and label must be different columns but both were %s", text);
    this.textIndex = text;
    this.labelIndex = label;
    return this;
  }

  /**
   * Says whether the first row of a CSV or TSV file names the columns. Default: it does if a column
   * name was given, or if one of its fields is a name that a text column is recognised by.
   *
   * @param present whether the first row is a header
   * @return this reader
   */
  @CanIgnoreReturnValue
  public TextFileReader header(boolean present) {
    this.header = present;
    return this;
  }

  /**
   * Says whether fields of a CSV or TSV file may be quoted. Default: yes for CSV, no for TSV.
   *
   * @param quotes whether a field that starts with {@code "} ends at the next single one
   * @return this reader
   */
  @CanIgnoreReturnValue
  public TextFileReader quoted(boolean quotes) {
    this.quoted = quotes;
    return this;
  }

  /**
   * Ignores labels, whether the file has any or not.
   *
   * @return this reader
   */
  @CanIgnoreReturnValue
  public TextFileReader unlabelled() {
    this.unlabelled = true;
    return this;
  }

  /**
   * Reads the file.
   *
   * @return the dataset, in the order of the file
   * @throws DistillationException if the file is missing, damaged or without rows, or lacks a
   *     column; the message names the line
   * @throws IllegalStateException if options contradict each other
   */
  public TextDataset read() {
    throw new UnsupportedOperationException();
  }
}
