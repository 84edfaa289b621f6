package io.distill.teacher.internal;

import io.distill.exception.DistillationException;
import java.io.Closeable;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The right to write a cache; one in the world has it.
 *
 * <p>It is the lock of the operating system on an empty file beside the cache, so it ends with the
 * process, however that ends. The lock cannot be on the cache itself: closing any channel of a file
 * gives up all locks that the process has on it. For the same reason a second writer in this
 * process is turned away before it opens anything.
 */
final class WriterLock implements Closeable {

  private static final Set<Path> HELD_HERE = new HashSet<>();

  private final Path key;
  private final FileChannel channel;

  private WriterLock(Path key, FileChannel channel) {
    this.key = key;
    this.channel = channel;
  }

  /** Takes the lock of a cache whose directory exists. */
  static WriterLock take(Path cache) {
    FileChannel channel = null;
    Path key = null;
    boolean taken = false;
    try {
      Path file = lockFile(cache);
      key = file;
      synchronized (HELD_HERE) {
        if (!HELD_HERE.add(file)) {
          key = null;
          throw held(cache, "another run in this process");
        }
      }
      channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      FileLock lock = channel.tryLock();
      if (lock == null) {
        throw held(cache, "another process");
      }
      taken = true;
      return new WriterLock(key, channel);
    } catch (IOException e) {
      throw new DistillationException(
          "directory of teacher cache "
              + cache
              + " must be writable to add rows but was not ("
              + e
              + "); check its permissions, or use a cache that has all rows",
          e);
    } finally {
      if (!taken) {
        release(key, channel);
      }
    }
  }

  private static Path lockFile(Path cache) throws IOException {
    Path absolute = cache.toAbsolutePath();
    Path parent = absolute.getParent();
    Path name = absolute.getFileName();
    if (parent == null || name == null) {
      throw new IOException("no file name in " + cache);
    }
    Files.createDirectories(parent);
    return parent.toRealPath().resolve("." + name + ".lock");
  }

  private static DistillationException held(Path cache, String who) {
    return new DistillationException(
        "teacher cache "
            + cache
            + " must have one writer at a time but "
            + who
            + " is writing it; wait for it to end, or use another file");
  }

  private static void release(@Nullable Path key, @Nullable FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      throw new DistillationException("lock " + key + " could not be given back", e);
    } finally {
      if (key != null) {
        synchronized (HELD_HERE) {
          HELD_HERE.remove(key);
        }
      }
    }
  }

  @Override
  public void close() {
    release(key, channel);
  }
}
