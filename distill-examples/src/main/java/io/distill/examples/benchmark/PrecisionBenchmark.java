package io.distill.examples.benchmark;

import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.data.Tokenizer;
import io.distill.losses.Losses;
import io.distill.model.Precision;
import io.distill.student.Student;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * A training step in bfloat16 against one in float32, for students of several sizes: whole steps of
 * real runs that differ in nothing else and take turns, so that both meet the same machine.
 *
 * <p>Batches are 32 rows of 64 tokens, the loss is soft targets and hard labels over 12 classes,
 * the teacher's logits are remembered. It prints medians, and the median of the ratios of
 * neighbouring steps: above 1, bfloat16 is faster.
 */
public final class PrecisionBenchmark {

  private static final int WARM_UP = 3;
  private static final int ROUNDS = 21;
  private static final double NANOS = 1e6;
  private static final List<String> INSTRUCTIONS =
      List.of("avx2", "avx512f", "avx512_bf16", "amx_bf16", "bf16", "asimd");

  private final PrintStream out;
  private final int rounds;
  private final Tokenizer vocabulary;
  private final TextDataset dataset;

  private PrecisionBenchmark(PrintStream out, int rounds) {
    this.out = out;
    this.rounds = rounds;
    Tokenizer tokenizer = StepOverheadBenchmark.tokenizer(StepOverheadBenchmark.TOKENS);
    this.dataset = StepOverheadBenchmark.dataset(tokenizer, StepOverheadBenchmark.ROWS);
    this.vocabulary = tokenizer.trimmedTo(dataset.texts());
  }

  private record Size(String name, Function<Tokenizer, Student> student) {}

  private static final List<Size> SIZES =
      List.of(
          new Size(
              "bag of embeddings, 64 and 256 wide",
              vocabulary -> Student.bagOfEmbeddings().tokenizer(vocabulary).build()),
          new Size("encoder, 2 layers of 128, dropout 0.1", tokens -> encoder(2, 128, 0.1, tokens)),
          new Size("encoder, 6 layers of 384, dropout 0.1", tokens -> encoder(6, 384, 0.1, tokens)),
          new Size("encoder, 6 layers of 384, dropout 0", tokens -> encoder(6, 384, 0, tokens)),
          new Size(
              "encoder, 2 layers of 768, dropout 0.1", tokens -> encoder(2, 768, 0.1, tokens)));

  private static Student encoder(int layers, int hiddenSize, double dropout, Tokenizer vocabulary) {
    return Student.encoder()
        .layers(layers)
        .hiddenSize(hiddenSize)
        .dropout(dropout)
        .tokenizer(vocabulary)
        .build();
  }

  /**
   * Runs the benchmark.
   *
   * @param arguments the number of steps of each kind to time; 21 if there is none
   */
  public static void main(String[] arguments) {
    new PrecisionBenchmark(
            new PrintStream(System.out, true, StandardCharsets.UTF_8),
            arguments.length == 0 ? ROUNDS : Integer.parseInt(arguments[0]))
        .run();
  }

  private void run() {
    out.println("Processor: " + processor());
    out.println("Training step, 32 rows of 64 tokens, medians of " + rounds);
    for (int threads : new int[] {1, 2}) {
      for (Size size : SIZES) {
        compare(size, threads);
      }
    }
  }

  private void compare(Size size, int threads) {
    double[] single = new double[rounds];
    double[] half = new double[rounds];
    double[] ratios = new double[rounds];
    try (SteppedRun float32 = start(size, Precision.FLOAT32, threads);
        SteppedRun bfloat16 = start(size, Precision.BFLOAT16, threads)) {
      for (int i = -WARM_UP; i < rounds; i++) {
        double first = time(float32);
        double second = time(bfloat16);
        if (i >= 0) {
          single[i] = first;
          half[i] = second;
          ratios[i] = first / second;
        }
      }
    }
    out.printf(
        Locale.ROOT,
        "  %d thread%s  %-38s float32 %8.2f ms   bfloat16 %8.2f ms   ratio %.2f%n",
        threads,
        threads == 1 ? " " : "s",
        size.name(),
        median(single),
        median(half),
        median(ratios));
  }

  private SteppedRun start(Size size, Precision precision, int threads) {
    return new SteppedRun(
        steps ->
            Distiller.builder()
                .teacher(new StepOverheadBenchmark.RowTeacher(vocabulary))
                .student(size.student().apply(vocabulary))
                .loss(Losses.softTargets().weighted(0.9).plus(Losses.hardLabels().weighted(0.1)))
                .precision(precision)
                .listener(steps)
                .batchSize(StepOverheadBenchmark.BATCH_SIZE)
                .steps(StepOverheadBenchmark.ENDLESS)
                .build(),
        dataset,
        threads);
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

  /** Returns the model and those of its instruction sets that matter here, where Linux tells. */
  private static String processor() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      List<String> all = lines.toList();
      List<String> flags =
          Arrays.asList(value(all, "flags").concat(" " + value(all, "Features")).split("\\s+", -1));
      return value(all, "model name")
          + ", "
          + INSTRUCTIONS.stream().filter(flags::contains).toList();
    } catch (IOException e) {
      return System.getProperty("os.arch");
    }
  }

  private static String value(List<String> lines, String key) {
    return lines.stream()
        .filter(line -> line.startsWith(key))
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .findFirst()
        .orElse("");
  }
}
