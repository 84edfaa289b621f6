package io.distill.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.training.dataset.ArrayDataset;
import ai.djl.training.dataset.RandomAccessDataset;
import ai.djl.training.dataset.Record;
import ai.djl.translate.PaddingStackBatchifier;
import ai.djl.util.Progress;
import io.distill.exception.DistillationException;
import java.io.IOException;
import java.util.function.BiFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class RecordDatasetTest {

  private final NDManager manager = NDManager.newBaseManager();

  @AfterEach
  void closeManager() {
    manager.close();
  }

  private ArrayDataset arrays(NDArray labels) {
    return new ArrayDataset.Builder()
        .setData(manager.arange(0f, 300f).reshape(150, 2))
        .optLabels(labels)
        .setSampling(8, false)
        .build();
  }

  private NDArray labels(DataType type) {
    return manager.arange(0, 150, 1, DataType.INT32).mod(3).toType(type, true);
  }

  @Test
  void of_arrays_readsLabelsAndClasses() {
    DistillationDataset dataset = DistillationDataset.of(arrays(labels(DataType.INT64)));

    assertThat(dataset.size()).isEqualTo(150);
    assertThat(dataset.classNames()).containsExactly("0", "1", "2");
    assertThat(IntStream.range(0, 150)).allMatch(row -> dataset.label(row) == row % 3);
    assertThat(dataset).hasToString("DistillationDataset[150 rows, 3 classes, ArrayDataset]");
    assertThatThrownBy(() -> dataset.label(150)).isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void of_integralFloatsOrColumns_areLabelsToo() {
    assertThat(DistillationDataset.of(arrays(labels(DataType.FLOAT32))).label(4)).isEqualTo(1);
    assertThat(DistillationDataset.of(arrays(labels(DataType.FLOAT32).reshape(150, 1))).label(5))
        .isEqualTo(2);
  }

  @Test
  void of_arraysWithoutLabels_isUnlabelled() {
    ArrayDataset arrays =
        new ArrayDataset.Builder()
            .setData(manager.ones(new Shape(3, 2)))
            .setSampling(1, false)
            .build();
    DistillationDataset dataset = DistillationDataset.of(arrays);

    assertThat(dataset.classNames()).isEmpty();
    assertThat(IntStream.range(0, 3).map(dataset::label)).containsOnly(-1);
  }

  @Test
  void of_badLabels_areReported() {
    assertThatThrownBy(() -> DistillationDataset.of(arrays(labels(DataType.FLOAT32).add(0.5))))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "label of row 0 must be a class index of at least 0 (or -1 for none) but was 0.5");
    assertThatThrownBy(() -> DistillationDataset.of(arrays(labels(DataType.INT32).sub(2))))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "label of row 0 must be a class index of at least 0 (or -1 for none) but was -2");
    assertThatThrownBy(() -> DistillationDataset.of(arrays(manager.ones(new Shape(150, 4)))))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "label of a row must be a single number but the labels of 64 rows had shape (64, 4);"
                + " use class indices, integers of shape (L) for tokens, or records without labels");
  }

  private ArrayDataset sequences(NDArray mask, NDArray labels) {
    return new ArrayDataset.Builder()
        .setData(manager.ones(new Shape(70, 3), DataType.INT64), mask)
        .optLabels(labels)
        .setSampling(8, false)
        .build();
  }

  @Test
  void of_integersOfTokens_areTokenLabels() {
    NDArray labels = manager.arange(0, 210, 1, DataType.INT64).reshape(70, 3).sub(1);
    DistillationDataset dataset =
        DistillationDataset.of(sequences(manager.ones(new Shape(70, 3)), labels));
    BatchSource source = dataset.inputs(null);

    assertThat(dataset.hasTokenLabels()).isTrue();
    assertThat(dataset.classNames()).isEmpty();
    assertThat(dataset.label(69)).isEqualTo(-1);
    assertThat(source.tokenLabels(0)).containsExactly(-1, 0, 1);
    assertThat(source.tokenLabels(69)).containsExactly(206, 207, 208);
    assertThatThrownBy(() -> source.tokenLabels(70)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThat(dataset).hasToString("DistillationDataset[70 rows, token labels, ArrayDataset]");
    DistillationDataset others =
        DistillationDataset.of(sequences(manager.ones(new Shape(70, 3)), labels.maximum(0)));
    assertThat(others.fingerprint()).isNotEqualTo(dataset.fingerprint());
    DistillationDataset classes = DistillationDataset.of(arrays(labels(DataType.INT64)));
    assertThat(classes.hasTokenLabels()).isFalse();
    assertThat(classes.inputs(null).tokenLabels(3)).isEmpty();
  }

  @Test
  void length_isTheNumberOfOnesOfAMask() {
    NDArray labels = manager.zeros(new Shape(70), DataType.INT64);
    for (DataType type : new DataType[] {DataType.INT64, DataType.FLOAT32, DataType.BOOLEAN}) {
      NDArray mask = manager.ones(new Shape(70, 3));
      mask.set(new NDIndex("65, 1:"), 0);
      mask.set(new NDIndex("2, 2"), 0);
      BatchSource source =
          DistillationDataset.of(sequences(mask.toType(type, true), labels)).inputs(null);
      assertThat(IntStream.of(0, 2, 65, 69).map(source::length)).containsExactly(3, 2, 1, 3);
    }
  }

  @Test
  void length_ofOtherSecondArrays_isUnknown() {
    NDArray labels = manager.zeros(new Shape(70), DataType.INT64);
    for (float[] row :
        new float[][] {{0, 1, 1}, {1, 0, 1}, {0, 0, 0}, {1, 1, 2}, {1, Float.NaN, 0}}) {
      NDArray second = manager.ones(new Shape(70, 3));
      second.set(new NDIndex("66"), manager.create(row));
      BatchSource source = DistillationDataset.of(sequences(second, labels)).inputs(null);
      assertThat(IntStream.of(0, 66).map(source::length)).containsOnly(1);
    }
    BatchSource narrow =
        DistillationDataset.of(sequences(manager.ones(new Shape(70, 2)), labels)).inputs(null);
    assertThat(narrow.length(0)).isEqualTo(1);
  }

  @Test
  void batch_hasTheRowsWanted() {
    BatchSource source = DistillationDataset.of(arrays(labels(DataType.INT32))).inputs(null);

    assertThat(source.size()).isEqualTo(150);
    assertThat(source.length(7)).isEqualTo(1);
    assertThatThrownBy(() -> source.length(150)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> source.batch(manager, new int[0]))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("rows must have at least one row but was empty");
    assertThatThrownBy(() -> source.batch(manager, new int[] {150}))
        .isInstanceOf(IndexOutOfBoundsException.class);
    try (NDManager mine = manager.newSubManager()) {
      Batch batch = source.batch(mine, new int[] {149, 0, 149});

      assertThat(batch.inputs()).hasSize(1);
      assertThat(batch.inputs().get(0).toFloatArray()).containsExactly(298, 299, 0, 1, 298, 299);
      assertThat(batch.inputs().get(0).getManager()).isSameAs(mine);
      assertThat(batch.ids().get(0)).isEqualTo(batch.ids().get(2)).isNotEqualTo(batch.ids().get(1));
      assertThat(batch.texts()).isEmpty();
      assertThat(mine.getManagedArrays()).hasSize(1);
    }
  }

  @Test
  void id_andFingerprint_dependOnContent() {
    DistillationDataset dataset = DistillationDataset.of(arrays(labels(DataType.INT32)));
    DistillationDataset again = DistillationDataset.of(arrays(labels(DataType.INT64)));
    DistillationDataset other = DistillationDataset.of(arrays(manager.zeros(new Shape(150))));

    assertThat(IntStream.range(0, 150).mapToObj(dataset::id)).doesNotHaveDuplicates();
    assertThat(dataset.id(3)).hasSize(24).isEqualTo(again.id(3));
    assertThat(dataset.fingerprint()).hasSize(64).isEqualTo(again.fingerprint());
    assertThat(other.id(3)).isEqualTo(dataset.id(3));
    assertThat(other.fingerprint()).isNotEqualTo(dataset.fingerprint());
  }

  @Test
  void of_unequalShapesWithPaddingBatchifier_areStacked() {
    Records records =
        new Records(
            new Records.Builder()
                .setSampling(1, false)
                .optDataBatchifier(
                    PaddingStackBatchifier.builder()
                        .optIncludeValidLengths(false)
                        .addPad(0, 0, m -> m.zeros(new Shape(1)))
                        .build()),
            3,
            (m, row) ->
                new Record(new NDList(m.ones(new Shape(row + 1))), new NDList(m.create(row))));
    BatchSource source = DistillationDataset.of(records).inputs(null);

    assertThat(source.batch(manager, new int[] {0, 2}).inputs().get(0).toFloatArray())
        .containsExactly(1, 0, 0, 1, 1, 1);
  }

  @Test
  void of_unequalShapes_isReported() {
    Records records =
        new Records(
            new Records.Builder().setSampling(1, false),
            3,
            (m, row) ->
                new Record(new NDList(m.ones(new Shape(row + 1))), new NDList(m.create(row))));

    assertThatThrownBy(() -> DistillationDataset.of(records))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith(
            "rows 0 to 2 of the dataset must be readable as one batch but were not: ")
        .hasMessageNotContaining("\n")
        .hasMessageEndingWith(
            "; rows of different shapes need a batchifier that pads them (optDataBatchifier)");
  }

  @Test
  void of_recordsWithoutLabelArrays_isUnlabelled() {
    Records records =
        new Records(
            new Records.Builder().setSampling(1, false),
            2,
            (m, row) -> new Record(new NDList(m.create(row)), new NDList()));

    assertThat(DistillationDataset.of(records).label(1)).isEqualTo(-1);
  }

  @Test
  void of_emptyOrUnpreparable_isReported() {
    assertThatThrownBy(
            () ->
                DistillationDataset.of(
                    new Records(
                        new Records.Builder().setSampling(1, false),
                        0,
                        (m, row) -> {
                          throw new IllegalStateException();
                        })))
        .isInstanceOf(DistillationException.class)
        .hasMessage("dataset must have 1 to 2147483639 rows but had 0; check its limit and usage");
    assertThatThrownBy(
            () ->
                DistillationDataset.of(
                    new Records(
                        new Records.Builder().setSampling(1, false),
                        -1,
                        (m, row) -> {
                          throw new IllegalStateException();
                        })))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "dataset must be ready to be read but prepare() failed: java.io.IOException: offline");
  }

  /** Records made by a function; a negative size fails to prepare. */
  private static final class Records extends RandomAccessDataset {

    private final int size;
    private final BiFunction<NDManager, Integer, Record> records;

    Records(Builder builder, int size, BiFunction<NDManager, Integer, Record> records) {
      super(builder);
      this.size = size;
      this.records = records;
    }

    @Override
    public Record get(NDManager manager, long index) {
      return records.apply(manager, (int) index);
    }

    @Override
    protected long availableSize() {
      return size;
    }

    @Override
    public void prepare(@Nullable Progress progress) throws IOException {
      if (size < 0) {
        throw new IOException("offline");
      }
    }

    static final class Builder extends BaseBuilder<Builder> {
      @Override
      protected Builder self() {
        return this;
      }
    }
  }
}
