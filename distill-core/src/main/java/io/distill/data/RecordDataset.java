package io.distill.data;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
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
  private final List<String> classNames;
  private final List<String> ids;

  private RecordDataset(RandomAccessDataset dataset, int[] labels, List<String> ids) {
    this.dataset = dataset;
    this.labels = labels;
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
    List<String> ids = new ArrayList<>(labels.length);
    for (int start = 0; start < labels.length; start += ROWS_READ_AT_ONCE) {
      int end = Math.min(labels.length, start + ROWS_READ_AT_ONCE);
      int[] rows = IntStream.range(start, end).toArray();
      try (NDManager manager = NDManager.newBaseManager(Device.cpu());
          ai.djl.training.dataset.Batch batch = read(dataset, manager, rows)) {
        readLabels(batch.getLabels(), labels, start, end);
        ids.addAll(digests(batch.getData(), rows.length));
      }
    }
    return new RecordDataset(dataset, labels, List.copyOf(ids));
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
              + "; use class indices, or records without labels");
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
    return 1;
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
    return new Batch(inputs, rows, batchIds, List.of());
  }

  @Override
  public String fingerprint() {
    Hasher hasher = newHasher().putInt(labels.length);
    for (int row = 0; row < labels.length; row++) {
      hasher.putInt(labels[row]).putString(ids.get(row), StandardCharsets.UTF_8);
    }
    return hasher.hash().toString();
  }

  @Override
  public String toString() {
    return "DistillationDataset["
        + labels.length
        + " rows, "
        + classNames.size()
        + " classes, "
        + dataset.getClass().getSimpleName()
        + "]";
  }
}
