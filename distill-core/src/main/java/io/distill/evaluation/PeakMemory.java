package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import com.google.gson.Gson;
import io.distill.evaluation.internal.MemoryProbe;
import io.distill.exception.DistillationException;
import io.distill.model.DeployableModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * How much memory a process needs that does nothing but answer with a model.
 *
 * <p>Measured where Linux counts it ({@code VmHWM} in {@code /proc/self/status}), in a fresh
 * process: the model is saved, another Java process with the class path of this one loads it,
 * answers each text alone and then all in batches of {@value Throughput#BATCH_SIZE} on one thread,
 * and reports the largest resident memory that it ever had. The Java heap and libtorch are part of
 * it; {@code engineBytes} tells how much the process needed before it loaded the model.
 *
 * @param bytes the peak resident memory of the whole process
 * @param engineBytes its resident memory once the engine was loaded, before the model was
 */
public record PeakMemory(long bytes, long engineBytes) {

  private static final long TIMEOUT_SECONDS = 120;
  private static final Path STATUS = Path.of("/proc/self/status");

  /**
   * Measures a model; takes a few seconds.
   *
   * @param model the model; it must read text and be one that {@link DeployableModel#load} reads
   * @param texts what it is asked, at least one text
   * @return the memory
   * @throws IllegalArgumentException if {@code texts} is empty
   * @throws DistillationException if this machine does not count memory so, or the model cannot be
   *     saved and loaded, or the other process fails
   */
  public static PeakMemory measure(DeployableModel model, List<String> texts) {
    requireNonNull(model, "model");
    requireNonNull(texts, "texts");
    checkArgument(!texts.isEmpty(), "texts must have at least one text but was empty");
    if (!Files.isReadable(STATUS)) {
      throw new DistillationException(
          "peak resident memory must be counted by the system but "
              + STATUS
              + " is missing; measure on Linux");
    }
    try {
      Path directory = Files.createTempDirectory("distill-memory");
      try {
        model.save(directory.resolve("model"));
        Files.writeString(directory.resolve(MemoryProbe.TEXTS), new Gson().toJson(texts));
        return run(directory);
      } finally {
        MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    } catch (IOException e) {
      throw new DistillationException(
          "peak resident memory must be measured in a process of its own but it failed ("
              + e
              + "); check the temporary directory",
          e);
    }
  }

  private static PeakMemory run(Path directory) throws IOException {
    Path log = directory.resolve("log");
    Process process =
        new ProcessBuilder(command(directory))
            .redirectErrorStream(true)
            .redirectOutput(log.toFile())
            .start();
    try {
      process.getOutputStream().close();
      boolean ended = process.waitFor(TIMEOUT_SECONDS, TimeUnit.SECONDS);
      if (!ended || process.exitValue() != 0) {
        throw new DistillationException(
            "process that measures memory must end well but "
                + (ended ? "said: " + lastLine(log) : "was not ready in time")
                + "; check that DeployableModel.load reads the saved model");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new DistillationException("measurement of memory was interrupted; start it again", e);
    } finally {
      process.destroyForcibly();
    }
    MemoryProbe.Reading reading =
        new Gson()
            .fromJson(
                Files.readString(directory.resolve(MemoryProbe.READING)),
                MemoryProbe.Reading.class);
    return new PeakMemory(reading.peakBytes(), reading.engineBytes());
  }

  private static List<String> command(Path directory) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // a small heap that grows only if it must, so that figures tell of the model
    command.add("-XX:+UseSerialGC");
    command.add("-Xms16m");
    new TreeMap<>(System.getProperties())
        .forEach(
            (key, value) -> {
              if (String.valueOf(key).startsWith("ai.djl.")) {
                command.add("-D" + key + "=" + value);
              }
            });
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(MemoryProbe.class.getName());
    command.add(directory.toString());
    return command;
  }

  private static String lastLine(Path log) throws IOException {
    List<String> lines = Files.readAllLines(log);
    return lines.stream()
        .filter(line -> !line.isBlank() && !line.startsWith("\tat "))
        .reduce((first, second) -> second)
        .orElse("nothing");
  }
}
