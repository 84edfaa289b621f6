package io.distill.internal;

import io.distill.exception.DistillationException;
import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Files and directories that appear whole or not at all: write beside, fsync, rename. */
public final class AtomicFiles {

  /** How long the end of the process (as by Ctrl-C) waits for a file that is being written. */
  private static final long SHUTDOWN_WAIT_SECONDS = 30;

  /** Writers share it; the end of the process takes it alone, and then no write starts any more. */
  private static final ReadWriteLock PROCESS = new ReentrantReadWriteLock();

  static {
    Runtime.getRuntime().addShutdownHook(new Thread(AtomicFiles::awaitWriters, "distill-files"));
  }

  private AtomicFiles() {}

  /** Makes sure that the end of the process waits for files, and for work that writes some. */
  static void ready() {
    // being initialised is enough
  }

  private static void awaitWriters() {
    try {
      ProcessEnd.awaitWork();
      if (!PROCESS.writeLock().tryLock(SHUTDOWN_WAIT_SECONDS, TimeUnit.SECONDS)) {
        // the temporary file stays behind; the file itself is still the old one
        return;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Writes the content of one file. */
  @FunctionalInterface
  public interface Content {
    /** Writes everything to the stream; the caller closes it. */
    void writeTo(OutputStream out) throws IOException;
  }

  /** Fills a directory that is not visible under its final name yet. */
  @FunctionalInterface
  public interface Filling {
    /** Creates the files of the directory. */
    void fill(Path directory) throws IOException;
  }

  /** Writes a file whole or not at all; an older file of that name stays until the last moment. */
  public static void write(Path file, Content content) {
    Path target = file.toAbsolutePath();
    Path temporary = beside(target);
    PROCESS.readLock().lock();
    try {
      Files.createDirectories(parent(target));
      writeAndSync(temporary, content);
      move(temporary, target);
      syncDirectory(parent(target));
    } catch (IOException | UncheckedIOException e) {
      throw failure("file", file, e);
    } finally {
      deleteQuietly(temporary);
      PROCESS.readLock().unlock();
    }
  }

  /** Writes UTF-8 text whole or not at all. */
  public static void write(Path file, String text) {
    write(file, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
  }

  /**
   * Replaces a directory whole or not at all. An existing directory is replaced only if it is empty
   * or contains {@code marker}, so that nothing foreign is ever deleted.
   */
  public static void writeDirectory(Path directory, String marker, Filling filling) {
    requireReplaceable(directory, marker);
    Path target = directory.toAbsolutePath();
    Path temporary = beside(target);
    Path old = beside(target);
    PROCESS.readLock().lock();
    try {
      Files.createDirectories(parent(target));
      Files.createDirectory(temporary);
      filling.fill(temporary);
      for (Path file : filesBelow(temporary)) {
        sync(file);
      }
      syncDirectory(temporary);
      if (Files.exists(target)) {
        move(target, old);
      }
      try {
        move(temporary, target);
      } catch (IOException e) {
        if (Files.exists(old)) {
          move(old, target);
        }
        throw e;
      }
      syncDirectory(parent(target));
    } catch (DistillationException e) {
      // a file inside could not be written: name the directory that the caller knows
      throw e.getCause() instanceof IOException cause ? failure("directory", directory, cause) : e;
    } catch (IOException | UncheckedIOException e) {
      throw failure("directory", directory, e);
    } finally {
      deleteQuietly(temporary);
      deleteQuietly(old);
      PROCESS.readLock().unlock();
    }
  }

  /** Refuses a path that {@link #writeDirectory} would refuse. */
  public static void requireReplaceable(Path directory, String marker) {
    Path target = directory.toAbsolutePath();
    if (Files.exists(target) && !isReplaceable(target, marker)) {
      throw new DistillationException(
          "output directory must be new, empty, or one that was saved before (with a file '"
              + marker
              + "') but was "
              + directory
              + "; choose another directory");
    }
  }

  /** Deletes a file or a directory tree; what cannot be deleted is left. */
  public static void deleteQuietly(@Nullable Path path) {
    if (path == null || !Files.exists(path)) {
      return;
    }
    try (Stream<Path> tree = Files.walk(path)) {
      for (Path each : tree.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(each);
      }
    } catch (IOException | UncheckedIOException e) {
      path.toFile().deleteOnExit();
    }
  }

  private static boolean isReplaceable(Path directory, String marker) {
    if (!Files.isDirectory(directory)) {
      return false;
    }
    try (Stream<Path> children = Files.list(directory)) {
      return Files.isRegularFile(directory.resolve(marker)) || children.findAny().isEmpty();
    } catch (IOException e) {
      throw failure("directory", directory, e);
    }
  }

  private static void writeAndSync(Path file, Content content) throws IOException {
    // not a channel, which an interrupt of the thread would close
    try (FileOutputStream stream = new FileOutputStream(file.toFile())) {
      OutputStream out = new BufferedOutputStream(stream, 1 << 16);
      content.writeTo(out);
      out.flush();
      stream.getFD().sync();
    }
  }

  private static List<Path> filesBelow(Path directory) throws IOException {
    try (Stream<Path> tree = Files.walk(directory)) {
      return new ArrayList<>(tree.filter(Files::isRegularFile).toList());
    }
  }

  private static void sync(Path file) throws IOException {
    try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
      open.getFD().sync();
    }
  }

  private static void syncDirectory(Path directory) {
    boolean interrupted = Thread.interrupted();
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException ignored) {
      // Windows cannot open directories; the rename itself is still atomic there.
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static void move(Path from, Path to) throws IOException {
    try {
      Files.move(from, to, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(from, to, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private static Path beside(Path target) {
    return parent(target).resolve("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
  }

  private static Path parent(Path absolute) {
    Path parent = absolute.getParent();
    if (parent == null || absolute.getFileName() == null) {
      throw new DistillationException(
          "output path must name a file or directory but was " + absolute);
    }
    return parent;
  }

  private static DistillationException failure(String what, Path path, Exception cause) {
    return new DistillationException(
        what
            + " "
            + path
            + " could not be written ("
            + cause.getClass().getSimpleName()
            + ": "
            + cause.getMessage()
            + "); nothing was changed there; check free space and permissions",
        cause);
  }
}
