package io.distill.examples.benchmark;

import io.distill.examples.catalogue.LossCall;
import io.distill.internal.NativeEngine;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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
 * Runs the benchmark of the losses in short, counts their native calls, and writes the table of
 * {@code distill-losses/README.md}, if all are measured; the working directory is the project's
 * root.
 *
 * <p>It takes about five minutes. Ratios of one run can be compared, times of different runs or
 * machines cannot.
 */
public final class LossBenchmarkMain {

  private static final Path README = Path.of("distill-losses/README.md");
  private static final String BEGIN = "<!-- speed: begin -->";
  private static final String END = "<!-- speed: end -->";
  private static final double MEDIAN = 50;
  private static final int MOST_CALLS = 10;
  private static final TimeValue WARM_UP = TimeValue.milliseconds(500);
  private static final TimeValue MEASURED = TimeValue.milliseconds(500);

  private LossBenchmarkMain() {}

  /**
   * Runs the benchmark.
   *
   * @param arguments parts of factory calls to measure; none for all losses
   * @throws RunnerException if a benchmark fails
   * @throws IOException if the README cannot be written
   */
  public static void main(String[] arguments) throws RunnerException, IOException {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    List<BenchmarkedLoss> losses = BenchmarkedLoss.all();
    List<NativeCalls.Count> calls = NativeCalls.all();
    if (calls.size() != losses.size()) {
      throw new IllegalStateException(
          "calls of " + losses.size() + " losses must be counted but were of " + calls.size());
    }
    NativeEngine.prepareThread();
    SoftTargetsRatio.Medians ratio = SoftTargetsRatio.measure();
    StringBuilder table = new StringBuilder();
    table.append(
        String.format(
            Locale.ROOT,
            "%n`softTargets()` takes %.2f times as long as one TorchScript method of the same formula,"
                + " mean included (%.0f and %.0f µs, taking turns).%n%n",
            ratio.ratio(),
            ratio.library(),
            ratio.plain()));
    table.append(verdict(losses, calls)).append(String.format("%n%n"));
    table.append("| loss | µs | formulas | native calls beside |\n|---|---|---|---|\n");
    for (int i = 0; i < losses.size(); i++) {
      if (chosen(losses.get(i), arguments)) {
        NativeCalls.Count count = calls.get(i);
        table.append(
            String.format(
                Locale.ROOT,
                "| `%s` | %,.0f | %d | %d |%n",
                losses.get(i).call().call(),
                median(losses.get(i)),
                count.formulas(),
                count.beside()));
      }
    }
    out.println(table);
    if (arguments.length == 0) {
      write(table.append('\n').toString());
    }
  }

  /** Says which losses take more native calls than is promised; a sum has that many a loss. */
  private static String verdict(List<BenchmarkedLoss> losses, List<NativeCalls.Count> calls) {
    List<String> more = new ArrayList<>();
    int most = 0;
    for (int i = 0; i < losses.size(); i++) {
      LossCall call = losses.get(i).call();
      int summands = call.loss().terms().size();
      int beside = calls.get(i).beside();
      if (beside > MOST_CALLS * summands) {
        more.add(call.call() + " takes " + beside);
      }
      if (summands == 1) {
        most = Math.max(most, beside);
      }
    }
    return more.isEmpty()
        ? String.format(
            Locale.ROOT,
            "No loss takes more than %d native calls beside its formulas (the most is %d; sums count a"
                + " loss at a time).",
            MOST_CALLS,
            most)
        : String.format(
            Locale.ROOT,
            "MORE THAN %d native calls beside their formulas: %s.",
            MOST_CALLS,
            String.join(", ", more));
  }

  private static void write(String table) throws IOException {
    String readme = Files.readString(README);
    int begin = readme.indexOf(BEGIN);
    int end = readme.indexOf(END);
    if (begin < 0 || end < begin) {
      throw new IllegalStateException(README + " must have lines " + BEGIN + " and " + END);
    }
    Files.writeString(
        README, readme.substring(0, begin + BEGIN.length()) + "\n" + table + readme.substring(end));
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
