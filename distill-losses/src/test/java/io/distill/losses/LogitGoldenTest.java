package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.loss.DistillationLoss;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.DoubleFunction;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with float64 values of src/test/scripts/logit_golden.py. */
class LogitGoldenTest {

  private static final Map<String, Function<Map<String, Double>, DistillationLoss>> LOSSES =
      new LinkedHashMap<>();

  static {
    LOSSES.put("softTargets", options -> Losses.softTargets());
    LOSSES.put("reverseKl", options -> Losses.reverseKl());
    LOSSES.put("symmetricKl", given("lambda", Losses::symmetricKl, Losses::symmetricKl));
    LOSSES.put("generalizedJsd", given("beta", Losses::generalizedJsd, Losses::generalizedJsd));
    LOSSES.put("totalVariation", options -> Losses.totalVariation());
    LOSSES.put("skewKl", given("alpha", Losses::skewKl, Losses::skewKl));
    LOSSES.put("skewReverseKl", given("alpha", Losses::skewReverseKl, Losses::skewReverseKl));
    LOSSES.put("adaptiveKl", given("headShare", Losses::adaptiveKl, Losses::adaptiveKl));
    LOSSES.put("topKKl", options -> Losses.topKKl(options.get("k").intValue()));
    LOSSES.put("softCrossEntropy", options -> Losses.softCrossEntropy());
    LOSSES.put("hardLabels", given("labelSmoothing", Losses::hardLabels, Losses::hardLabels));
    LOSSES.put("logitMse", options -> Losses.logitMse());
  }

  /** Cases without the option test the default. */
  private static Function<Map<String, Double>, DistillationLoss> given(
      String option,
      Supplier<DistillationLoss> byDefault,
      DoubleFunction<DistillationLoss> withOption) {
    return options ->
        options.containsKey(option) ? withOption.apply(options.get(option)) : byDefault.get();
  }

  static Stream<Arguments> goldens() {
    return Golden.cases(LOSSES);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("goldens")
  void valueAndGradients_equalPyTorchInFloat64(String name, DistillationLoss loss, Golden golden) {
    golden.check(loss);
  }

  @Test
  void everyLoss_hasAtLeastFiveCases() {
    assertThat(LOSSES.keySet())
        .allSatisfy(file -> assertThat(Golden.read(file)).hasSizeGreaterThan(4));
  }
}
