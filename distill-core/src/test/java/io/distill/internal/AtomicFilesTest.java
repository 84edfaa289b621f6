package io.distill.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.distill.exception.DistillationException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AtomicFilesTest {

  @TempDir Path directory;

  private List<String> names() throws IOException {
    try (Stream<Path> tree = Files.walk(directory)) {
      return tree.filter(path -> !path.equals(directory))
          .map(path -> directory.relativize(path).toString())
          .sorted()
          .toList();
    }
  }

  private static void fail(OutputStream out) throws IOException {
    out.write(new byte[100_000]);
    throw new IOException("No space left on device");
  }

  @Test
  void write_overAnOldFile_replacesIt() throws IOException {
    Path file = directory.resolve("a/b.txt");
    AtomicFiles.write(file, "a longer old text");
    AtomicFiles.write(file, "näu");
    assertThat(file).hasContent("näu");
    assertThat(names()).containsExactly("a", "a/b.txt");
  }

  @Test
  void write_thatFails_leavesTheOldFileAndNothingElse() throws IOException {
    Path file = directory.resolve("b.txt");
    AtomicFiles.write(file, "old");
    assertThatThrownBy(() -> AtomicFiles.write(file, AtomicFilesTest::fail))
        .isInstanceOf(DistillationException.class)
        .hasCauseInstanceOf(IOException.class)
        .hasMessage(
            "file "
                + file
                + " could not be written (IOException: No space left on device); nothing was"
                + " changed there; check free space and permissions");
    assertThat(file).hasContent("old");
    assertThat(names()).containsExactly("b.txt");
  }

  @Test
  void write_thatThrowsAnotherError_leavesNothing() throws IOException {
    assertThatThrownBy(
            () ->
                AtomicFiles.write(
                    directory.resolve("c.txt"),
                    out -> {
                      out.write(1);
                      throw new IllegalStateException("engine");
                    }))
        .isInstanceOf(IllegalStateException.class)
        .hasMessage("engine");
    assertThat(names()).isEmpty();
  }

  @Test
  void write_toAFullDevice_saysSo() throws IOException {
    assumeTrue(Files.isWritable(Path.of("/dev/full")), "no /dev/full here");
    Path file = directory.resolve("full.txt");
    assertThatThrownBy(
            () ->
                AtomicFiles.write(
                    file,
                    out -> {
                      try (OutputStream full = new FileOutputStream("/dev/full")) {
                        full.write(1);
                      }
                    }))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "file "
                + file
                + " could not be written (IOException: No space left on device); nothing was"
                + " changed there; check free space and permissions");
    assertThat(names()).isEmpty();
  }

  @Test
  void write_intoAnUnwritableDirectory_isRefused() throws IOException {
    Path locked = Files.createDirectory(directory.resolve("locked"));
    assumeTrue(locked.toFile().setWritable(false) && !Files.isWritable(locked), "root writes");
    try {
      assertThatThrownBy(() -> AtomicFiles.write(locked.resolve("a"), "text"))
          .isInstanceOf(DistillationException.class)
          .hasMessageContaining("could not be written (AccessDeniedException");
    } finally {
      assertThat(locked.toFile().setWritable(true)).isTrue();
    }
    assertThat(names()).containsExactly("locked");
  }

  @Test
  void write_belowAFile_isRefused() throws IOException {
    Path file = directory.resolve("file");
    AtomicFiles.write(file, "text");
    assertThatThrownBy(() -> AtomicFiles.write(file.resolve("child"), "text"))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("file " + file.resolve("child") + " could not be written (");
    assertThat(file).hasContent("text");
  }

  @Test
  void write_toTheRoot_isRefused() {
    Path root = directory.getRoot();
    assumeFalse(root == null);
    assertThatThrownBy(() -> AtomicFiles.write(root, "text"))
        .isInstanceOf(DistillationException.class)
        .hasMessage("output path must name a file or directory but was " + root);
  }

  @Test
  void writeDirectory_overAnOldOne_replacesAllOfIt() throws IOException {
    Path target = directory.resolve("model");
    AtomicFiles.writeDirectory(
        target,
        "marker",
        inside -> {
          AtomicFiles.write(inside.resolve("marker"), "1");
          AtomicFiles.write(inside.resolve("old"), "1");
        });
    AtomicFiles.writeDirectory(
        target,
        "marker",
        inside -> {
          assertThat(target.resolve("old")).exists();
          AtomicFiles.write(inside.resolve("marker"), "2");
          AtomicFiles.write(inside.resolve("sub/new"), "2");
        });
    assertThat(names()).containsExactly("model", "model/marker", "model/sub", "model/sub/new");
    assertThat(target.resolve("marker")).hasContent("2");
  }

  @Test
  void writeDirectory_thatIsEmpty_isFilled() throws IOException {
    Path target = Files.createDirectory(directory.resolve("empty"));
    AtomicFiles.writeDirectory(
        target, "marker", inside -> AtomicFiles.write(inside.resolve("marker"), "1"));
    assertThat(names()).containsExactly("empty", "empty/marker");
  }

  @Test
  void writeDirectory_thatFails_leavesTheOldOneAndNamesIt() throws IOException {
    Path target = directory.resolve("model");
    AtomicFiles.writeDirectory(
        target, "marker", inside -> AtomicFiles.write(inside.resolve("marker"), "1"));
    assertThatThrownBy(
            () ->
                AtomicFiles.writeDirectory(
                    target,
                    "marker",
                    inside -> {
                      AtomicFiles.write(inside.resolve("marker"), "2");
                      AtomicFiles.write(inside.resolve("weights"), AtomicFilesTest::fail);
                    }))
        .isInstanceOf(DistillationException.class)
        .hasCauseInstanceOf(IOException.class)
        .hasMessage(
            "directory "
                + target
                + " could not be written (IOException: No space left on device); nothing was"
                + " changed there; check free space and permissions");
    assertThat(names()).containsExactly("model", "model/marker");
    assertThat(target.resolve("marker")).hasContent("1");
  }

  @Test
  void writeDirectory_overAForeignOne_isRefused() throws IOException {
    Path target = directory.resolve("home");
    AtomicFiles.write(target.resolve("letters.txt"), "dear");
    assertThatThrownBy(
            () ->
                AtomicFiles.writeDirectory(
                    target, "config.json", inside -> AtomicFiles.write(inside.resolve("a"), "b")))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "output directory must be new, empty, or one that was saved before (with a file"
                + " 'config.json') but was "
                + target
                + "; choose another directory");
    assertThat(names()).containsExactly("home", "home/letters.txt");
  }

  @Test
  void writeDirectory_overAFile_isRefused() throws IOException {
    Path target = directory.resolve("file");
    AtomicFiles.write(target, "text");
    assertThatThrownBy(() -> AtomicFiles.writeDirectory(target, "marker", inside -> {}))
        .isInstanceOf(DistillationException.class)
        .hasMessageStartingWith("output directory must be new, empty, or");
    assertThat(target).hasContent("text");
  }

  @Test
  void deleteQuietly_ofATree_deletesIt() throws IOException {
    AtomicFiles.write(directory.resolve("a/b/c"), "text");
    AtomicFiles.deleteQuietly(directory.resolve("a"));
    AtomicFiles.deleteQuietly(directory.resolve("missing"));
    AtomicFiles.deleteQuietly(null);
    assertThat(names()).isEmpty();
  }

  @Test
  void interruptedThread_stillWrites_andStaysInterrupted() throws Exception {
    Path file = directory.resolve("file.txt");
    Path folder = directory.resolve("folder");
    Thread.currentThread().interrupt();
    AtomicFiles.write(file, "text");
    AtomicFiles.writeDirectory(
        folder, "marker", target -> AtomicFiles.write(target.resolve("marker"), "inside"));
    assertThat(Thread.interrupted()).isTrue();
    assertThat(file).hasContent("text");
    assertThat(folder.resolve("marker")).hasContent("inside");
  }
}
