package io.distill.huggingface;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafeTensorsTest {

  @TempDir Path directory;
  private Path file;

  @BeforeEach
  void name() {
    file = directory.resolve("some.safetensors");
  }

  /** Written by the reference implementation: safetensors_golden.py. */
  @Test
  void golden_isReadAsWritten() throws IOException {
    try (InputStream golden = getClass().getResourceAsStream("small.safetensors")) {
      Files.copy(Objects.requireNonNull(golden), file);
    }
    SafeTensors tensors = SafeTensors.open(file);
    assertThat(tensors.metadata())
        .containsExactlyInAnyOrderEntriesOf(Map.of("format", "np", "note", "ä \"quoted\""));
    assertThat(tensors.entries())
        .containsOnlyKeys("weight", "ids", "half", "flag", "scalar", "empty");
    assertThat(tensors.tensor("weight").toFloatArray())
        .containsExactly(1.5f, -2.25f, 3e-8f, Float.POSITIVE_INFINITY, 0.1f, -0.0f);
    assertThat(tensors.tensor("weight").shape()).isEqualTo(new Shape(2, 3));
    assertThat(tensors.tensor("ids").bytes().asLongBuffer().get(2)).isEqualTo(1L << 40);
    assertThat(tensors.tensor("half").type()).isEqualTo(DataType.FLOAT16);
    assertThat(tensors.tensor("half").bytes().getShort(0)).isEqualTo((short) 0x3800);
    assertThat(tensors.tensor("flag").bytes().get(2)).isEqualTo((byte) 1);
    assertThat(tensors.tensor("scalar").shape()).isEqualTo(new Shape());
    assertThat(tensors.tensor("scalar").bytes().getDouble()).isEqualTo(7.25);
    assertThat(tensors.tensor("empty").shape()).isEqualTo(new Shape(0, 3));
  }

  @Test
  void written_isReadBack() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    tensors.put("b", HostTensor.of(new float[] {1, 2, 3, 4, Float.NaN, 6}, 3, 2));
    tensors.put("a/ä", HostTensor.of(new long[] {Long.MIN_VALUE}, 1));
    tensors.put("none", HostTensor.of(new float[0], 0));
    SafeTensors.write(file, tensors, Map.of("key", "value"));
    SafeTensors read = SafeTensors.open(file);
    assertThat(read.metadata()).containsExactly(Map.entry("key", "value"));
    assertThat(read.tensors().keySet()).containsExactly("b", "a/ä", "none");
    tensors.forEach(
        (name, tensor) -> {
          assertThat(read.tensor(name).shape()).isEqualTo(tensor.shape());
          assertThat(read.tensor(name).bytes()).isEqualTo(tensor.bytes());
        });
  }

  @Test
  void interruptedThread_readsAsAnyOther_andStaysInterrupted() {
    SafeTensors.write(file, Map.of("some", HostTensor.of(new float[] {1, 2}, 2)), Map.of());
    SafeTensors read;
    HostTensor tensor;
    boolean afterOpening;
    boolean afterMapping;
    Thread.currentThread().interrupt();
    try {
      read = SafeTensors.open(file);
      afterOpening = Thread.currentThread().isInterrupted();
      tensor = read.tensor("some");
      afterMapping = Thread.currentThread().isInterrupted();
    } finally {
      Thread.interrupted();
    }
    assertThat(read.entries()).containsOnlyKeys("some");
    assertThat(tensor.toFloatArray()).containsExactly(1, 2);
    assertThat(afterOpening).isTrue();
    assertThat(afterMapping).isTrue();
  }

  @Test
  void data_beginsAtAMultipleOfEight() throws IOException {
    for (int length = 1; length < 10; length++) {
      SafeTensors.write(
          file, Map.of("n".repeat(length), HostTensor.of(new float[] {1}, 1)), Map.of());
      ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
      assertThat(bytes.getLong(0) % 8).isZero();
    }
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}} | 4 |"
            + " must have 8 bytes for 'a' but its data_offsets are 0 and 4",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | 8 |"
            + " must have 4 bytes after its header but has 8 (cut off?)",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | 8 |"
            + " must have tensors one after the other but 'a' begins at byte 4 and not at 0",
        "{\"a\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}} | 8 |"
            + " must have tensors of types",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}} | 4 |"
            + " must have sizes of at least 0 but 'a' has -1",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,4]}} | 4 |"
            + " must have tensors that fit a file but 'a' is too large",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}} | 4 |"
            + " must have a header that gives dtype, shape and data_offsets",
        "{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}} | 4 |"
            + " must have a header that gives dtype, shape and data_offsets",
        "{\"a\":[] } | 4 | must have a header that gives dtype, shape and data_offsets",
        "[] | 4 | must have a header that gives dtype, shape and data_offsets",
        "{\"__metadata__\":{\"a\":1}} | 0 | must have a header that gives dtype",
      })
  void header_thatLies_isRefused(String header, int bytes, String message) throws IOException {
    write(header.getBytes(StandardCharsets.UTF_8), header.length(), bytes);
    refused(message);
  }

  @Test
  void header_beyondTheFile_isRefused_withoutReadingIt() throws IOException {
    write("{}".getBytes(StandardCharsets.UTF_8), Long.MAX_VALUE, 0);
    refused(" must have a header of 2 to 2 bytes but says " + Long.MAX_VALUE);
    write("{}".getBytes(StandardCharsets.UTF_8), -1, 0);
    refused(" must have a header of 2 to 2 bytes but says -1");
    Files.write(file, new byte[3]);
    refused(" must have a header of 2 to -5 bytes but says -1");
  }

  @Test
  void header_ofOtherText_isRefused() throws IOException {
    write(new byte[] {'{', (byte) 0xff, '}'}, 3, 0);
    refused(" must have a header of UTF-8 text but has other bytes");
    String deep = "[".repeat(100_000);
    write(deep.getBytes(StandardCharsets.UTF_8), deep.length(), 0);
    refused(" must have a header that gives dtype");
  }

  @Test
  void tensor_unknown_isRefused() {
    SafeTensors.write(file, Map.of("a", HostTensor.of(new float[] {1}, 1)), Map.of());
    SafeTensors tensors = SafeTensors.open(file);
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> tensors.tensor("b"))
        .withMessage(
            "safetensors file "
                + file
                + " must have a tensor 'b' but has [a]; write or fetch the file again");
  }

  @Test
  void file_thatShrinks_isNotMapped() throws IOException {
    SafeTensors.write(file, Map.of("a", HostTensor.of(new float[100], 100)), Map.of());
    SafeTensors tensors = SafeTensors.open(file);
    Files.write(file, new byte[10]);
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> tensors.tensor("a"))
        .withMessageContaining("must stay readable but was not");
  }

  @Test
  void file_missing_isTold() {
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> SafeTensors.open(file))
        .withMessageStartingWith("safetensors file " + file + " must be readable but was not (");
  }

  private void write(byte[] header, long length, int dataBytes) throws IOException {
    ByteBuffer bytes =
        ByteBuffer.allocate(8 + header.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
    Files.write(file, bytes.putLong(length).put(header).array());
  }

  private void refused(String message) {
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> SafeTensors.open(file))
        .withMessageStartingWith("safetensors file " + file + " " + message.strip());
  }
}
