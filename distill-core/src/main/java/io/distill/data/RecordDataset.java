package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.dataset.Sampler;
import ai.djl.translate.TranslateException;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/** A DJL dataset; samples are identified by a digest of their arrays. */
final class RecordDataset implements DistillationDataset, BatchSource {

  private static final int ROWS_READ_AT_ONCE = 64;

  private final RandomAccessDataset dataset;
  private final int[] labels;
  private final int @Nullable [][] tokenLabels;
  private final int @Nullable [] lengths;
  private final List<String> classNames;
  private final List<String> ids;

  private RecordDataset(
      RandomAccessDataset dataset,
      int[] labels,
      int @Nullable [][] tokenLabels,
      int @Nullable [] lengths,
      List<String> ids) {
    this.dataset = dataset;
    this.labels = labels;
    this.tokenLabels = tokenLabels;
    this.lengths = lengths;
    this.ids = ids;
    int classes = Arrays.stream(labels).max().orElse(NO_LABEL) + 1;
    this.classNames = IntStream.range(0, classes).mapToObj(Integer::toString).toList();
  }

  static RecordDataset of(RandomAccessDataset dataset) {
    requireNonNull(dataset, "dataset");
    try {
      dataset.prepare();
    } catch (IOException | TranslateException e) {
      throw new DistillationException(
          "dataset must be ready to be read but prepare() failed: " + e, e);
    }
    long size = dataset.size();
    if (size < 1 || size > Integer.MAX_VALUE - 8) {
      throw new DistillationException(
          "dataset must have 1 to 2147483639 rows but had " + size + "; check its limit and usage");
    }
    int[] labels = new int[(int) size];
    int[][] tokenLabels = new int[labels.length][];
    boolean ofTokens = false;
    int[] lengths = new int[labels.length];
    boolean masked = true;
    List<String> ids = new ArrayList<>(labels.length);
    for (int start = 0; start < labels.length; start += ROWS_READ_AT_ONCE) {
      int end = Math.min(labels.length, start + ROWS_READ_AT_ONCE);
      int[] rows = IntStream.range(start, end).toArray();
      try (NDManager manager = NDManager.newBaseManager(Device.cpu());
          ai.djl.training.dataset.Batch batch = read(dataset, manager, rows)) {
        NDList given = batch.getLabels();
        boolean sequences = areTokens(given, rows.length);
        if (start > 0 && sequences != ofTokens) {
          throw new DistillationException(
              "all rows of the dataset must have labels of tokens or none but rows "
                  + (sequences ? "from " : "before ")
                  + start
                  + " have them and others do not; give each row as many labels as tokens, -1 for"
                  + " those that do not count");
        }
        ofTokens = sequences;
        if (ofTokens) {
          readTokenLabels(given.get(0), tokenLabels, start);
          Arrays.fill(labels, start, end, NO_LABEL);
        } else {
          readLabels(given, labels, start, end);
        }
        masked = masked && readLengths(batch.getData(), lengths, start, end);
        ids.addAll(digests(batch.getData(), rows.length));
      }
    }
    return new RecordDataset(
        dataset, labels, ofTokens ? tokenLabels : null, masked ? lengths : null, List.copyOf(ids));
  }

  /** Lets the dataset itself stack some rows, so that its pipelines and batchifiers apply. */
  private static ai.djl.training.dataset.Batch read(
      RandomAccessDataset dataset, NDManager manager, int[] rows) {
    try {
      return dataset.getData(manager, new Rows(rows)).iterator().next();
    } catch (IOException | TranslateException | RuntimeException e) {
      throw new DistillationException(
          "rows "
              + rows[0]
              + " to "
              + rows[rows.length - 1]
              + " of the dataset must be readable as one batch but were not: "
              + firstLine(e)
              + "; rows of different shapes need a batchifier that pads them (optDataBatchifier)",
          e);
    }
  }

  /** Leaves out the native stack trace that the engine puts into its messages. */
  private static String firstLine(Exception e) {
    return String.valueOf(e.getMessage()).lines().findFirst().orElse("");
  }

  private static boolean areTokens(@Nullable NDList arrays, int rows) {
    if (arrays == null || arrays.isEmpty()) {
      return false;
    }
    Shape shape = arrays.get(0).getShape();
    return shape.dimension() == 2
        && shape.get(0) == rows
        && shape.get(1) > 1
        && arrays.get(0).getDataType().isInteger();
  }

  private static void readTokenLabels(NDArray array, int[][] tokenLabels, int start) {
    int width = Math.toIntExact(array.getShape().get(1));
    int rows = Math.toIntExact(array.getShape().get(0));
    int[] values = array.toType(DataType.INT32, false).toIntArray();
    for (int i = 0; i < rows; i++) {
      tokenLabels[start + i] = Arrays.copyOfRange(values, i * width, (i + 1) * width);
    }
  }

