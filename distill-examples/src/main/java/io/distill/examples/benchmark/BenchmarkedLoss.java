package io.distill.examples.benchmark;

import io.distill.examples.benchmark.LossSignals.Layout;
import io.distill.examples.catalogue.LossCall;
import java.util.List;
import java.util.Set;

/** The losses of the catalogue with the signals that the benchmark gives them. */
record BenchmarkedLoss(LossCall call, Layout layout) {

  /** Factories whose losses compare maps of convolutions and nothing else. */
  private static final Set<String> ON_MAPS = Set.of();

  /** Factories whose losses compare tokens of language models. */
  private static final Set<String> ON_TOKENS =
      Set.of(
          "tokenLevel",
          "tokenLevelKl",
          "sequenceLevel",
          "universalLogit",
          "policyAdvantage",
          "chunked");

  static List<BenchmarkedLoss> all() {
    return LossCall.all().stream().map(BenchmarkedLoss::of).toList();
  }

  private static BenchmarkedLoss of(LossCall call) {
    Layout layout =
        ON_MAPS.contains(call.factory())
            ? Layout.MAPS
            : ON_TOKENS.contains(call.factory()) ? Layout.TOKENS : Layout.ROWS;
    return new BenchmarkedLoss(call, layout);
  }

  static BenchmarkedLoss named(String call) {
    return all().stream()
        .filter(each -> each.call().call().equals(call))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no loss is called " + call));
  }

  LossSignals open() {
    return new LossSignals(call.loss(), layout);
  }
}
