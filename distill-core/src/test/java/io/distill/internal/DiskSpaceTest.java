package io.distill.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import ai.djl.Device;
import io.distill.exception.DistillationException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DiskSpaceTest {

  @Test
  void directory_withRoom_passes_whetherItExistsOrNot(@TempDir Path directory) {
    assertThatCode(() -> DiskSpace.require("output", directory, 1)).doesNotThrowAnyException();
    assertThatCode(() -> DiskSpace.require("output", directory.resolve("a/b/c"), 1))
        .doesNotThrowAnyException();
    assertThatCode(() -> DiskSpace.require("output", Path.of("not-there"), 1))
        .doesNotThrowAnyException();
  }

  @Test
  void directory_onATooSmallDisk_isRefused(@TempDir Path directory) {
    Path below = directory.resolve("checkpoints");
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(() -> DiskSpace.require("checkpoint directory", below, 1L << 60))
        .withMessageMatching(
            "checkpoint directory must be on a disk with at least 1\\.0 EiB free but the disk of "
                + java.util.regex.Pattern.quote(below.toString())
                + " has [0-9.]+ [KMGTP]iB; free some space, or choose another directory");
    assertThat(below).doesNotExist();
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0 B",
    "1023, 1023 B",
    "1024, 1.0 KiB",
    "1536, 1.5 KiB",
    "1572864, 1.5 MiB",
    "42949672960, 40.0 GiB",
    "9223372036854775807, 8.0 EiB"
  })
  void bytes_forPeople(long bytes, String text) {
    assertThat(ByteSize.text(bytes)).isEqualTo(text);
  }

  @Test
  void sum_staysAtTheLargestNumber() {
    assertThat(ByteSize.sum(1, 2)).isEqualTo(3);
    assertThat(ByteSize.sum(Long.MAX_VALUE, 1)).isEqualTo(Long.MAX_VALUE);
  }

  @Test
  void memoryOfTheMachine_isPlausible() {
    MachineMemory memory = MachineMemory.of(Device.cpu()).orElseThrow();
    assertThat(memory.totalBytes()).isGreaterThan(Runtime.getRuntime().totalMemory());
    assertThat(memory.freeBytes()).isPositive().isLessThanOrEqualTo(memory.totalBytes());
  }

  @Test
  void memoryOfAGpuThatIsNotThere_isUnknown() {
    assertThat(MachineMemory.of(Device.gpu(977))).isEmpty();
  }
}