  /**
   * Counts the tokens of some rows, if the second array is a mask: ones, then zeros. Other numbers
   * of 0 and 1, as of segments, begin with 0 or come back to 1 somewhere.
   */
  private static boolean readLengths(NDList arrays, int[] lengths, int start, int end) {
    if (arrays.size() < 2) {
      return false;
    }
    NDArray mask = arrays.get(1);
    Shape shape = mask.getShape();
    Shape inputs = arrays.get(0).getShape();
    if (shape.dimension() != 2
        || inputs.dimension() < 2
        || shape.get(0) != end - start
        || !inputs.slice(0, 2).equals(shape)) {
      return false;
    }
    float[] values = mask.toType(DataType.FLOAT32, false).toFloatArray();
    int width = Math.toIntExact(shape.get(1));
    for (int row = start; row < end; row++) {
      int first = (row - start) * width;
      int length = 0;
      while (length < width && values[first + length] == 1) {
        length++;
      }
      for (int i = length; i < width; i++) {
        if (values[first + i] != 0) {
          return false;
        }
      }
      if (length == 0) {
        return false;
      }
      lengths[row] = length;
    }
    return true;
  }

  private static void readLabels(@Nullable NDList arrays, int[] labels, int start, int end) {
    if (arrays == null || arrays.isEmpty()) {
      Arrays.fill(labels, start, end, NO_LABEL);
      return;
    }
    NDArray array = arrays.get(0);
    Shape shape = array.getShape();
    int rows = end - start;
    if (shape.size() != rows) {
      throw new DistillationException(
          "label of a row must be a single number but the labels of "
              + rows
              + " rows had shape "
              + shape
              + "; use class indices, integers of shape (L) for tokens, or records without labels");
    }
    Number[] values = array.toArray();
    for (int i = 0; i < rows; i++) {
      double value = values[i].doubleValue();
      if (value != Math.rint(value) || value < NO_LABEL || value > 1 << 24) {
        throw new DistillationException(
            "label of row "
                + (start + i)
                + " must be a class index of at least 0 (or -1 for none) but was "
                + values[i]);
      }
      labels[start + i] = (int) value;
    }
  }

  private static List<String> digests(NDList arrays, int rows) {
    List<Hasher> hashers = IntStream.range(0, rows).mapToObj(i -> newHasher()).toList();
    for (NDArray array : arrays) {
      ByteBuffer bytes = array.toByteBuffer();
      int rowBytes = bytes.remaining() / rows;
      for (int i = 0; i < rows; i++) {
        ByteBuffer row = bytes.slice(i * rowBytes, rowBytes);
        hashers
            .get(i)
            .putString(
                array.getDataType() + " " + array.getShape().slice(1), StandardCharsets.UTF_8)
            .putBytes(row);
      }
    }
    return hashers.stream().map(hasher -> hasher.hash().toString().substring(0, 24)).toList();
  }

  private static Hasher newHasher() {
    return Hashing.sha256().newHasher();
  }

  /** One batch of the rows wanted. */
  private record Rows(List<Long> rows) implements Sampler {

    Rows(int[] rows) {
      this(LongStream.range(0, rows.length).map(i -> rows[(int) i]).boxed().toList());
    }

    @Override
    public Iterator<List<Long>> sample(RandomAccessDataset dataset) {
      return List.of(rows).iterator();
    }

    @Override
    public int getBatchSize() {
      return rows.size();
    }
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
    return tokenLabels != null;
  }

  @Override
  public int[] tokenLabels(int row) {
    Objects.checkIndex(row, labels.length);
    return tokenLabels == null ? NO_TOKEN_LABELS : tokenLabels[row];
  }

  @Override
  public String id(int row) {
    return ids.get(row);
  }

  @Override
  public BatchSource inputs(@Nullable Tokenizer tokenizer) {
    return this;
  }

  @Override
  public int length(int row) {
    Objects.checkIndex(row, labels.length);
    return lengths == null ? 1 : lengths[row];
  }

  @Override
  public Batch batch(NDManager manager, int[] rows) {
    requireNonNull(manager, "manager");
    checkArgument(rows.length > 0, "rows must have at least one row but was empty");
    List<String> batchIds = new ArrayList<>(rows.length);
    for (int row : rows) {
      batchIds.add(ids.get(row));
    }
    NDList inputs = new NDList();
    try (NDManager scratch = manager.newSubManager();
        ai.djl.training.dataset.Batch batch = read(dataset, scratch, rows)) {
      for (NDArray array : batch.getData()) {
        NDArray input = array.toDevice(manager.getDevice(), false);
        input.attach(manager);
        inputs.add(input);
      }
    }
    return new Batch(manager, inputs, rows, batchIds, List.of());
  }

  @Override
  public String fingerprint() {
    Hasher hasher = newHasher().putInt(labels.length);
    for (int row = 0; row < labels.length; row++) {
      hasher.putInt(labels[row]).putString(ids.get(row), StandardCharsets.UTF_8);
      if (tokenLabels != null) {
        hasher.putInt(tokenLabels[row].length);
        for (int label : tokenLabels[row]) {
          hasher.putInt(label);
        }
      }
    }
    return hasher.hash().toString();
  }

  @Override
  public String toString() {
    return "DistillationDataset["
        + labels.length
        + " rows, "
        + (tokenLabels == null ? classNames.size() + " classes, " : "token labels, ")
        + dataset.getClass().getSimpleName()
        + "]";
  }
}
