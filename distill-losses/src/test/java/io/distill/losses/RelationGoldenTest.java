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

/** Compares with float64 values of src/test/scripts/relation_golden.py. */
class RelationGoldenTest {

  private static final Map<String, Function<Map<String, Double>, DistillationLoss>> LOSSES =
      new LinkedHashMap<>();

  static {
    LOSSES.put("relationalDistance", options -> Losses.relationalDistance());
    LOSSES.put("relationalAngle", options -> Losses.relationalAngle());
    LOSSES.put("similarityPreserving", options -> Losses.similarityPreserving());
    LOSSES.put(
        "flattenedSimilarityPreserving",
        options -> Losses.onFlattenedHiddenStates(Losses.similarityPreserving()));
    LOSSES.put(
        "correlationCongruence",
        options ->
            options.isEmpty()
                ? Losses.correlationCongruence()
                : Losses.correlationCongruence(
                    options.get("gamma"), options.get("order").intValue()));
    LOSSES.put("probabilisticTransfer", options -> Losses.probabilisticTransfer());
    LOSSES.put("cka", options -> Losses.cka());
    LOSSES.put("pooledCka", options -> Losses.onPooledHiddenStates(Losses.cka()));
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
