package io.distill.internal;

import io.distill.exception.DistillationException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** What a disk has room for, asked before something large is written to it. */
public final class DiskSpace {

  private DiskSpace() {}

  /**
   * Refuses a directory on a disk that is too full. The directory need not exist yet; a disk that
   * does not tell passes.
   *
   * @param what what the directory is, such as {@code checkpoint directory}
   */
  public static void require(String what, Path directory, long bytes) {
    Path existing = existing(directory.toAbsolutePath());
    if (existing == null) {
      return;
    }
    long usable;
    try {
      usable = Files.getFileStore(existing).getUsableSpace();
    } catch (IOException e) {
      return;
    }
    if (usable < bytes) {
      throw new DistillationException(
          what
              + " must be on a disk with at least "
              + ByteSize.text(bytes)
              + " free but the disk of "
              + directory
              + " has "
              + ByteSize.text(usable)
              + "; free some space, or choose another directory");
    }
  }

  private static @Nullable Path existing(Path directory) {
    Path each = directory;
    while (each != null && !Files.exists(each)) {
      each = each.getParent();
    }
    return each;
  }
}
