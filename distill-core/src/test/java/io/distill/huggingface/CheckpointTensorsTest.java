package io.distill.huggingface;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.distill.exception.DistillationException;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointTensorsTest {

  @TempDir Path directory;

  private static Map<String, HostTensor> tensors() {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    tensors.put("a", HostTensor.of(new float[] {1, 2, 3, 4}, 2, 2));
    tensors.put("large", HostTensor.of(new float[] {0.1f, 2, 3, 4, 5, 6, 7, 8, 9}, 9));
    tensors.put("b", HostTensor.of(new float[] {-1}, 1));
    tensors.put("ids", HostTensor.of(new long[] {7}, 1));
    return tensors;
  }

  private static List<String> files(Path directory) throws IOException {
    try (Stream<Path> all = Files.list(directory)) {
      return all.map(each -> each.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void single_isReadBack() throws IOException {
    CheckpointTensors.write(directory, tensors(), 1000, DataType.FLOAT32);
    assertThat(files(directory)).containsExactly("model.safetensors");
    CheckpointTensors read = CheckpointTensors.open(directory);
    assertThat(read.entries().keySet()).containsExactly("a", "large", "b", "ids");
    assertThat(read.unlisted()).isEmpty();
    assertThat(read.float32("a", new Shape(2, 2)).toFloatArray()).containsExactly(1, 2, 3, 4);
    assertThat(read.raw("ids").bytes().getLong()).isEqualTo(7);
    assertThat(SafeTensors.open(directory.resolve("model.safetensors")).metadata())
        .containsEntry("format", "pt");
  }

  @Test
  void sharded_isReadBack() throws IOException {
    CheckpointTensors.write(directory, tensors(), 20, DataType.FLOAT32);
    assertThat(files(directory))
        .containsExactly(
            "model-00001-of-00003.safetensors",
            "model-00002-of-00003.safetensors",
            "model-00003-of-00003.safetensors",
            "model.safetensors.index.json");
    JsonObject index =
        JsonParser.parseString(Files.readString(directory.resolve(CheckpointTensors.INDEX_NAME)))
            .getAsJsonObject();
    assertThat(index.getAsJsonObject("metadata").get("total_size").getAsLong()).isEqualTo(64);
    assertThat(index.getAsJsonObject("weight_map").get("large").getAsString())
        .isEqualTo("model-00002-of-00003.safetensors");
    CheckpointTensors read = CheckpointTensors.open(directory);
    assertThat(read.entries().keySet()).containsExactly("a", "large", "b", "ids");
    tensors()
        .forEach((name, tensor) -> assertThat(read.raw(name).bytes()).isEqualTo(tensor.bytes()));
  }

  @Test
  void precision_isThatOfTheFileAndFloat32ForReaders() {
    for (DataType type : List.of(DataType.FLOAT16, DataType.BFLOAT16)) {
      Path each = directory.resolve(type.toString());
      CheckpointTensors.write(each, tensors(), 30, type);
      CheckpointTensors read = CheckpointTensors.open(each);
      assertThat(read.entries().get("large").type()).isEqualTo(type);
      assertThat(read.entries().get("ids").type()).isEqualTo(DataType.INT64);
      assertThat(read.raw("large").byteCount()).isEqualTo(18);
      float[] values = read.float32("large").toFloatArray();
      assertThat(values).endsWith(2, 3, 4, 5, 6, 7, 8, 9);
      assertThat(values[0]).isEqualTo(type == DataType.FLOAT16 ? 0.099975586f : 0.100097656f);
      // a view of a file can be written to another one
      Path again = directory.resolve(type + "-again");
      CheckpointTensors.write(again, Map.of("x", read.float32("large")), 1000, type);
      assertThat(CheckpointTensors.open(again).raw("x").bytes())
          .isEqualTo(read.raw("large").bytes());
    }
  }

  @Test
  void write_whereWeightsAre_isRefused() {
    CheckpointTensors.write(directory, tensors(), 1000, DataType.FLOAT32);
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> CheckpointTensors.write(directory, tensors(), 1000, DataType.FLOAT32))
        .withMessage(
            "directory of a checkpoint must have no weights yet but "
                + directory
                + " has model.safetensors; choose another directory");
  }

  @Test
  void write_thatFails_leavesNothing() throws IOException {
    // the last file cannot be replaced, for it is a directory
    Path blocked = directory.resolve("model-00003-of-00003.safetensors");
    Files.createDirectories(blocked.resolve("in the way"));
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> CheckpointTensors.write(directory, tensors(), 20, DataType.FLOAT32));
    assertThat(files(directory)).containsExactly(blocked.getFileName().toString());
  }

  @Test
  void write_whatFloat16CannotHold_isRefused() throws IOException {
    Map<String, HostTensor> large = Map.of("w", HostTensor.of(new float[] {1, 65520}, 2));
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> CheckpointTensors.write(directory, large, 1000, DataType.FLOAT16))
        .withMessageContaining("tensor 'w' must be below 65520.0")
        .withMessageContaining("element 1 is 65520.0")
        .withMessageContaining("write it as bfloat16 or float32");
    assertThat(files(directory)).isEmpty();
    CheckpointTensors.write(directory, large, 1000, DataType.BFLOAT16);
    assertThatThrownBy(() -> CheckpointTensors.write(directory, large, 0, DataType.FLOAT16))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> CheckpointTensors.write(directory, large, 1, DataType.INT8))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void tensor_ofAnotherShape_isToldWithBoth() {
    CheckpointTensors.write(directory, tensors(), 20, DataType.FLOAT32);
    CheckpointTensors read = CheckpointTensors.open(directory);
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> read.float32("a", new Shape(4)))
        .withMessage(
            "tensor 'a' of "
                + directory.resolve("model-00001-of-00003.safetensors")
                + " must have shape (4) but has (2, 2); check that the configuration belongs to"
                + " these weights");
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> read.float32("ids"))
        .withMessageContaining("tensor 'ids' of")
        .withMessageContaining("is of int64");
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> read.raw("none"))
        .withMessageContaining("must have a tensor 'none' but has not; it has a, large, b, ids");
  }

  @Test
  void tensorsThatTheIndexLeavesOut_areReported() throws IOException {
    CheckpointTensors.write(directory, tensors(), 20, DataType.FLOAT32);
    Path index = directory.resolve(CheckpointTensors.INDEX_NAME);
    JsonObject json = JsonParser.parseString(Files.readString(index)).getAsJsonObject();
    json.getAsJsonObject("weight_map").remove("ids");
    Files.writeString(index, json.toString());
    CheckpointTensors read = CheckpointTensors.open(directory);
    assertThat(read.unlisted()).containsExactly("ids");
    assertThatExceptionOfType(DistillationException.class).isThrownBy(() -> read.raw("ids"));
  }

  @Test
  void pickles_areRefusedWithTheReason() throws IOException {
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> CheckpointTensors.open(directory))
        .withMessageContaining("but has neither; check the path");
    Files.write(directory.resolve("pytorch_model.bin"), new byte[3]);
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> CheckpointTensors.open(directory))
        .withMessageContaining("has only pytorch_model.bin")
        .withMessageContaining("a pickle is a program that runs when it is read")
        .withMessageContaining("convert the weights");
  }

  /** The layout of the cache of the Hugging Face hub. */
  @Test
  void links_toTheBlobsOfTheCache_areFollowed() throws IOException {
    Path blobs = Files.createDirectories(directory.resolve("models--x--y/blobs"));
    Path snapshot = Files.createDirectories(directory.resolve("models--x--y/snapshots/abc"));
    CheckpointTensors.write(snapshot, tensors(), 1000, DataType.FLOAT32);
    Path file = snapshot.resolve("model.safetensors");
    Files.move(file, blobs.resolve("0123"));
    Files.createSymbolicLink(file, Path.of("../../blobs/0123"));
    assertThat(CheckpointTensors.open(snapshot).entries()).hasSize(4);

    Files.move(blobs.resolve("0123"), directory.resolve("0123"));
    Files.delete(file);
    Files.createSymbolicLink(file, directory.resolve("0123"));
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> CheckpointTensors.open(snapshot))
        .withMessageContaining("in its own directory but it is a link to");
  }

  @Test
  void floats_ofAFile_areNotHeldInMemory() {
    int elements = 8 << 20;
    ByteBuffer zeros = ByteBuffer.allocate(elements * 2);
    CheckpointTensors.write(
        directory,
        Map.of("w", HostTensor.of(DataType.BFLOAT16, new Shape(elements), zeros)),
        Long.MAX_VALUE,
        DataType.BFLOAT16);
    var threads =
        (com.sun.management.ThreadMXBean) java.lang.management.ManagementFactory.getThreadMXBean();
    HostTensor tensor = CheckpointTensors.open(directory).float32("w");
    long before = threads.getCurrentThreadAllocatedBytes();
    float largest = -1;
    for (ByteBuffer chunk : tensor.chunks()) {
      largest = Math.max(largest, chunk.getFloat());
    }
    long largestAllocation = threads.getCurrentThreadAllocatedBytes() - before;
    assertThat(largest).isZero();
    // each chunk has a small buffer of its own, which is garbage at once
    assertThat(largestAllocation).isLessThan(elements * 4L);
  }
}
