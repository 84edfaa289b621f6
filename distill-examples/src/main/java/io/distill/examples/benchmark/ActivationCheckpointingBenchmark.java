package io.distill.examples.benchmark;

import ai.djl.Device;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.losses.Losses;
import io.distill.model.Computation;
import io.distill.model.Precision;
import io.distill.student.Student;
import io.distill.student.StudentSetup;
import io.distill.teacher.Teacher;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Memory and time of a training step that computes activations again, against one that keeps them;
 * an encoder 384 wide, 16 rows a batch, one thread.
 *
 * <p><b>Memory.</b> Each kind of step in a process of its own: the highest resident memory ({@code
 * VmHWM}, reset after a first step) less that between steps, so weights, gradients and the
 * optimizer's state are not in it. Beside it what the library estimates before a run. Linux only.
 * <b>Time.</b> Both kinds in turn in one process; medians, and the median of the ratios of
 * neighbours.
 */
public final class ActivationCheckpointingBenchmark {

  private static final int ROWS = 16;
  private static final int WIDTH = 384;
  private static final int WARM_UP = 2;
  private static final int ROUNDS = 9;
  private static final double NANOS = 1e6;
  private static final double KILOBYTES = 1024;
  private static final double MEGABYTES = 1024 * 1024;
  private static final String MEMORY = "memory";

  private final PrintStream out;
  private final int rounds;

  private ActivationCheckpointingBenchmark(PrintStream out, int rounds) {
    this.out = out;
    this.rounds = rounds;
  }

  /** A kind of step. */
  private record Setting(int layers, int tokens, double dropout, Precision precision) {

    static Setting of(List<String> words) {
      return new Setting(
          Integer.parseInt(words.get(0)),
          Integer.parseInt(words.get(1)),
          Double.parseDouble(words.get(2)),
          Precision.valueOf(words.get(3)));
    }

    List<String> words() {
      return List.of(
          Integer.toString(layers),
          Integer.toString(tokens),
          Double.toString(dropout),
          precision.name());
    }

    Student student(Tokenizer vocabulary) {
      return Student.encoder()
          .layers(layers)
          .hiddenSize(WIDTH)
          .dropout(dropout)
          .tokenizer(vocabulary)
          .build();
    }

    /** Returns what the library expects, in mebibytes. */
    double estimate(Tokenizer vocabulary, TextDataset dataset, boolean checkpointing) {
      StudentSetup setup =
          new StudentSetup(
              dataset,
              Teacher.none(),
              dataset.classNames().size(),
              dataset.classNames(),
              1,
              Device.cpu());
      return student(vocabulary)
              .configuration(setup)
              .orElseThrow()
              .activationBytes(
                  ROWS,
                  tokens,
                  Computation.standard()
                      .withTraining(precision)
                      .withActivationCheckpointing(checkpointing))
          / MEGABYTES;
    }
  }

  private static final List<Setting> SETTINGS =
      List.of(
          new Setting(6, 64, 0.1, Precision.FLOAT32),
          new Setting(6, 256, 0.1, Precision.FLOAT32),
          new Setting(12, 128, 0.1, Precision.FLOAT32),
          new Setting(12, 128, 0, Precision.FLOAT32),
          new Setting(12, 128, 0.1, Precision.BFLOAT16),
          new Setting(12, 128, 0, Precision.BFLOAT16));

