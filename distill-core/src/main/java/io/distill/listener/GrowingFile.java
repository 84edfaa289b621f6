package io.distill.listener;

import io.distill.exception.DistillationException;
import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A file that grows at its end while a run goes on.
 *
 * <p>Each write goes to the operating system at once, so that a killed process loses nothing, and
 * what was written by half is taken back. An error is logged once; after a while it is tried again,
 * since space may have been made. Not a {@code FileChannel}: an interrupt, with which a run may be
 * asked to stop, would close that.
 */
final class GrowingFile implements Closeable {

  /** How long nothing is written after an error. */
  static final long PAUSE_NANOS = TimeUnit.SECONDS.toNanos(30);

  private static final Logger LOGGER = LoggerFactory.getLogger(GrowingFile.class);

  /** Opens files; tests open such that fail later. */
  @FunctionalInterface
  interface Opener {
    /** The usual one. */
    Opener READ_WRITE = file -> new RandomAccessFile(file, "rw");

    /** Opens a file for reading and writing. */
    RandomAccessFile open(File file) throws IOException;
  }

  private final Path path;
  private final RandomAccessFile file;
  private final LongSupplier nanoTime;
  private long end;
  private long failedAt;
  private long lost;
  private boolean told;

  private GrowingFile(Path path, RandomAccessFile file, LongSupplier nanoTime) throws IOException {
    this.path = path;
    this.file = file;
    this.nanoTime = nanoTime;
    this.end = file.length();
  }

  /** Opens a file for this process alone; the directories above it are made. */
  static GrowingFile open(Path path, Opener opener, LongSupplier nanoTime) {
    RandomAccessFile file = null;
    try {
      Path parent = path.toAbsolutePath().getParent();
      if (parent != null) {
        Files.createDirectories(parent);
      }
      if (Files.exists(path) && !Files.isRegularFile(path)) {
        throw new DistillationException(
            "metrics file must be a regular file but was " + path + "; choose another path");
      }
      file = opener.open(path.toFile());
      lock(path, file);
      return new GrowingFile(path, file, nanoTime);
    } catch (IOException e) {
      closeQuietly(file);
      throw unwritable("metrics file", path, e);
    } catch (RuntimeException e) {
      closeQuietly(file);
      throw e;
    }
  }

  static DistillationException unwritable(String what, Path path, Exception cause) {
    return new DistillationException(
        what
            + " must be writable but was "
            + path
            + " ("
            + cause.getClass().getSimpleName()
            + ": "
            + cause.getMessage()
            + "); check the path and its permissions",
        cause);
  }

  private static void lock(Path path, RandomAccessFile file) {
    FileLock lock;
    try {
      // a byte far behind the end: on Windows nobody could read a locked one
      lock = file.getChannel().tryLock(Long.MAX_VALUE - 1, 1, false);
    } catch (OverlappingFileLockException e) {
      lock = null;
    } catch (IOException e) {
      // a network drive without locks
      return;
    }
    if (lock == null) {
      throw new DistillationException(
          "metrics file must belong to one run at a time but was "
              + path
              + ", to which another run is writing; give each run its own file");
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

  long length() {
    return end;
  }

  /** Reads bytes that are inside the file. */
  void read(long position, byte[] into, int length) throws IOException {
    file.seek(position);
    file.readFully(into, 0, length);
  }

  /** Drops everything from a position on. */
  void truncate(long position) throws IOException {
    file.setLength(position);
    end = position;
  }

  /** Adds bytes at the end; never throws. */
  void append(byte[] bytes, int length) {
    if (told && nanoTime.getAsLong() - failedAt < PAUSE_NANOS) {
      lost++;
      return;
    }
    try {
      if (told) {
        // what was written by half may still be there
        file.setLength(end);
      }
      file.seek(end);
      file.write(bytes, 0, length);
      end += length;
      if (told) {
        LOGGER.info("{} is written again; {} entries are missing", path, lost);
        told = false;
        lost = 0;
      }
    } catch (IOException e) {
      lost++;
      failed(e);
    }
  }

  private void failed(IOException e) {
    if (!told) {
      LOGGER.warn("{} cannot be written any more; the run goes on without it", path, e);
      told = true;
    }
    failedAt = nanoTime.getAsLong();
    try {
      file.setLength(end);
    } catch (IOException ignored) {
      // tried again before the next write
    }
  }

  /** Asks the operating system to put everything on the disk; never throws. */
  void sync() {
    if (!told) {
      try {
        file.getFD().sync();
      } catch (IOException e) {
        failed(e);
      }
    }
  }

  @Override
  public void close() {
    if (lost > 0) {
      LOGGER.warn("{} lacks {} entries that could not be written", path, lost);
    }
    closeQuietly(file);
  }
}
