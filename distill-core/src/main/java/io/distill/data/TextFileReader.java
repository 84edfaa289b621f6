package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import io.distill.internal.StrictJson;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.apache.commons.csv.CSVFormat;
import org.apache.commons.csv.CSVParser;
import org.apache.commons.csv.CSVRecord;
import org.jspecify.annotations.Nullable;

/**
 * Options for reading a text file into a {@link TextDataset}; made by {@link TextDataset#csv},
 * {@link TextDataset#tsv} and {@link TextDataset#jsonLines}. Not thread-safe.
 *
 * <p>Files are UTF-8, with or without a byte order mark, and may be compressed with gzip. Blank
 * lines are skipped. A row with an empty label is unlabelled. Nothing is guessed from a damaged
 * file: the first fault stops reading with the number of its line.
 */
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
    checkOptions();
    List<TextExample> examples = new ArrayList<>();
    try (StrictTextReader reader = StrictTextReader.open(path)) {
      if (format == Format.JSON_LINES) {
        readLines(new BufferedReader(reader), examples);
      } else {
        readTable(reader, examples);
      }
    } catch (UncheckedIOException | IOException e) {
      throw new DistillationException(
          "data file " + path + " must be readable but was not: " + e.getMessage(), e);
    }
    if (examples.isEmpty()) {
      throw new DistillationException(
          "data file " + path + " must have at least one row of text but had none");
    }
    return TextDataset.of(examples);
  }

  private void checkOptions() {
    checkState(
        textIndex < 0 || (textColumn == null && labelColumn == null),
        "columns must be given by name or by position but were given by both");
    checkState(
        format != Format.JSON_LINES || (textIndex < 0 && header == null),
        "columns and header must not be set for JSON Lines, whose columns are keys");
    checkState(
        !Boolean.FALSE.equals(header) || (textColumn == null && labelColumn == null),
        "columns must be given by position, columns(text, label), in a file without a header but"
            + " were given by name");
  }

  private void readTable(Reader reader, List<TextExample> examples) throws IOException {
    CSVFormat.Builder csv =
        CSVFormat.DEFAULT
            .builder()
            .setDelimiter(format == Format.CSV ? ',' : '\t')
            .setQuote(quoted ? Character.valueOf('"') : null)
            // counted as lines here, and skipped below
            .setIgnoreEmptyLines(false);
    try (CSVParser parser = CSVParser.builder().setReader(reader).setFormat(csv.get()).get()) {
      Iterator<CSVRecord> records = parser.iterator();
      Columns columns = null;
      for (long line = 1; hasNext(records, line); line = parser.getCurrentLineNumber() + 1) {
        CSVRecord row = records.next();
        if (row.size() == 1 && row.get(0).isBlank()) {
          continue;
        }
        if (columns == null) {
          boolean named = hasHeader(row);
          columns = named ? columnsOfHeader(row) : columnsWithoutHeader(row);
          if (named) {
            continue;
          }
        }
        if (row.size() != columns.count()) {
          throw new DistillationException(
              "row at line "
                  + line
                  + " of "
                  + path
                  + " must have "
                  + columns.count()
                  + " columns like the first but had "
                  + row.size()
                  + (quoted ? "; quote a field that has a separator in it" : ""));
        }
        String label = columns.label() < 0 ? null : row.get(columns.label());
        examples.add(example(row.get(columns.text()), label, line));
      }
    }
  }

  private boolean hasNext(Iterator<CSVRecord> records, long line) {
    try {
      return records.hasNext();
    } catch (UncheckedIOException e) {
      throw new DistillationException(
          "row at line "
              + line
              + " of "
              + path
              + " must be well-formed but was not: "
              + requireNonNull(e.getCause()).getMessage()
              + "; double a quote inside a quoted field and close the field, or read with"
              + " quoted(false)",
          e);
    }
  }

  private TextExample example(String text, @Nullable String label, long line) {
    if (text.isBlank()) {
      throw new DistillationException(
          "text at line "
              + line
              + " of "
              + path
              + " must not be blank but was '"
              + text
              + "'; remove the row");
    }
    return new TextExample(text, label);
  }

  private record Columns(int count, int text, int label) {}

  private boolean hasHeader(CSVRecord first) {
    if (header != null) {
      return header;
    }
    if (textColumn != null || labelColumn != null) {
      return true;
    }
    if (textIndex >= 0) {
      return textIndex < first.size() && find(TEXT_NAMES, List.of(first.get(textIndex))) == 0;
    }
    return find(TEXT_NAMES, first.toList()) >= 0;
  }

  private Columns columnsOfHeader(CSVRecord first) {
    if (textIndex >= 0) {
      return columnsByPosition(first);
    }
    List<String> names = first.stream().map(String::strip).toList();
    int text = textColumn == null ? find(TEXT_NAMES, names) : names.indexOf(textColumn);
    if (text < 0) {
      throw missing("text", textColumn, TEXT_NAMES, names, "textColumn(...)");
    }
    if (unlabelled) {
      return new Columns(names.size(), text, -1);
    }
    int label = labelColumn == null ? find(LABEL_NAMES, names) : names.indexOf(labelColumn);
    // a column that might be the label under another name is not passed over in silence
    if (label < 0 && (labelColumn != null || names.size() > 1)) {
      throw missing(
          "label", labelColumn, LABEL_NAMES, names, "labelColumn(...), or call unlabelled()");
    }
    return new Columns(names.size(), text, label);
  }

  private DistillationException missing(
      String kind,
      @Nullable String wanted,
      List<String> known,
      Iterable<String> present,
      String nextStep) {
    return new DistillationException(
        kind
            + " column "
            + (wanted == null ? "(one of " + String.join(", ", known) + ")" : "'" + wanted + "'")
            + " must exist in "
            + path
            + " but the "
            + (format == Format.JSON_LINES ? "object in the first line" : "header")
            + " has: "
            + String.join(", ", present)
            + "; name it with "
            + nextStep);
  }

  private Columns columnsWithoutHeader(CSVRecord first) {
    if (textIndex >= 0) {
      return columnsByPosition(first);
    }
    int count = first.size();
    if (count > 2) {
      throw new DistillationException(
          "columns of "
              + path
              + " must be named in its first line, or be text and label, but were "
              + count
              + "; say where they are with columns(text, label), or how they are named with"
              + " textColumn(...) and labelColumn(...)");
    }
    return new Columns(count, 0, unlabelled || count == 1 ? -1 : 1);
  }

  private Columns columnsByPosition(CSVRecord first) {
    int label = unlabelled ? -1 : labelIndex;
    if (Math.max(textIndex, label) >= first.size()) {
      throw new DistillationException(
          "columns(text, label) must be positions from 0 to "
              + (first.size() - 1)
              + " in "
              + path
              + " but were "
              + textIndex
              + " and "
              + labelIndex);
    }
    return new Columns(first.size(), textIndex, label);
  }

  /** Returns the position of the first known name that is present in any case, or -1. */
  private static int find(List<String> known, List<String> present) {
    for (String name : known) {
      for (int i = 0; i < present.size(); i++) {
        if (present.get(i).strip().toLowerCase(Locale.ROOT).equals(name)) {
          return i;
        }
      }
    }
    return -1;
  }

  private void readLines(BufferedReader reader, List<TextExample> examples) throws IOException {
    String textKey = textColumn;
    String labelKey = labelColumn;
    boolean labelSeen = false;
    Set<String> firstKeys = new LinkedHashSet<>();
    long line = 0;
    for (String json = reader.readLine(); json != null; json = reader.readLine()) {
      line++;
      if (json.isBlank()) {
        continue;
      }
      JsonObject object = object(json, line);
      List<String> keys = List.copyOf(object.keySet());
      if (textKey == null) {
        int index = find(TEXT_NAMES, keys);
        if (index < 0) {
          throw missing("text", null, TEXT_NAMES, keys, "textColumn(...)");
        }
        textKey = keys.get(index);
      }
      if (firstKeys.isEmpty()) {
        firstKeys.addAll(keys);
      }
      if (labelKey == null) {
        int index = find(LABEL_NAMES, keys);
        labelKey = index < 0 ? null : keys.get(index);
      }
      labelSeen |= labelKey != null && object.has(labelKey);
      String label = labelKey == null || unlabelled ? null : label(object, labelKey, line);
      examples.add(example(text(object, textKey, line), label, line));
    }
    if (labelColumn != null && !labelSeen && !unlabelled && !examples.isEmpty()) {
      throw missing(
          "label", labelColumn, LABEL_NAMES, firstKeys, "labelColumn(...), or call unlabelled()");
    }
  }

  private JsonObject object(String json, long line) {
    try {
      return StrictJson.object(json, "it", Integer.MAX_VALUE);
    } catch (DistillationException e) {
      throw notAnObject(line, json, e);
    }
  }

  private DistillationException notAnObject(long line, String json, Exception cause) {
    String reason = String.valueOf(cause.getMessage());
    String start = json.length() <= 40 ? json : json.substring(0, 40) + "...";
    return new DistillationException(
        "line "
            + line
            + " of "
            + path
            + " must be one JSON object but was: "
            + start
            + (reason.startsWith("it must name") ? " (" + reason + ")" : ""),
        cause);
  }

  private String text(JsonObject object, String key, long line) {
    JsonElement element = object.get(key);
    if (element == null || !element.isJsonPrimitive() || !element.getAsJsonPrimitive().isString()) {
      throw new DistillationException(
          "text at line "
              + line
              + " of "
              + path
              + " must be a string at key '"
              + key
              + "' but was "
              + (element == null ? "missing" : element));
    }
    return element.getAsString();
  }

  private @Nullable String label(JsonObject object, String key, long line) {
    JsonElement element = object.get(key);
    if (element == null || element.isJsonNull()) {
      return null;
    }
    if (!element.isJsonPrimitive()) {
      throw new DistillationException(
          "label at line "
              + line
              + " of "
              + path
              + " must be a string, number, boolean or null at key '"
              + key
              + "' but was "
              + element);
    }
    return element.getAsString();
  }
}
