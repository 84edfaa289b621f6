package io.distill.examples.benchmark;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.internal.HostMemoryScope;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.Losses;
import io.distill.signal.LogitFactors;
import io.distill.signal.Signals;
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
 * Time and memory of a loss over a vocabulary of 32,000 in chunks, against its plain form; hidden
 * size 256, float32, one thread.
 *
 * <p>Both forms start from the last hidden states and the output embedding of both models and end
 * with the gradients of the student's. The plain form multiplies the factors out to logits of
 * exactly the tokens that count and takes the loss on rows: nothing is shifted or masked, so it is
 * as cheap as it can be. The chunked form goes the way that a run goes, with shift and mask.
 *
 * <p><b>Time.</b> Both forms in turn in one process; the median of each, and the median of the
 * ratios of neighbours. <b>Memory.</b> Each form in a process of its own, whose heap is filled from
 * the start: the highest resident memory ({@code VmHWM}, reset before) less that before the loss
 * was computed. Gradients are in it. libtorch takes CPU memory from malloc, which gives large
 * blocks back at once, so resident memory follows its arrays. Linux only.
 *
 * <p>Arguments: the chunk sizes to try; the library's default if there are none.
 */
public final class ChunkedVocabularyBenchmark {

  private static final int VOCABULARY = 32_000;
  private static final int WIDTH = 256;
  private static final int ROWS = 8;
  private static final int[] TOKENS = {2_048, 256};
  private static final int PAIRS = 7;
  private static final int WARM_UP = 1;
  private static final int DEFAULT_CHUNK = 0;
  private static final int PLAIN = -1;
  private static final double NANOS = 1e6;
  private static final double KILOBYTES = 1024;
  private static final String MEMORY = "memory";

  private final PrintStream out;

  private ChunkedVocabularyBenchmark(PrintStream out) {
    this.out = out;
  }

  /**
   * Runs the benchmark.
   *
   * @param arguments chunk sizes to try
   * @throws IOException if a process of its own cannot be started
   * @throws InterruptedException if the thread is interrupted
   */
  public static void main(String[] arguments) throws IOException, InterruptedException {
    ChunkedVocabularyBenchmark benchmark =
        new ChunkedVocabularyBenchmark(new PrintStream(System.out, true, StandardCharsets.UTF_8));
    if (arguments.length > 0 && arguments[0].equals(MEMORY)) {
      benchmark.memory(
          Kind.named(arguments[1]), Integer.parseInt(arguments[2]), Integer.parseInt(arguments[3]));
    } else {
      benchmark.table(
          arguments.length == 0
              ? new int[] {DEFAULT_CHUNK}
              : Arrays.stream(arguments).mapToInt(Integer::parseInt).toArray());
    }
  }

  /** A loss whose rows are compared on their own. */
  private record Kind(DistillationLoss loss) {

    static final List<Kind> ALL =
        List.of(
            new Kind(Losses.softTargets()),
            new Kind(Losses.reverseKl()),
            new Kind(Losses.generalizedJsd()),
            new Kind(Losses.hardLabels()));

    static Kind named(String name) {
      return ALL.stream().filter(kind -> kind.loss.name().equals(name)).findFirst().orElseThrow();
    }

    String name() {
      return loss.name();
    }

    DistillationLoss chunked(int chunkSize) {
      return chunkSize == DEFAULT_CHUNK ? Losses.chunked(loss) : Losses.chunked(loss, chunkSize);
    }
  }

  private void table(int[] chunkSizes) throws IOException, InterruptedException {
    out.printf(
        Locale.ROOT,
        "vocabulary %,d, hidden size %d, float32, forward and backward, 1 thread%n",
        VOCABULARY,
        WIDTH);
    out.println(
        "loss              tokens  chunk    plain ms  chunked ms  ratio   plain MB  chunked MB  ratio");
    for (Kind kind : Kind.ALL) {
      for (int tokens : TOKENS) {
        double plainMemory = memoryInOwnProcess(kind, tokens, PLAIN);
        for (int chunkSize : chunkSizes) {
          double memory = memoryInOwnProcess(kind, tokens, chunkSize);
          double[] times = times(kind, tokens, chunkSize);
          out.printf(
              Locale.ROOT,
              "%-17s %6d  %7s %9.1f %11.1f %6.2f %10.0f %11.0f %6.2f%n",
              kind.loss.name(),
              tokens,
              chunkSize == DEFAULT_CHUNK ? "default" : Integer.toString(chunkSize),
              times[0],
              times[1],
              times[2],
              plainMemory,
              memory,
              memory / plainMemory);
        }
      }
    }
  }

  /** Returns the medians of plain form, chunked form and their ratio. */
  private static double[] times(Kind kind, int tokens, int chunkSize) {
    try (Setting setting = new Setting(tokens)) {
      double[] plain = new double[PAIRS];
      double[] chunked = new double[PAIRS];
      double[] ratios = new double[PAIRS];
      for (int i = -WARM_UP; i < PAIRS; i++) {
        double one = milliseconds(setting, kind, PLAIN);
        double other = milliseconds(setting, kind, chunkSize);
        if (i >= 0) {
          plain[i] = one;
          chunked[i] = other;
          ratios[i] = other / one;
        }
      }
      return new double[] {median(plain), median(chunked), median(ratios)};
    }
  }

