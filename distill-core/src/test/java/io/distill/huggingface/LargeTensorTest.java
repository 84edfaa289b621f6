package io.distill.huggingface;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * A tensor of more than 2 GiB, which no buffer holds. Takes minutes and 5 GB of disk, so it runs
 * with {@code -Ddistill.large=true} alone.
 */
@EnabledIfSystemProperty(named = "distill.large", matches = "true")
class LargeTensorTest {

  private static final int ROWS = 40_000;
  private static final int COLUMNS = 30_000;
  private static final long ELEMENTS = (long) ROWS * COLUMNS;

  /**
   * Numbers at the ends and on both sides of 1 GiB and 2 GiB, by their index; bfloat16 has them.
   */
  private static final Map<Long, Float> MARKS =
      new TreeMap<>(
          Map.of(
              0L,
              1f,
              (1L << 29) - 1,
              -2f,
              1L << 29,
              3f,
              (1L << 30) - 1,
              -4f,
              1L << 30,
              5f,
              ELEMENTS - 1,
              -6f));

  @TempDir static Path directory;

  @BeforeAll
  static void writeSparse() throws IOException {
    String header =
        "{\"large\":{\"dtype\":\"BF16\",\"shape\":[%d,%d],\"data_offsets\":[0,%d]}}"
            .formatted(ROWS, COLUMNS, 2 * ELEMENTS);
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    try (RandomAccessFile file =
        new RandomAccessFile(directory.resolve("model.safetensors").toFile(), "rw")) {
      long start = (long) Long.BYTES + json.length;
      file.setLength(start + 2 * ELEMENTS);
      file.write(little(Long.BYTES).putLong(json.length).array());
      file.write(json);
      for (Map.Entry<Long, Float> mark : MARKS.entrySet()) {
        file.seek(start + 2 * mark.getKey());
        short bits = (short) (Float.floatToIntBits(mark.getValue()) >>> 16);
        file.write(little(Short.BYTES).putShort(bits).array());
      }
    }
  }

  private static ByteBuffer little(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Returns what is not 0, by its index. */
  private static Map<Long, Float> marks(HostTensor tensor) {
    Map<Long, Float> marks = new TreeMap<>();
    long index = 0;
    for (ByteBuffer chunk : tensor.to(DataType.FLOAT32).chunks()) {
      for (; chunk.hasRemaining(); index++) {
        float value = chunk.getFloat();
        if (value != 0) {
          marks.put(index, value);
        }
      }
    }
    assertThat(index).isEqualTo(tensor.shape().size());
    return marks;
  }

  private static HostTensor large(Path from) {
    return CheckpointTensors.open(from).float32("large", new Shape(ROWS, COLUMNS));
  }

  @Test
  void largeTensor_isReadInPieces() {
    HostTensor tensor = large(directory);
    assertThat(tensor.byteCount()).isEqualTo(4 * ELEMENTS);
    assertThat(marks(tensor)).isEqualTo(MARKS);
    assertThatThrownBy(tensor::bytes)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("take it in chunks()");
  }

  @Test
  void rowsOfLargeTensors_areFound() {
    HostTensor tensor = large(directory);
    long row = (1L << 30) / COLUMNS;
    HostTensor part = tensor.rows(row, row + 1);
    long first = row * COLUMNS;
    assertThat(marks(part)).isEqualTo(Map.of((1L << 30) - 1 - first, -4f, (1L << 30) - first, 5f));
    try (NDManager manager = NDManager.newBaseManager(Device.cpu())) {
      assertThat(part.toArray(manager).sum().getFloat()).isEqualTo(1);
    }
    HostTensor joined =
        HostTensor.concatenated(List.of(tensor.rows(ROWS - 1, ROWS), tensor.rows(0, 1)));
    assertThat(marks(joined)).isEqualTo(Map.of(COLUMNS - 1L, -6f, (long) COLUMNS, 1f));
  }

  @Test
  void largeTensor_goesToNativeMemoryAndBack() {
    // the 2 GiB of float32 are in the middle of its 1.1 billion bytes of bfloat16
    HostTensor tensor = large(directory).rows(0, 18_500);
    assertThat(tensor.byteCount()).isGreaterThan(1L << 31);
    try (NDManager manager = NDManager.newBaseManager(Device.cpu());
        NDArray array = tensor.toArray(manager)) {
      assertThat(array.getShape()).isEqualTo(tensor.shape());
      Map<Long, Float> expected = marks(tensor);
      assertThat(expected).containsEntry(1L << 29, 3f);
      assertThat(marks(HostTensor.of(array))).isEqualTo(expected);
      try (NDArray target = manager.create(array.getShape(), array.getDataType())) {
        tensor.copyTo(target);
        long row = (1L << 29) / COLUMNS;
        assertThat(target.get(row, (1L << 29) % COLUMNS).getFloat()).isEqualTo(3);
      }
    }
  }

  @Test
  void largeTensor_isWrittenAndReadAgain(@TempDir Path again) {
    CheckpointTensors.write(again, Map.of("large", large(directory)), 1L << 30, DataType.FLOAT16);
    assertThat(marks(large(again))).isEqualTo(MARKS);
  }
}