  /**
   * Runs the benchmark.
   *
   * @param arguments the number of steps of each kind to time, 9 if there is none; 0 to measure
   *     memory only
   * @throws IOException if a process of its own cannot be started
   * @throws InterruptedException if the thread is interrupted
   */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    List<String> words = List.of(arguments);
    if (words.size() > 1 && words.get(0).equals(MEMORY)) {
      new ActivationCheckpointingBenchmark(out, 0)
          .memory(Setting.of(words.subList(2, words.size())), Boolean.parseBoolean(words.get(1)));
    } else {
      int rounds = words.isEmpty() ? ROUNDS : Integer.parseInt(words.get(0));
      new ActivationCheckpointingBenchmark(out, rounds).table();
    }
  }

  private void table() throws IOException, InterruptedException {
    out.println("encoder 384 wide, 16 rows, 1 thread; MiB beyond weights, gradients and optimizer");
    out.println(
        "layers tokens dropout precision    kept MB  again MB  ratio  (estimates)   kept ms  again ms  ratio");
    for (Setting setting : SETTINGS) {
      double[] kept = memoryInOwnProcess(setting, false);
      double[] again = memoryInOwnProcess(setting, true);
      double[] times =
          rounds == 0 ? new double[] {Double.NaN, Double.NaN, Double.NaN} : times(setting);
      out.printf(
          Locale.ROOT,
          "%6d %6d %7.1f %-9s %10.0f %9.0f %6.2f  %5.0f %5.0f %10.0f %9.0f %6.2f%n",
          setting.layers,
          setting.tokens,
          setting.dropout,
          setting.precision,
          kept[0],
          again[0],
          again[0] / kept[0],
          kept[1],
          again[1],
          times[0],
          times[1],
          times[2]);
    }
  }

  private static SteppedRun start(
      Setting setting, Tokenizer vocabulary, TextDataset dataset, boolean checkpointing) {
    return new SteppedRun(
        steps ->
            Distiller.builder()
                .teacher(new StepOverheadBenchmark.RowTeacher(vocabulary))
                .student(setting.student(vocabulary))
                .loss(Losses.softTargets().weighted(0.9).plus(Losses.hardLabels().weighted(0.1)))
                .precision(setting.precision)
                .activationCheckpointing(checkpointing)
                .gradientNorms(0)
                .listener(steps)
                .batchSize(ROWS)
                .steps(StepOverheadBenchmark.ENDLESS)
                .build(),
        dataset,
        1);
  }

  private static TextDataset dataset(Tokenizer tokenizer) {
    return StepOverheadBenchmark.dataset(tokenizer, 4 * ROWS);
  }

  private double[] times(Setting setting) {
    Tokenizer tokenizer = StepOverheadBenchmark.tokenizer(setting.tokens);
    TextDataset dataset = dataset(tokenizer);
    Tokenizer vocabulary = tokenizer.trimmedTo(dataset.texts());
    double[] kept = new double[rounds];
    double[] again = new double[rounds];
    double[] ratios = new double[rounds];
    try (SteppedRun one = start(setting, vocabulary, dataset, false);
        SteppedRun other = start(setting, vocabulary, dataset, true)) {
      for (int i = -WARM_UP; i < rounds; i++) {
        double first = time(one);
        double second = time(other);
        if (i >= 0) {
          kept[i] = first;
          again[i] = second;
          ratios[i] = second / first;
        }
      }
    }
    return new double[] {median(kept), median(again), median(ratios)};
  }

  private static double time(SteppedRun run) {
    long start = System.nanoTime();
    run.steps(1);
    return (System.nanoTime() - start) / NANOS;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  /** Returns what was measured and what was estimated. */
  private static double[] memoryInOwnProcess(Setting setting, boolean checkpointing)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xms256m", "-Xmx256m", "-XX:+AlwaysPreTouch"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(ActivationCheckpointingBenchmark.class.getName());
    command.addAll(List.of(MEMORY, Boolean.toString(checkpointing)));
    command.addAll(setting.words());
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
    // so that malloc gives back at once what is freed, and resident memory follows the arrays
    builder.environment().put("MALLOC_MMAP_THRESHOLD_", "65536");
    builder.environment().put("MALLOC_TRIM_THRESHOLD_", "65536");
    Process process = builder.start();
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IllegalStateException("the process that measures memory failed: " + printed);
    }
    // a logger may write lines of its own before
    String last = printed.lines().reduce((first, second) -> second).orElseThrow();
    return Arrays.stream(last.split(" ", -1)).mapToDouble(Double::parseDouble).toArray();
  }

  private void memory(Setting setting, boolean checkpointing) throws IOException {
    Tokenizer tokenizer = StepOverheadBenchmark.tokenizer(setting.tokens);
    TextDataset dataset = dataset(tokenizer);
    Tokenizer vocabulary = tokenizer.trimmedTo(dataset.texts());
    try (SteppedRun run = start(setting, vocabulary, dataset, checkpointing)) {
      run.steps(2);
      // the highest value starts anew from here
      Files.writeString(Path.of("/proc/self/clear_refs"), "5");
      double before = status("VmRSS:");
      run.steps(2);
      out.println(
          (status("VmHWM:") - before) / KILOBYTES
              + " "
              + setting.estimate(vocabulary, dataset, checkpointing));
    }
  }

  private static double status(String field) {
    try {
      return Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(line -> line.startsWith(field))
          .mapToDouble(line -> Double.parseDouble(line.replaceAll("\\D", "")))
          .findFirst()
          .orElseThrow();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
