package io.distill.training.internal;

import com.google.common.hash.HashCode;
import com.google.common.hash.Hashing;
import com.google.common.hash.HashingInputStream;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoints of one run in one directory. Each is a directory of its own, named by its step,
 * that appears whole or not at all; a list of checksums in it, as {@code sha256sum} reads it,
 * covers every file.
 */
public final class CheckpointStore implements AutoCloseable {

  static final String MANIFEST = "manifest.json";
  static final String CHECKSUMS = "SHA256SUMS";

  private static final String LOCK = ".lock";
  private static final Pattern NAME = Pattern.compile("checkpoint-(\\d{12})");
  private static final Pattern LEFT_BEHIND = Pattern.compile("\\.checkpoint-\\d{12}\\..*\\.tmp");
  private static final Pattern CHECKSUM_LINE = Pattern.compile("([0-9a-f]{64})  (.+)");
  private static final long MAX_CHECKSUMS_BYTES = 1 << 20;

  private static final Logger LOGGER = LoggerFactory.getLogger(CheckpointStore.class);

  private final Path directory;
  private final FileChannel lockFile;
  private final FileLock lock;

  private CheckpointStore(Path directory, FileChannel lockFile, FileLock lock) {
    this.directory = directory;
    this.lockFile = lockFile;
    this.lock = lock;
  }

  /** A checkpoint that was found. */
  public record Found(Path path, long step) {}

