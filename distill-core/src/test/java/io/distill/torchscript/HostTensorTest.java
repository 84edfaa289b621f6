package io.distill.torchscript;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.util.Float16Utils;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Views of tensors: what they compute while they are read. */
class HostTensorTest {

  @TempDir private Path directory;

  private static HostTensor counted(long... shape) {
    float[] values = new float[(int) new Shape(shape).size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    return HostTensor.of(values, shape);
  }

  private static HostTensor shorts(DataType type, int... bits) {
    ByteBuffer bytes = ByteBuffer.allocate(bits.length * 2).order(ByteOrder.LITTLE_ENDIAN);
    IntStream.of(bits).forEach(each -> bytes.putShort((short) each));
    return HostTensor.of(type, new Shape(bits.length), bytes.flip());
  }

  @Test
  void to_bfloat16_roundsToNearestEven() {
    float[] values = {1, -2.5f, 0, -0.0f, 0x1.01p0f, 0x1.03p0f, Float.MAX_VALUE, 0x1p-148f};
    HostTensor rounded = HostTensor.of(values, values.length).to(DataType.BFLOAT16);
    assertThat(rounded.byteCount()).isEqualTo(16);
    assertThat(rounded.to(DataType.FLOAT32).toFloatArray())
        .containsExactly(1, -2.5f, 0, -0.0f, 1, 1.015625f, Float.POSITIVE_INFINITY, 0);
    float[] special = {Float.NaN, Float.intBitsToFloat(0x7f800001), Float.NEGATIVE_INFINITY};
    assertThat(HostTensor.of(special, 3).to(DataType.BFLOAT16).to(DataType.FLOAT32).toFloatArray())
        .containsExactly(Float.NaN, Float.NaN, Float.NEGATIVE_INFINITY);
  }

  @Test
  void to_andBack_keepsAllHalves() {
    int[] all = IntStream.range(0, 1 << 16).toArray();
    for (DataType type : List.of(DataType.FLOAT16, DataType.BFLOAT16)) {
      HostTensor halves = shorts(type, all);
      float[] values = halves.to(DataType.FLOAT32).toFloatArray();
      ByteBuffer back = halves.to(DataType.FLOAT32).to(type).bytes();
      for (int bits : all) {
        if (!Float.isNaN(values[bits]) && back.getShort(bits * 2) != (short) bits) {
          throw new AssertionError(type + " " + bits + " became " + back.getShort(bits * 2));
        }
      }
    }
  }

  /** The nearest half of all, by looking at the two around. */
  @Test
  void to_float16_roundsToNearestEven() {
    Random random = new Random(3);
    for (int i = 0; i < 5_000; i++) {
      float value = Float.intBitsToFloat(random.nextInt());
      if (i % 2 == 0) {
        value = (float) Math.scalb(random.nextGaussian(), random.nextInt(44) - 28);
      }
      short half = Elements.float16(value);
      float rounded = Float16Utils.halfToFloat(half);
      if (Float.isNaN(value)) {
        assertThat(rounded).isNaN();
      } else if (Math.abs(value) >= 65520) {
        assertThat(rounded).isInfinite();
      } else {
        double error = Math.abs((double) rounded - value);
        for (int step : new int[] {-1, 1}) {
          short beside = (short) (half + step);
          float other = Float16Utils.halfToFloat(beside);
          if (!Float.isNaN(other) && (half & 0x7fff) + step >= 0) {
            double otherError = Math.abs((double) other - value);
            assertThat(error).isLessThanOrEqualTo(otherError);
            if (error == otherError && Float.isFinite(other)) {
              assertThat(half & 1).isZero();
            }
          }
        }
      }
    }
    assertThat(Elements.float16(65519.996f)).isEqualTo((short) 0x7bff);
    assertThat(Elements.float16(-65520)).isEqualTo((short) 0xfc00);
    assertThat(Elements.float16(-0.0f)).isEqualTo((short) 0x8000);
  }

  @Test
  void rows_arePartOfTheTensor() {
    HostTensor tensor = counted(4, 2, 1);
    assertThat(tensor.rows(1, 3).shape()).isEqualTo(new Shape(2, 2, 1));
    assertThat(tensor.rows(1, 3).toFloatArray()).containsExactly(2, 3, 4, 5);
    assertThat(tensor.rows(1, 4).rows(1, 2).toFloatArray()).containsExactly(4, 5);
    assertThat(tensor.rows(4, 4).toFloatArray()).isEmpty();
    assertThat(counted(0, 3).rows(0, 0).bytes().remaining()).isZero();
    assertThatThrownBy(() -> tensor.rows(3, 5))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("rows must be within (4, 2, 1) but were 3 to 5");
    assertThatThrownBy(() -> counted().rows(0, 1)).isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void transposed_exchangesRowsAndColumns() {
    assertThat(counted(2, 3).transposed().shape()).isEqualTo(new Shape(3, 2));
    assertThat(counted(2, 3).transposed().toFloatArray()).containsExactly(0, 3, 1, 4, 2, 5);
    assertThat(counted(0, 3).transposed().toFloatArray()).isEmpty();
    assertThat(counted(3, 0).transposed().toFloatArray()).isEmpty();
    // several chunks that begin and end within a column, of columns that are longer than a chunk
    for (long[] shape : new long[][] {{70_000, 3}, {3, 70_000}, {501, 499}}) {
      HostTensor tensor = counted(shape);
      HostTensor turned = tensor.transposed();
      float[] values = turned.toFloatArray();
      for (int row = 0; row < shape[0]; row += 7) {
        for (int column = 0; column < shape[1]; column++) {
          if (values[(int) (column * shape[0] + row)] != row * shape[1] + column) {
            throw new AssertionError("wrong at " + row + ", " + column);
          }
        }
      }
      assertThat(turned.transposed().bytes()).isEqualTo(tensor.bytes());
    }
    assertThatThrownBy(() -> counted(3).transposed())
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("tensor must be a matrix but was HostTensor[float32, (3)]");
  }

  @Test
  void views_ofViews_areTheSameInAnyOrder() {
    HostTensor half = counted(40, 30).to(DataType.BFLOAT16);
    HostTensor one = half.transposed().to(DataType.FLOAT32).rows(3, 9);
    HostTensor other = half.to(DataType.FLOAT32).transposed().rows(3, 9);
    assertThat(one.bytes()).isEqualTo(other.bytes());
    assertThat(one.rows(0, 1).toFloatArray())
        .startsWith(half.to(DataType.FLOAT32).toFloatArray()[3]);
  }

  @Test
  void concatenated_putsRowsUnderEachOther() {
    HostTensor joined =
        HostTensor.concatenated(List.of(counted(2, 2), counted(0, 2), counted(1, 2)));
    assertThat(joined.shape()).isEqualTo(new Shape(3, 2));
    assertThat(joined.toFloatArray()).containsExactly(0, 1, 2, 3, 0, 1);
    assertThat(joined.rows(1, 3).toFloatArray()).containsExactly(2, 3, 0, 1);
    // over the borders of chunks
    HostTensor large = counted(100_003);
    HostTensor twice = HostTensor.concatenated(List.of(large, large));
    assertThat(twice.rows(100_003, 200_006).bytes()).isEqualTo(large.bytes());
    assertThat(twice.toFloatArray()[200_005]).isEqualTo(100_002);
    for (List<HostTensor> wrong :
        List.of(
            List.<HostTensor>of(),
            List.of(counted(2, 2), counted(2, 3)),
            List.of(counted(2, 2), counted(4)),
            List.of(counted()),
            List.of(counted(2), counted(2).to(DataType.FLOAT16)))) {
      assertThatThrownBy(() -> HostTensor.concatenated(wrong))
          .isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void to_otherThanFloating_isRefused() {
    HostTensor integers = HostTensor.of(new long[] {1}, 1);
    assertThat(integers.to(DataType.INT64)).isSameAs(integers);
    assertThatThrownBy(() -> integers.to(DataType.FLOAT32))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("but was int64 and should become float32");
    assertThatThrownBy(() -> counted(1).to(DataType.INT32))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void chunks_areTheWholeTensorInOrder() {
    HostTensor tensor = counted(200_000).to(DataType.FLOAT16).to(DataType.FLOAT32);
    ByteBuffer whole = ByteBuffer.allocate((int) tensor.byteCount());
    int count = 0;
    for (ByteBuffer chunk : tensor.chunks()) {
      assertThat(chunk.isReadOnly()).isTrue();
      assertThat(chunk.order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
      whole.put(chunk);
      count++;
    }
    assertThat(count).isGreaterThan(2);
    assertThat(whole.flip()).isEqualTo(tensor.bytes());
    assertThat(counted(0).chunks()).isEmpty();
  }

  @Test
  void archive_ofViews_isThatOfCopies() throws IOException {
    HostTensor view =
        HostTensor.concatenated(List.of(counted(90, 1000), counted(10, 1000)))
            .to(DataType.BFLOAT16)
            .to(DataType.FLOAT32)
            .transposed();
    HostTensor copy = HostTensor.of(view.toFloatArray(), 1000, 100);
    assertThat(archive(view)).isEqualTo(archive(copy));
  }

  private static byte[] archive(HostTensor tensor) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    new TorchScriptArchive(
            ScriptModule.builder("Net").parameter("weight", tensor).build(), Map.of())
        .writeTo(out);
    return out.toByteArray();
  }

  @Test
  void mapped_tensorOfMoreThan2GiB_isReadInPieces() throws IOException {
    Path file = directory.resolve("large");
    long rows = (2L << 30) / 4096 + 10;
    // only the end is written: the rest takes no space on a file system that knows holes
    try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
      open.setLength(3 + rows * 4096);
      open.seek(3 + rows * 4096 - 4);
      open.write(new byte[] {0, 0, (byte) 0x80, 0x3f});
    }
    HostTensor tensor;
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      tensor = HostTensor.mapped(DataType.FLOAT32, new Shape(rows, 1024), channel, 3);
      assertThatThrownBy(
              () -> HostTensor.mapped(DataType.FLOAT32, new Shape(rows, 1024), channel, 4))
          .isInstanceOf(IOException.class)
          .hasMessageContaining("from byte 4 on but has");
    }
    assertThat(tensor.rows(rows - 1, rows).toFloatArray()).endsWith(0, 1).hasSize(1024);
    long border = (1L << 30) / 4096;
    assertThat(tensor.rows(border - 1, border + 1).toFloatArray()).hasSize(2048).containsOnly(0);
    assertThatThrownBy(tensor::bytes)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("must have less than 2 GiB")
        .hasMessageContaining("chunks()");
    Files.delete(file);
  }
}
