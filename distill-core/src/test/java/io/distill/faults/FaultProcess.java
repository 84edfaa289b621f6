package io.distill.faults;

import io.distill.internal.AtomicFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Reads malformed inputs in a process of its own, so that one that ends the process is a failed
 * case and no failed test run. After such a case another process goes on with the next one.
 */
final class FaultProcess {

  private static final int LONGEST_SECONDS = 240;
  private static final String SEPARATOR = "\u001f";

  /** What native code reads, by the name under which the process is asked for it. */
  static final Map<String, Supplier<List<Fault>>> FORMATS =
      Map.of(
          "torchscript", TorchScriptFaults::foreign,
          "tokenizer", DataFaults::nativeTokenizers,
          "student", ModelFaults::directories,
          "blocks", ModelFaults::blocks,
          "checkpoint", ModelFaults::checkpoints,
          "provenance", ModelFaults::provenance,
          "cache", ModelFaults::caches);

  private FaultProcess() {}

  /** Reads all inputs of some formats; returns the outcomes by the name of the fault. */
  static Map<String, FaultRunner.Outcome> outcomes(List<String> formats)
      throws IOException, InterruptedException {
    Path report = Files.createTempFile("distill-faults", ".txt");
    Map<String, FaultRunner.Outcome> outcomes = new HashMap<>();
    try {
      int from = 0;
      boolean whole = false;
      while (!whole) {
        Files.writeString(report, "");
        int code = run(report, formats, from);
        List<String> lines = Files.readAllLines(report);
        String started = "";
        for (String line : lines) {
          String[] parts = line.split(SEPARATOR, -1);
          switch (parts[0]) {
            case "start" -> {
              started = parts[1];
              from++;
            }
            case "end" ->
                outcomes.put(
                    parts[1],
                    new FaultRunner.Outcome(
                        parts[1], parts[2], parts[3], Long.parseLong(parts[4])));
            default -> whole = true;
          }
        }
        if (!whole) {
          if (started.isEmpty()) {
            throw new IOException("the process did not start (exit code " + code + ")");
          }
          outcomes.put(
              started,
              new FaultRunner.Outcome(started, "ended the process with code " + code, "", 0));
        }
      }
    } finally {
      AtomicFiles.deleteQuietly(report);
    }
    return outcomes;
  }

  private static int run(Path report, List<String> formats, int from)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // a heap of one size, so that what the process grows by is native
    command.addAll(List.of("-Xms256m", "-Xmx256m", "-XX:+AlwaysPreTouch"));
    command.addAll(List.of("-XX:-CreateCoredumpOnCrash", "-XX:ErrorFile=/dev/null"));
    command.addAll(List.of("-XX:TieredStopAtLevel=1", "-Dai.djl.offline=true"));
    command.addAll(
        List.of("-Dai.djl.pytorch.num_threads=1", "-Dai.djl.pytorch.num_interop_threads=1"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.addAll(
        List.of(FaultProcess.class.getName(), report.toString(), Integer.toString(from)));
    command.addAll(formats);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("OMP_NUM_THREADS", "1");
    builder.redirectOutput(ProcessBuilder.Redirect.DISCARD);
    builder.redirectError(ProcessBuilder.Redirect.DISCARD);
    Process process = builder.start();
    if (!process.waitFor(LONGEST_SECONDS, TimeUnit.SECONDS)) {
      process.destroyForcibly().waitFor();
      return -1;
    }
    return process.exitValue();
  }

  /** Reads the inputs from one on, and writes down the start and the end of each. */
  public static void main(String[] arguments) throws IOException {
    Path report = Path.of(arguments[0]);
    int from = Integer.parseInt(arguments[1]);
    List<Fault> faults = new ArrayList<>();
    for (String format : List.of(arguments).subList(2, arguments.length)) {
      faults.addAll(FORMATS.get(format).get());
    }
    try (var out = Files.newBufferedWriter(report, StandardCharsets.UTF_8)) {
      for (Fault fault : faults.subList(from, faults.size())) {
        write(out, "start", fault.toString());
        FaultRunner.Outcome outcome = FaultRunner.run(fault, true);
        write(
            out,
            "end",
            fault.toString(),
            outcome.wrong(),
            outcome.told(),
            Long.toString(outcome.allocated()));
      }
      write(out, "whole");
    }
  }

  private static void write(java.io.Writer out, String... parts) throws IOException {
    out.write(String.join(SEPARATOR, parts).replaceAll("\\R", " | ") + "\n");
    out.flush();
  }
}
