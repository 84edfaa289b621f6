package io.distill.examples.benchmark;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.Locale;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Runs both benchmarks in short, in this process, and prints medians and ratios.
 *
 * <p>It takes about a minute and a half. Ratios of one run can be compared, times of different runs
 * or machines cannot.
 */
public final class BenchmarkMain {

  private static final double MEDIAN = 50;
  private static final double PERCENT = 100;

  private final PrintStream out;

  private BenchmarkMain(PrintStream out) {
    this.out = out;
  }

  /**
   * Runs the benchmarks.
   *
   * @param arguments none are read
   * @throws RunnerException if a benchmark fails
   */
  public static void main(String[] arguments) throws RunnerException {
    new BenchmarkMain(new PrintStream(System.out, true, StandardCharsets.UTF_8)).run();
  }

  private void run() throws RunnerException {
    out.println("AdamW step, small encoder (2 layers, hidden size 128), median");
    Collection<RunResult> optimizers = results(OptimizerBenchmark.class, 1);
    for (String arrays : new String[] {"26", "39"}) {
      double fused = median(optimizers, "fused", "arrays", arrays);
      double trainer = median(optimizers, "djlTrainer", "arrays", arrays);
      double optimizer = median(optimizers, "djlOptimizer", "arrays", arrays);
      line("%s parameter arrays: fused step              %8.1f µs", arrays, fused);
      line(
          "                     DJL's AdamW alone       %8.1f µs, ratio %5.1f",
          optimizer, optimizer / fused);
      line(
          "                     step of DJL's trainer   %8.1f µs, ratio %5.1f",
          trainer, trainer / fused);
    }
    out.println("Training step, 32 rows of 64 tokens, soft targets and hard labels, median");
    Collection<RunResult> steps = results(StepOverheadBenchmark.class, 3);
    double encoder = median(steps, "step", "student", "ENCODER");
    double empty = median(steps, "step", "student", "NEARLY_EMPTY");
    line("encoder %.1f µs   nearly empty student %.1f µs", encoder, empty);
    line("share of Java outside native calls: at most %.2f %%", PERCENT * empty / encoder);
  }

  private void line(String format, Object... values) {
    out.println("  " + String.format(Locale.ROOT, format, values));
  }

  private static Collection<RunResult> results(Class<?> benchmark, int seconds)
      throws RunnerException {
    return new Runner(
            new OptionsBuilder()
                .include(benchmark.getName())
                .forks(0)
                .warmupIterations(2)
                .warmupTime(TimeValue.seconds(seconds))
                .measurementIterations(5)
                .measurementTime(TimeValue.seconds(seconds))
                .shouldFailOnError(true)
                .verbosity(VerboseMode.SILENT)
                .build())
        .run();
  }

  private static double median(
      Collection<RunResult> results, String method, String parameter, String value) {
    return results.stream()
        .filter(result -> result.getParams().getBenchmark().endsWith("." + method))
        .filter(result -> result.getParams().getParam(parameter).equals(value))
        .mapToDouble(result -> result.getPrimaryResult().getStatistics().getPercentile(MEDIAN))
        .findFirst()
        .orElseThrow();
  }
}
