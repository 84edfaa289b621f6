package io.distill.trace;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.gson.JsonObject;
import io.distill.exception.DistillationException;
import java.io.Closeable;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A file of JSON Lines that grows at its end, each line in one write to the operating system.
 *
 * <p>A killed process may leave the last line without its end. Such a line is cut off when the file
 * is opened again, unless only the line end is missing, which is then added. Not a {@code
 * FileChannel}: an interrupt, with which a run may be asked to stop, would close that.
 */
final class LineFile implements Closeable {

  /** How often what was written is forced to the disk. */
  private static final long SYNC_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final String what;
  private final Path path;
  private final RandomAccessFile file;
  private long end;
  private long synced = System.nanoTime();
  private @Nullable DistillationException failure;

  private LineFile(String what, Path path, RandomAccessFile file, long end) {
    this.what = what;
    this.path = path;
    this.file = file;
    this.end = end;
  }

  /** Opens a file, or makes an empty one, and mends its last line. */
  static LineFile open(String what, Path path) {
    if (Files.exists(path) && !Files.isRegularFile(path)) {
      throw new DistillationException(
          what + " must be a regular file but was " + path + "; choose another directory");
    }
    RandomAccessFile file = null;
    try {
      file = new RandomAccessFile(path.toFile(), "rw");
      LineFile opened = new LineFile(what, path, file, file.length());
      opened.mend();
      return opened;
    } catch (IOException e) {
      closeQuietly(file);
      throw unwritable(what, path, e);
    } catch (RuntimeException e) {
      closeQuietly(file);
      throw e;
    }
  }

  private static void closeQuietly(@Nullable RandomAccessFile file) {
    if (file != null) {
      try {
        file.close();
      } catch (IOException ignored) {
        // the first exception says more
      }
    }
  }

  private static DistillationException unwritable(String what, Path path, IOException cause) {
    return new DistillationException(
        what
            + " "
            + path
            + " must be writable but was not ("
            + cause.getClass().getSimpleName()
            + ": "
            + cause.getMessage()
            + "); check free space and permissions, then run it again: it goes on where it ended",
        cause);
  }

  private void mend() throws IOException {
    long whole = wholeLines();
    if (whole == end) {
      return;
    }
    byte[] torn = read(whole, Math.toIntExact(Math.min(end - whole, Integer.MAX_VALUE - 8)));
    if (isObject(new LineReader.Line("last line", whole, torn, false))) {
      write(new byte[] {'\n'});
    } else {
      file.setLength(whole);
      end = whole;
    }
  }

  /** Returns where the part of the last line begins that has no end. */
  private long wholeLines() throws IOException {
    byte[] buffer = new byte[1 << 16];
    for (long high = end; high > 0; ) {
      int length = (int) Math.min(buffer.length, high);
      file.seek(high - length);
      file.readFully(buffer, 0, length);
      for (int i = length - 1; i >= 0; i--) {
        if (buffer[i] == '\n') {
          return high - length + i + 1;
        }
      }
      high -= length;
      if (end - high > LineReader.MAXIMUM_LINE_BYTES) {
        throw new DistillationException(
            what
                + " "
                + path
                + " must consist of lines of at most "
                + LineReader.MAXIMUM_LINE_BYTES
                + " bytes but its last one is longer; restore it, or choose another directory");
      }
    }
    return 0;
  }

  private static boolean isObject(LineReader.Line line) {
    try {
      return !JsonLine.of(line).json().isEmpty();
    } catch (DistillationException e) {
      return false;
    }
  }

  Path path() {
    return path;
  }

  long length() {
    return end;
  }

  /** Reads the lines that are there now. */
  LineReader reader() {
    return LineReader.open(what, path);
  }

  synchronized byte[] read(long offset, int length) {
    byte[] bytes = new byte[length];
    try {
      file.seek(offset);
      file.readFully(bytes);
      return bytes;
    } catch (IOException e) {
      throw LineReader.unreadable(what, path, e);
    }
  }

  /** Drops everything from a position on. */
  synchronized void truncate(long position) {
    try {
      file.setLength(position);
      end = position;
    } catch (IOException e) {
      throw unwritable(what, path, e);
    }
  }

  /**
   * Adds a line and returns where it begins and how long it is without its end. After a failure
   * nothing is written any more, so that no line follows half a line.
   */
  @CanIgnoreReturnValue
  synchronized Place append(JsonObject json) {
    if (failure != null) {
      throw failure;
    }
    byte[] line = (json + "\n").getBytes(StandardCharsets.UTF_8);
    long start = end;
    try {
      if (line.length > LineReader.MAXIMUM_LINE_BYTES) {
        throw new IOException("a line of " + line.length + " bytes is too long");
      }
      write(line);
    } catch (IOException e) {
      failure = unwritable(what, path, e);
      try {
        file.setLength(start);
      } catch (IOException ignored) {
        // mended when the file is opened again
      }
      throw failure;
    }
    return new Place(start, line.length - 1);
  }

  /** Where a line stands. */
  record Place(long offset, int length) {}

  private void write(byte[] bytes) throws IOException {
    file.seek(end);
    file.write(bytes);
    end += bytes.length;
  }

  /** Forces to the disk what was written, if that was not done for a while. */
  synchronized void syncNowAndThen() {
    if (System.nanoTime() - synced > SYNC_NANOS) {
      sync();
    }
  }

  /** Forces to the disk what was written. */
  synchronized void sync() {
    try {
      file.getFD().sync();
      synced = System.nanoTime();
    } catch (IOException e) {
      throw unwritable(what, path, e);
    }
  }

  @Override
  public synchronized void close() {
    closeQuietly(file);
  }
}
