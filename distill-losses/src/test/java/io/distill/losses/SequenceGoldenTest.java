package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.loss.DistillationLoss;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with float64 values of src/test/scripts/sequence_golden.py. */
class SequenceGoldenTest {

  private static final Map<String, Function<Map<String, Double>, DistillationLoss>> LOSSES =
      new LinkedHashMap<>();

  static {
    LOSSES.put("tokenLevelKl", options -> Losses.tokenLevelKl());
    LOSSES.put(
        "tokenLevel",
        options ->
            Losses.tokenLevel(
                Losses.softTargets()
                    .weighted(options.get("alpha"))
                    .plus(Losses.hardLabels().weighted(1 - options.get("alpha"))),
                options.get("vocabularySize").intValue()));
    LOSSES.put("sequenceLevel", options -> Losses.sequenceLevel());
    LOSSES.put("universalLogit", options -> Losses.universalLogit());
    LOSSES.put(
        "policyAdvantage",
        options ->
            Losses.policyAdvantage(options.get("discount"), options.get("lengthNormalized") == 1));
    LOSSES.put(
        "chunked",
        options -> Losses.chunked(Losses.softTargets(), options.get("chunkSize").intValue()));
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
