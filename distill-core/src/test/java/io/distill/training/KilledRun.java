package io.distill.training;

import io.distill.DistillationResult;
import io.distill.huggingface.SafeTensors;
import io.distill.torchscript.HostTensor;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A run in a process of its own, which someone may kill. */
final class KilledRun {

  private static final String STARTED = "started";

  private KilledRun() {}

  /** Runs or resumes; arguments are the checkpoint directory, the interval in steps, the output. */
  public static void main(String[] arguments) {
    Path directory = Path.of(arguments[0]);
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    try (DistillationResult result =
        ResumableRun.recipe(TinyRuns.texts(9), Integer.parseInt(arguments[3]), 5)
            .checkpoint(directory, Every.steps(Long.parseLong(arguments[1])))
            .resumeIfPresent(directory)
            .listener(
                new TrainingListener() {
                  @Override
                  public void onRunStart(RunStart event) {
                    out.println(STARTED + " at " + event.firstStep());
                  }
                })
            .fit(TinyRuns.texts(24))) {
      Map<String, HostTensor> weights = new LinkedHashMap<>();
      result
          .student()
          .model()
          .parameters()
          .forEach((name, array) -> weights.put(name, HostTensor.of(array)));
      SafeTensors.write(
          Path.of(arguments[2]), weights, Map.of("reason", result.endReason().name()));
    }
  }

  /** Starts the process and waits until its run has started. */
  static Process start(Path directory, int everySteps, Path output, int epochs, Path log)
      throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx512m");
    command.add("-XX:TieredStopAtLevel=1");
    for (String name :
        List.of(
            "ai.djl.offline", "ai.djl.pytorch.num_threads", "ai.djl.pytorch.num_interop_threads")) {
      if (System.getProperty(name) != null) {
        command.add("-D" + name + "=" + System.getProperty(name));
      }
    }
    command.add("-cp");
    command.add(
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")));
    command.add(KilledRun.class.getName());
    command.add(directory.toString());
    command.add(Integer.toString(everySteps));
    command.add(output.toString());
    command.add(Integer.toString(epochs));
    Files.deleteIfExists(log);
    Process process =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
    while (!Files.exists(log) || !Files.readString(log).contains(STARTED)) {
      if (!process.isAlive() || System.nanoTime() > deadline) {
        process.destroyForcibly();
        throw new IllegalStateException("run did not start: " + Files.readString(log));
      }
      sleep(2);
    }
    return process;
  }

  static void sleep(long milliseconds) {
    try {
      Thread.sleep(milliseconds);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