  /** Opens a directory for writing, alone; what a killed process left half-written is deleted. */
  static CheckpointStore open(Path directory) {
    FileChannel channel = null;
    try {
      Files.createDirectories(directory);
      channel =
          FileChannel.open(
              directory.resolve(LOCK), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      FileLock lock = tryLock(channel);
      if (lock == null) {
        channel.close();
        throw new DistillationException(
            "checkpoint directory must be used by one run at a time but "
                + directory
                + " is in use by another; choose another directory, or wait for that run");
      }
      deleteLeftovers(directory);
      return new CheckpointStore(directory, channel, lock);
    } catch (IOException | UncheckedIOException e) {
      closeQuietly(channel);
      throw new DistillationException(
          "checkpoint directory must be writable but "
              + directory
              + " is not ("
              + e
              + "); choose another directory, or correct its permissions",
          e);
    }
  }

  private static @Nullable FileLock tryLock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) {
      // held by this very process
      return null;
    }
  }

  private static void deleteLeftovers(Path directory) throws IOException {
    try (Stream<Path> children = Files.list(directory)) {
      children
          .filter(child -> LEFT_BEHIND.matcher(child.getFileName().toString()).matches())
          .toList()
          .forEach(AtomicFiles::deleteQuietly);
    }
  }

  /** Writes a checkpoint and removes all but the newest ones; returns where it is. */
  Path write(long step, int kept, AtomicFiles.Filling filling) {
    Path target = directory.resolve(String.format(Locale.ROOT, "checkpoint-%012d", step));
    AtomicFiles.writeDirectory(
        target,
        CHECKSUMS,
        temporary -> {
          filling.fill(temporary);
          writeChecksums(temporary);
        });
    List<Found> all = list(directory);
    for (Found old : all.subList(Math.min(kept, all.size()), all.size())) {
      delete(old.path());
    }
    return target;
  }

  /** Removes what is newer than a step, before steps after it are taken anew. */
  void discardAfter(long step) {
    list(directory).stream()
        .filter(each -> each.step() > step)
        .forEach(each -> delete(each.path()));
  }

  /** Out of sight first: what is being deleted must never look like a checkpoint. */
  private static void delete(Path checkpoint) {
    Path hidden =
        checkpoint.resolveSibling("." + checkpoint.getFileName() + "." + "deleted" + ".tmp");
    try {
      Files.move(checkpoint, hidden);
    } catch (IOException e) {
      LOGGER.warn("Old checkpoint {} could not be removed ({})", checkpoint, e.toString());
      return;
    }
    AtomicFiles.deleteQuietly(hidden);
  }

  private static void writeChecksums(Path checkpoint) throws IOException {
    StringBuilder lines = new StringBuilder();
    for (Map.Entry<String, Path> file : files(checkpoint).entrySet()) {
      lines.append(digest(file.getValue())).append("  ").append(file.getKey()).append('\n');
    }
    AtomicFiles.write(checkpoint.resolve(CHECKSUMS), lines.toString());
  }

  /** Returns all files below a directory but the list itself, by relative name. */
  private static Map<String, Path> files(Path checkpoint) throws IOException {
    Map<String, Path> files = new TreeMap<>();
    try (Stream<Path> tree = Files.walk(checkpoint)) {
      for (Path file :
          tree.filter(path -> !Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS)).toList()) {
        String name = checkpoint.relativize(file).toString().replace('\\', '/');
        if (!name.equals(CHECKSUMS)) {
          files.put(name, file);
        }
      }
    }
    return files;
  }

  private static HashCode digest(Path file) throws IOException {
    // not a channel, which an interrupt of the thread would close
    try (InputStream in = new FileInputStream(file.toFile());
        HashingInputStream hashing = new HashingInputStream(Hashing.sha256(), in)) {
      hashing.transferTo(OutputStream.nullOutputStream());
      return hashing.hash();
    }
  }

  /** Returns all checkpoints in a directory, newest first; none if there is no such directory. */
  public static List<Found> list(Path directory) {
    if (!Files.isDirectory(directory)) {
      return List.of();
    }
    List<Found> found = new ArrayList<>();
    try (Stream<Path> children = Files.list(directory)) {
      for (Path child : children.toList()) {
        Matcher name = NAME.matcher(child.getFileName().toString());
        if (name.matches() && Files.isDirectory(child)) {
          found.add(new Found(child, Long.parseLong(name.group(1))));
        }
      }
    } catch (IOException | UncheckedIOException e) {
      throw new DistillationException(
          "checkpoint directory must be readable but " + directory + " is not (" + e + ")", e);
    }
    found.sort(Comparator.comparingLong(Found::step).reversed());
    return List.copyOf(found);
  }

  /**
   * Returns the newest checkpoint that is whole; damaged ones are logged and passed over.
   *
   * @param atMost the last step that counts, if there is a limit
   * @return empty if there is no checkpoint at all
   * @throws DistillationException if there are some but all are damaged
   */
  static Optional<Found> newest(Path directory, OptionalLong atMost) {
    List<Found> all =
        list(directory).stream()
            .filter(each -> each.step() <= atMost.orElse(Long.MAX_VALUE))
            .toList();
    List<String> damages = new ArrayList<>();
    for (Found each : all) {
      Optional<String> damage = damage(each.path());
      if (damage.isEmpty()) {
        return Optional.of(each);
      }
      damages.add(each.path().getFileName() + ": " + damage.get());
      LOGGER.warn("Checkpoint {} is damaged and passed over: {}", each.path(), damage.get());
    }
    if (!all.isEmpty()) {
      throw new DistillationException(
          "checkpoint directory "
              + directory
              + " must have a checkpoint that is whole but all are damaged ("
              + String.join("; ", damages)
              + "); start the run anew in another directory");
    }
    return Optional.empty();
  }

  /** Compares all files of a checkpoint with its list of checksums; empty if it is whole. */
  public static Optional<String> damage(Path checkpoint) {
    try {
      Path list = checkpoint.resolve(CHECKSUMS);
      if (!Files.isRegularFile(list, LinkOption.NOFOLLOW_LINKS)) {
        return Optional.of(CHECKSUMS + " is missing");
      }
      if (Files.size(list) > MAX_CHECKSUMS_BYTES) {
        return Optional.of(CHECKSUMS + " is too large");
      }
      Map<String, String> expected = new TreeMap<>();
      String text = Files.readString(list, StandardCharsets.UTF_8);
      for (String line : text.split("\n", -1)) {
        Matcher parts = CHECKSUM_LINE.matcher(line);
        if (parts.matches()) {
          expected.put(parts.group(2), parts.group(1));
        } else if (!line.isEmpty()) {
          return Optional.of(CHECKSUMS + " has a line that is none");
        }
      }
      Map<String, Path> files = files(checkpoint);
      if (!files.keySet().equals(expected.keySet())) {
        return Optional.of("has files " + files.keySet() + " but lists " + expected.keySet());
      }
      for (Map.Entry<String, Path> file : files.entrySet()) {
        if (!Files.isRegularFile(file.getValue(), LinkOption.NOFOLLOW_LINKS)
            || !digest(file.getValue()).toString().equals(expected.get(file.getKey()))) {
          return Optional.of(file.getKey() + " is not what was written");
        }
      }
      return expected.containsKey(MANIFEST)
          ? Optional.empty()
          : Optional.of(MANIFEST + " is missing");
    } catch (IOException | UncheckedIOException e) {
      return Optional.of("cannot be read (" + e + ")");
    }
  }

  /** Returns the number of bytes of all files below a directory. */
  static long bytes(Path checkpoint) {
    try {
      long bytes = 0;
      for (Path file : files(checkpoint).values()) {
        bytes += Files.size(file);
      }
      return bytes;
    } catch (IOException | UncheckedIOException e) {
      return 0;
    }
  }

  @Override
  public void close() {
    try {
      lock.release();
    } catch (IOException e) {
      LOGGER.debug("Lock of {} was not released", directory, e);
    }
    closeQuietly(lockFile);
  }

  private static void closeQuietly(@Nullable FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      LOGGER.debug("Lock file was not closed", e);
    }
  }
}
