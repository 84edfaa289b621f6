package io.distill.internal;

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
 * The right to write a file or a directory; one in the world has it.
 *
 * <p>It is the lock of the operating system on an empty file, so it ends with the process, however
 * that ends. The lock cannot be on the data themselves: closing any channel of a file gives up all
 * locks that the process has on it. For the same reason a second writer in this process is turned
 * away before it opens anything.
 */
public final class WriterLock implements Closeable {

  private static final Set<Path> HELD_HERE = new HashSet<>();

  private final Path key;
  private final FileChannel channel;

  private WriterLock(Path key, FileChannel channel) {
    this.key = key;
    this.channel = channel;
  }

  /**
   * What is locked, as messages call it.
   *
   * @param name such as {@code teacher cache /data/answers.cache}
   * @param unwritable such as {@code directory of teacher cache x must be writable to add rows}
   * @param advice what to do if it cannot be written
   * @param elsewhere what to do if somebody else writes, such as {@code use another file}
   */
  public record Subject(String name, String unwritable, String advice, String elsewhere) {}

  /** Takes the lock that stands beside a file; the directories above are made. */
  public static WriterLock beside(Path path, Subject subject) {
    Path absolute = path.toAbsolutePath();
    Path parent = absolute.getParent();
    Path name = absolute.getFileName();
    if (parent == null || name == null) {
      throw unwritable(subject, new IOException("no file name in " + path));
    }
    return in(parent, "." + name + ".lock", subject);
  }

  /** Takes the lock that stands in a directory, which is made if it does not exist. */
  public static WriterLock in(Path directory, String name, Subject subject) {
    FileChannel channel = null;
    Path key = null;
    boolean taken = false;
    try {
      Files.createDirectories(directory);
      Path file = directory.toRealPath().resolve(name);
      key = file;
      synchronized (HELD_HERE) {
        if (!HELD_HERE.add(file)) {
          key = null;
          throw held(subject, "another run in this process");
        }
      }
      channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      FileLock lock = channel.tryLock();
      if (lock == null) {
        throw held(subject, "another process");
      }
      taken = true;
      return new WriterLock(key, channel);
    } catch (IOException e) {
      throw unwritable(subject, e);
    } finally {
      if (!taken) {
        release(key, channel);
      }
    }
  }

  private static DistillationException unwritable(Subject subject, IOException cause) {
    return new DistillationException(
        subject.unwritable + " but was not (" + cause + "); " + subject.advice, cause);
  }

  private static DistillationException held(Subject subject, String who) {
    return new DistillationException(
        subject.name
            + " must have one writer at a time but "
            + who
            + " is writing it; wait for it to end, or "
            + subject.elsewhere);
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
