package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import io.distill.exception.DistillationException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Texts, some or all or none of them with a label; immutable and thread-safe.
 *
 * <p>Texts are tokenised once per tokenizer. A sample is identified by a digest of its text, so
 * rows of equal text share an id: a teacher says the same about them.
 */
public final class TextDataset implements DistillationDataset {

  private static final int ID_LENGTH = 24;

  private final Texts texts;
  private final int[] labels;
  private final List<String> classNames;
  private final boolean ofTokens;

  private TextDataset(Texts texts, int[] labels, List<String> classNames) {
    this(texts, labels, classNames, false);
  }

  private TextDataset(Texts texts, int[] labels, List<String> classNames, boolean ofTokens) {
    this.texts = texts;
    this.labels = labels;
    this.classNames = classNames;
    this.ofTokens = ofTokens;
  }

  /** What datasets that differ in their labels share. */
  private static final class Texts {

    final List<String> rows;
    private final @Nullable String[] ids;
    private final Map<String, int[][]> encodings = new ConcurrentHashMap<>();

    Texts(List<String> rows) {
      this.rows = rows;
      this.ids = new @Nullable String[rows.size()];
    }

    String id(int row) {
      String id = ids[row];
      if (id == null) {
        // a race is harmless: both threads compute the same string
        id =
            Hashing.sha256()
                .hashString(rows.get(row), StandardCharsets.UTF_8)
                .toString()
                .substring(0, ID_LENGTH);
        ids[row] = id;
      }
      return id;
    }

    int[][] encoded(Tokenizer tokenizer) {
      return encodings.computeIfAbsent(
          tokenizer.fingerprint(),
          key -> rows.stream().map(tokenizer::encode).toArray(int[][]::new));
    }
  }

  /**
   * Creates a dataset; its classes are the labels that occur, sorted.
   *
   * @param examples the rows, at least one
   * @return the dataset
   * @throws IllegalArgumentException if there is no example
   */
  public static TextDataset of(Stream<TextExample> examples) {
    return of(requireNonNull(examples, "examples").toList());
  }

  /**
   * Creates a dataset; its classes are the labels that occur, sorted.
   *
   * @param examples the rows, at least one
   * @return the dataset
   * @throws IllegalArgumentException if there is no example
   */
  public static TextDataset of(List<TextExample> examples) {
    requireNonNull(examples, "examples");
    checkArgument(!examples.isEmpty(), "examples must have at least one row but was empty");
    TreeSet<String> names = new TreeSet<>();
    for (TextExample example : examples) {
      if (example.label() != null) {
        names.add(example.label());
      }
    }
    List<String> classNames = List.copyOf(names);
    Map<String, Integer> indices = indices(classNames);
    int[] labels =
        examples.stream()
            .mapToInt(
                example ->
                    example.label() == null
                        ? NO_LABEL
                        : requireNonNull(indices.get(example.label())))
            .toArray();
    return new TextDataset(
        new Texts(examples.stream().map(TextExample::text).toList()), labels, classNames);
  }

  /**
   * Reads comma-separated values: quoted fields may hold commas, line ends and doubled quotes.
   *
   * @param path the file; gzip is recognised by its content
   * @return a reader with options
   */
  public static TextFileReader csv(Path path) {
    return new TextFileReader(path, TextFileReader.Format.CSV);
  }

  /**
   * Reads tab-separated values: a tab or line end always separates, and quotes are characters like
   * any other unless {@link TextFileReader#quoted(boolean)} says otherwise.
   *
   * @param path the file; gzip is recognised by its content
   * @return a reader with options
   */
  public static TextFileReader tsv(Path path) {
    return new TextFileReader(path, TextFileReader.Format.TSV);
  }

  /**
   * Reads JSON Lines: one JSON object per line, columns are its keys.
   *
   * @param path the file; gzip is recognised by its content
   * @return a reader with options
   */
  public static TextFileReader jsonLines(Path path) {
    return new TextFileReader(path, TextFileReader.Format.JSON_LINES);
  }

  private static Map<String, Integer> indices(List<String> names) {
    Map<String, Integer> indices = new LinkedHashMap<>();
    names.forEach(name -> indices.put(name, indices.size()));
    return indices;
  }

