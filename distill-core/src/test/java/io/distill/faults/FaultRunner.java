package io.distill.faults;

import com.sun.management.ThreadMXBean;
import io.distill.exception.DistillationException;
import io.distill.internal.AtomicFiles;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Reads malformed inputs and judges what happens. */
final class FaultRunner {

  /** What reading may allocate besides a multiple of the input. */
  private static final long ALLOWED_BYTES = 64L << 20;

  private static final long ALLOWED_FACTOR = 100;
  private static final long ALLOWED_NANOS = 20_000_000_000L;
  private static final Path MEMORY = Path.of("/proc/self/status");
  private static final Path RESET = Path.of("/proc/self/clear_refs");

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private FaultRunner() {}

  /**
   * What reading an input came to.
   *
   * @param fault which one
   * @param wrong why that is not as it must be; empty if all is well
   * @param told the message of the refusal, or what was read
   * @param allocated the bytes of Java objects that were made
   */
  record Outcome(String fault, String wrong, String told, long allocated) {}

  static Outcome run(Fault fault, boolean watchProcess) {
    Path directory = null;
    try {
      directory = Files.createTempDirectory("distill-fault");
      Path input = fault.making().make(directory);
      return read(fault, input, bytes(directory), watchProcess);
    } catch (IOException e) {
      return new Outcome(fault.toString(), "the input could not be made: " + e, "", 0);
    } finally {
      AtomicFiles.deleteQuietly(directory);
    }
  }

  private static Outcome read(Fault fault, Path input, long size, boolean watchProcess) {
    // what is packed counts unpacked, as far as the reader says that it goes
    long unpacked = input.toString().endsWith(".gz") ? (16L << 20) + 32 * size : size;
    long allowed = ALLOWED_BYTES + ALLOWED_FACTOR * unpacked;
    long residentBefore = watchProcess ? resetPeak() : 0;
    long before = THREADS.getCurrentThreadAllocatedBytes();
    long start = System.nanoTime();
    String wrong = "";
    String told;
    try {
      told = "loaded: " + fault.reading().read(input);
      if (!fault.mayLoad()) {
        wrong = "must be refused but was read";
      }
    } catch (DistillationException e) {
      told = String.valueOf(e.getMessage());
      wrong = judge(told, input);
    } catch (Throwable e) {
      told = e.toString();
      wrong =
          "must be a DistillationException but was "
              + e
              + " at "
              + List.of(e.getStackTrace()).stream().limit(6).toList();
    }
    long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
    if (wrong.isEmpty() && allocated > allowed) {
      wrong = "allocated " + allocated + " bytes for an input of " + size;
    }
    if (wrong.isEmpty() && System.nanoTime() - start > ALLOWED_NANOS) {
      wrong = "took " + (System.nanoTime() - start) / 1_000_000 + " ms";
    }
    long peak = watchProcess ? resident("VmHWM:") - residentBefore : 0;
    if (wrong.isEmpty() && peak > allowed) {
      wrong = "took " + peak + " bytes of memory for an input of " + size;
    }
    return new Outcome(fault.toString(), wrong, told, Math.max(allocated, peak));
  }

  /** A refusal names the input, and says more than that it is bad. */
  private static String judge(String message, Path input) {
    String name = String.valueOf(input.getFileName());
    if (!message.contains(name)
        && !message.contains(String.valueOf(input.getParent().getFileName()))) {
      return "the message does not name " + name + ": " + message;
    }
    if (message.length() < 40 || message.contains("(null)")) {
      return "the message says too little: " + message;
    }
    if (message.length() > 4000) {
      return "the message has " + message.length() + " characters: " + message.substring(0, 200);
    }
    return "";
  }

  private static long bytes(Path directory) throws IOException {
    try (Stream<Path> tree = Files.walk(directory)) {
      long bytes = 0;
      for (Path file : tree.toList()) {
        if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
          bytes += Files.size(file);
        }
      }
      return bytes;
    }
  }

  private static long resetPeak() {
    try {
      Files.writeString(RESET, "5");
    } catch (IOException | RuntimeException e) {
      // then the peak is that of the whole process
    }
    return resident("VmRSS:");
  }

  private static long resident(String field) {
    try (Stream<String> lines = Files.lines(MEMORY)) {
      return lines
          .filter(line -> line.startsWith(field))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
          .findFirst()
          .orElse(0);
    } catch (IOException | RuntimeException e) {
      return 0;
    }
  }
}