  private static double milliseconds(Setting setting, Kind kind, int chunkSize) {
    long start = System.nanoTime();
    setting.run(kind, chunkSize);
    return (System.nanoTime() - start) / NANOS;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }

  private static double memoryInOwnProcess(Kind kind, int tokens, int chunkSize)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(ChunkedVocabularyBenchmark.class.getName());
    command.addAll(
        List.of(MEMORY, kind.name(), Integer.toString(tokens), Integer.toString(chunkSize)));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    if (process.waitFor() != 0) {
      throw new IllegalStateException("the process that measures memory failed: " + printed);
    }
    // a logger may write lines of its own before
    return Double.parseDouble(printed.lines().reduce((first, last) -> last).orElseThrow());
  }

  private void memory(Kind kind, int tokens, int chunkSize) throws IOException {
    try (Setting small = new Setting(ROWS)) {
      small.run(kind, chunkSize);
    }
    try (Setting setting = new Setting(tokens)) {
      // the highest value starts anew from here
      Files.writeString(Path.of("/proc/self/clear_refs"), "5");
      double before = status("VmRSS:");
      setting.run(kind, chunkSize);
      out.println((status("VmHWM:") - before) / KILOBYTES);
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

  /** Hidden states and output embeddings of both models. */
  private static final class Setting implements AutoCloseable {
    private final NDManager manager;
    private final int threads;
    private final NDArray states;
    private final NDArray weight;
    private final NDArray teacherStates;
    private final NDArray teacherWeight;
    private final NDArray mask;
    private final NDArray labels;

    Setting(int tokens) {
      NativeEngine.prepareThread();
      JniUtils.setGradMode(true);
      threads = JniUtils.getNumThreads();
      JniUtils.setNumThreads(1);
      manager = NativeEngine.newManager(Device.cpu());
      // the last position of each row predicts nothing
      int length = tokens / ROWS + 1;
      states = drawn(1f, ROWS, length, WIDTH);
      weight = drawn(0.1f, VOCABULARY, WIDTH);
      teacherStates = drawn(1f, ROWS, length, WIDTH);
      teacherWeight = drawn(0.1f, VOCABULARY, WIDTH);
      mask = manager.ones(new Shape(ROWS, length), DataType.INT64);
      labels =
          manager
              .randomUniform(0f, VOCABULARY, new Shape(ROWS, length))
              .toType(DataType.INT64, false);
    }

    private NDArray drawn(float deviation, long... shape) {
      return manager.randomNormal(0f, deviation, new Shape(shape), DataType.FLOAT32);
    }

    /** Computes a loss and the gradients of the student's states and weight. */
    @SuppressWarnings("try") // the memory scope only has to be open
    void run(Kind kind, int chunkSize) {
      try (NDManager step = manager.newSubManager();
          HostMemoryScope memory = new HostMemoryScope()) {
        NDArray ownStates = leaf(states, step);
        NDArray ownWeight = leaf(weight, step);
        NDArray value =
            chunkSize == PLAIN
                ? plain(kind.loss, ownStates, ownWeight)
                : kind.chunked(chunkSize).compute(factors(kind.loss, ownStates, ownWeight));
        JniUtils.backward(
            (PtNDArray) value,
            (PtNDArray) step.ones(value.getShape(), DataType.FLOAT32),
            false,
            false);
      }
    }

    private static NDArray leaf(NDArray array, NDManager step) {
      NDArray leaf = array.stopGradient();
      leaf.attach(step);
      leaf.setRequiresGradient(true);
      return leaf;
    }

    private LossContext factors(DistillationLoss loss, NDArray ownStates, NDArray ownWeight) {
      LossContext.Builder context =
          LossContext.builder(
              Signals.builder()
                  .logitFactors(new LogitFactors(ownStates, ownWeight))
                  .mask(mask)
                  .build(),
              Signals.builder()
                  .logitFactors(new LogitFactors(teacherStates, teacherWeight))
                  .build());
      return (loss.requiresLabels() ? context.labels(labels) : context).build();
    }

    private NDArray plain(DistillationLoss loss, NDArray ownStates, NDArray ownWeight) {
      Signals student = Signals.builder().logits(logits(ownStates, ownWeight)).build();
      Signals teacher =
          loss.requiresOfTeacher().isEmpty()
              ? Signals.none()
              : Signals.builder().logits(logits(teacherStates, teacherWeight)).build();
      LossContext.Builder context = LossContext.builder(student, teacher);
      return loss.compute(
          (loss.requiresLabels() ? context.labels(labels.get(":, 1:").reshape(-1)) : context)
              .build());
    }

    private static NDArray logits(NDArray states, NDArray weight) {
      return states.get(":, :-1").reshape(-1, WIDTH).matMul(weight.transpose());
    }

    @Override
    public void close() {
      JniUtils.setNumThreads(threads);
      manager.close();
    }
  }
}