  @Override
  public int size() {
    return labels.length;
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  @Override
  public int label(int row) {
    return labels[Objects.checkIndex(row, labels.length)];
  }

  @Override
  public boolean hasTokenLabels() {
    return ofTokens;
  }

  @Override
  public String id(int row) {
    return texts.id(Objects.checkIndex(row, labels.length));
  }

  /**
   * Returns all texts.
   *
   * @return the texts in the order of rows
   */
  public List<String> texts() {
    return texts.rows;
  }

  /**
   * Returns the text of a row.
   *
   * @param row the row, from 0 to {@code size() - 1}
   * @return the text
   * @throws IndexOutOfBoundsException if there is no such row
   */
  public String text(int row) {
    return texts.rows.get(row);
  }

  /**
   * Returns the rows that have a label.
   *
   * @return the rows, ascending
   */
  public int[] labelledRows() {
    return IntStream.range(0, labels.length).filter(row -> labels[row] != NO_LABEL).toArray();
  }

  /**
   * Returns the rows that have no label.
   *
   * @return the rows, ascending
   */
  public int[] unlabelledRows() {
    return IntStream.range(0, labels.length).filter(row -> labels[row] == NO_LABEL).toArray();
  }

  /**
   * Returns this dataset with a fixed list of classes: a test set takes those of its training set.
   *
   * @param names the names of all classes, in the order of a model's outputs
   * @return the dataset; every row keeps its class by name
   * @throws IllegalArgumentException if a name occurs twice
   * @throws DistillationException if a row has a label that is not among {@code names}
   */
  public TextDataset classes(List<String> names) {
    List<String> newNames = List.copyOf(requireNonNull(names, "names"));
    Map<String, Integer> indices = indices(newNames);
    checkArgument(
        indices.size() == newNames.size(), "names must differ from each other but were %s", names);
    int[] newLabels = new int[labels.length];
    for (int row = 0; row < labels.length; row++) {
      newLabels[row] = NO_LABEL;
      if (labels[row] != NO_LABEL) {
        String name = classNames.get(labels[row]);
        Integer index = indices.get(name);
        if (index == null) {
          throw new DistillationException(
              "label of row "
                  + row
                  + " must be one of the classes "
                  + String.join(", ", newNames)
                  + " but was '"
                  + name
                  + "'; correct the label, drop the row with subset(rows), or add the class");
        }
        newLabels[row] = index;
      }
    }
    return new TextDataset(texts, newLabels, newNames);
  }

  /**
   * Returns this dataset with other labels, such as those that a teacher predicted.
   *
   * @param newLabels for every row an index into {@link #classNames()}, or {@link #NO_LABEL}
   * @return the dataset with the same rows and classes
   * @throws IllegalArgumentException if the number of labels differs from {@link #size()}, or one
   *     is out of range
   */
  public TextDataset withLabels(int[] newLabels) {
    requireNonNull(newLabels, "newLabels");
    checkArgument(
        newLabels.length == labels.length,
        "labels must be as many as the %s rows but were %s",
        labels.length,
        newLabels.length);
    for (int row = 0; row < newLabels.length; row++) {
      checkArgument(
          newLabels[row] >= NO_LABEL && newLabels[row] < classNames.size(),
          "label of row %s must be from 0 to %s, or -1 for none, but was %s",
          row,
          classNames.size() - 1,
          newLabels[row]);
    }
    return new TextDataset(texts, newLabels.clone(), classNames);
  }

  /**
   * Returns this dataset without labels, for a classifier of the same classes. A language model
   * knows no classes: give it {@link #withTokenLabels()}, or {@code
   * withoutLabels().classes(List.of())} to learn from its teacher alone.
   *
   * @return the dataset with the same rows and classes
   */
  public TextDataset withoutLabels() {
    return new TextDataset(texts, noLabels(), classNames);
  }

  /**
   * Returns these texts as a language model learns to write them: the label of each token is the
   * token itself, which the model predicts from those before it.
   *
   * <p>The texts are real ones, or those that a teacher wrote. What is made from the result by
   * {@link #subset} has token labels too; other labels or classes take their place.
   *
   * @return the dataset with the same rows, token labels and no classes
   */
  public TextDataset withTokenLabels() {
    return new TextDataset(texts, noLabels(), List.of(), true);
  }

  private int[] noLabels() {
    int[] none = new int[labels.length];
    Arrays.fill(none, NO_LABEL);
    return none;
  }

  /**
   * Returns some of the rows.
   *
   * @param rows the rows in the order wanted, at least one; a row may occur more than once
   * @return a dataset of these rows with the same classes
   * @throws IllegalArgumentException if {@code rows} is empty
   * @throws IndexOutOfBoundsException if there is no such row
   */
  public TextDataset subset(int[] rows) {
    requireNonNull(rows, "rows");
    checkArgument(rows.length > 0, "rows must have at least one row but was empty");
    return new TextDataset(
        new Texts(Arrays.stream(rows).mapToObj(this::text).toList()),
        Arrays.stream(rows).map(this::label).toArray(),
        classNames,
        ofTokens);
  }

  /**
   * Returns the rows of this dataset followed by those of another.
   *
   * @param other the rows to add
   * @return a dataset whose classes are those of this one, then those that only {@code other} has
   * @throws IllegalArgumentException if only one of the two has token labels
   */
  public TextDataset plus(TextDataset other) {
    requireNonNull(other, "other");
    checkArgument(
        ofTokens == other.ofTokens,
        "both datasets or none must have token labels but only %s has; call withTokenLabels() on"
            + " the other",
        ofTokens ? "this one" : "the other one");
    Map<String, Integer> indices = indices(classNames);
    other.classNames.forEach(name -> indices.putIfAbsent(name, indices.size()));
    int[] newLabels = Arrays.copyOf(labels, labels.length + other.labels.length);
    for (int row = 0; row < other.labels.length; row++) {
      int label = other.labels[row];
      newLabels[labels.length + row] =
          label == NO_LABEL ? NO_LABEL : requireNonNull(indices.get(other.classNames.get(label)));
    }
    return new TextDataset(
        new Texts(Stream.of(texts.rows, other.texts.rows).flatMap(Collection::stream).toList()),
        newLabels,
        List.copyOf(indices.keySet()),
        ofTokens);
  }

  /**
   * Returns the same rows with only a few labels kept: the usual case of many texts of which a few
   * were labelled by hand.
   *
   * @param labelsPerClass how many randomly chosen rows of each class keep their label, at least 1
   * @param seed what the choice depends on; the same on every JVM
   * @return the dataset with the same rows and classes
   * @throws IllegalArgumentException if {@code labelsPerClass} is below 1
   * @throws DistillationException if a class has fewer labelled rows
   */
  public TextDataset labelsPerClass(int labelsPerClass, long seed) {
    checkArgument(
        labelsPerClass >= 1, "labelsPerClass must be at least 1 but was %s", labelsPerClass);
    List<List<Integer>> rowsOfClass = new ArrayList<>();
    classNames.forEach(name -> rowsOfClass.add(new ArrayList<>()));
    for (int row : labelledRows()) {
      rowsOfClass.get(labels[row]).add(row);
    }
    int[] kept = new int[labels.length];
    Arrays.fill(kept, NO_LABEL);
    for (int label = 0; label < rowsOfClass.size(); label++) {
      List<Integer> rows = rowsOfClass.get(label);
      if (rows.size() < labelsPerClass) {
        throw new DistillationException(
            "class '"
                + classNames.get(label)
                + "' must have at least "
                + labelsPerClass
                + " labelled rows but had "
                + rows.size()
                + "; lower labelsPerClass or label more rows");
      }
      SplitMix random = new SplitMix(SplitMix.mix(seed + SplitMix.mix(label)));
      for (int i = 0; i < labelsPerClass; i++) {
        int j = i + random.below(rows.size() - i);
        int row = rows.get(j);
        rows.set(j, rows.get(i));
        kept[row] = label;
      }
    }
    return new TextDataset(texts, kept, classNames);
  }

  /**
   * Returns the source of input batches for one model; see {@link Batch#inputs()}.
   *
   * @param tokenizer the tokenizer of the model; {@code null} for a model that reads the texts
   *     themselves: batches then have texts but no arrays, and every row has length 1
   * @return the source
   */
  @Override
  public BatchSource inputs(@Nullable Tokenizer tokenizer) {
    return tokenizer == null
        ? new TextSource(texts, null, 0, ofTokens)
        : new TextSource(texts, texts.encoded(tokenizer), tokenizer.padId(), ofTokens);
  }

  private static final class TextSource implements BatchSource {

    private final Texts texts;
    private final int @Nullable [][] encoded;
    private final int padId;
    private final boolean ofTokens;

    TextSource(Texts texts, int @Nullable [][] encoded, int padId, boolean ofTokens) {
      this.texts = texts;
      this.encoded = encoded;
      this.padId = padId;
      this.ofTokens = ofTokens;
    }

    @Override
    public int[] tokenLabels(int row) {
      Objects.checkIndex(row, size());
      return ofTokens && encoded != null ? encoded[row] : NO_TOKEN_LABELS;
    }

    @Override
    public int size() {
      return texts.rows.size();
    }

    @Override
    public int length(int row) {
      Objects.checkIndex(row, size());
      return encoded == null ? 1 : encoded[row].length;
    }

    @Override
    public Batch batch(NDManager manager, int[] rows) {
      requireNonNull(manager, "manager");
      checkArgument(rows.length > 0, "rows must have at least one row but was empty");
      List<String> ids = new ArrayList<>(rows.length);
      List<String> batchTexts = new ArrayList<>(rows.length);
      for (int row : rows) {
        batchTexts.add(texts.rows.get(row));
        ids.add(texts.id(row));
      }
      int[][] tokens = encoded;
      NDList inputs =
          tokens == null
              ? new NDList()
              : PaddedRows.of(
                  manager,
                  Arrays.stream(rows).mapToObj(row -> tokens[row]).toArray(int[][]::new),
                  padId);
      return new Batch(manager, inputs, rows, ids, batchTexts);
    }
  }

  @Override
  public String fingerprint() {
    // token labels are what the texts are: that they count is all there is to tell
    Hasher hasher = Hashing.sha256().newHasher().putInt(ofTokens ? -1 : classNames.size());
    classNames.forEach(name -> put(hasher, name));
    for (int row = 0; row < labels.length; row++) {
      hasher.putInt(labels[row]);
      put(hasher, texts.rows.get(row));
    }
    return hasher.hash().toString();
  }

  private static void put(Hasher hasher, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    hasher.putInt(bytes.length).putBytes(bytes);
  }

  @Override
  public String toString() {
    return "TextDataset["
        + labels.length
        + " rows, "
        + (ofTokens
            ? "token labels]"
            : labelledRows().length + " labelled, " + classNames.size() + " classes]");
  }
}
