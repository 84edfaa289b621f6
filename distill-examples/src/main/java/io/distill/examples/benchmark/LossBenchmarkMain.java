package io.distill.examples.benchmark;

import io.distill.internal.NativeEngine;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

/**
 * Runs the benchmark of the losses in short, counts their native calls, and prints the table of
 * {@code distill-losses/README.md}.
 *
 * <p>It takes about five minutes. Ratios of one run can be compared, times of different runs or
 * machines cannot.
 */
public final class LossBenchmarkMain {

  private static final double MEDIAN = 50;
  private static final TimeValue WARM_UP = TimeValue.milliseconds(500);
  private static final TimeValue MEASURED = TimeValue.milliseconds(500);

  private LossBenchmarkMain() {}

  /**
   * Runs the benchmark.
   *
   * @param arguments parts of factory calls to measure; none for all losses
   * @throws RunnerException if a benchmark fails
   */
  public static void main(String[] arguments) throws RunnerException {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    List<BenchmarkedLoss> losses = BenchmarkedLoss.all();
    List<NativeCalls.Count> calls = NativeCalls.all();
    if (calls.size() != losses.size()) {
      throw new IllegalStateException(
          "calls of " + losses.size() + " losses must be counted but were of " + calls.size());
    }
    NativeEngine.prepareThread();
    SoftTargetsRatio.Medians ratio = SoftTargetsRatio.measure();
    out.printf(
        Locale.ROOT,
        "softTargets() %.1f µs, one TorchScript method of the same formula %.1f µs, ratio %.3f%n%n",
        ratio.library(),
        ratio.plain(),
        ratio.ratio());
    out.println("| loss | µs | formulas | native calls beside | family |");
    out.println("|---|---|---|---|---|");
    for (int i = 0; i < losses.size(); i++) {
      BenchmarkedLoss loss = losses.get(i);
      if (!chosen(loss, arguments)) {
        continue;
      }
      NativeCalls.Count count = calls.get(i);
      out.printf(
          Locale.ROOT,
          "| `%s` | %,.0f | %d | %d | %s |%n",
          loss.call().call(),
          median(loss),
          count.formulas(),
          count.beside(),
          loss.family());
    }
  }

  private static boolean chosen(BenchmarkedLoss loss, String[] parts) {
    return parts.length == 0
        || List.of(parts).stream().anyMatch(part -> loss.call().call().contains(part));
  }

  private static double median(BenchmarkedLoss loss) throws RunnerException {
    Collection<RunResult> results =
        new Runner(
                new OptionsBuilder()
                    .include(LossBenchmark.class.getName())
                    .param("loss", loss.call().call())
                    .forks(0)
                    .warmupIterations(2)
                    .warmupTime(WARM_UP)
                    .measurementIterations(4)
                    .measurementTime(MEASURED)
                    .shouldFailOnError(true)
                    .verbosity(VerboseMode.SILENT)
                    .build())
            .run();
    return results.iterator().next().getPrimaryResult().getStatistics().getPercentile(MEDIAN);
  }
}
