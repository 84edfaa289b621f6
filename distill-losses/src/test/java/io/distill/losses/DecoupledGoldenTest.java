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

/** Compares with float64 values of src/test/scripts/decoupled_golden.py. */
class DecoupledGoldenTest {

  private static final Map<String, Function<Map<String, Double>, DistillationLoss>> LOSSES =
      new LinkedHashMap<>();

  static {
    LOSSES.put(
        "decoupledKd",
        options ->
            options.isEmpty()
                ? Losses.decoupledKd()
                : Losses.decoupledKd(options.get("alpha"), options.get("beta")));
    LOSSES.put(
        "normalizedKd",
        options ->
            options.isEmpty() ? Losses.normalizedKd() : Losses.normalizedKd(options.get("gamma")));
    LOSSES.put(
        "standardized",
        options ->
            Losses.standardized(
                options.isEmpty()
                    ? Losses.softTargets()
                    : Losses.normalizedKd(options.get("gamma"))));
    LOSSES.put(
        "dist",
        options ->
            options.isEmpty()
                ? Losses.dist()
                : Losses.dist(options.get("beta"), options.get("gamma")));
    LOSSES.put(
        "hingeRank",
        options ->
            options.isEmpty() ? Losses.hingeRank() : Losses.hingeRank(options.get("margin")));
    LOSSES.put("logisticRank", options -> Losses.logisticRank());
    LOSSES.put(
        "correctedTeacher",
        options ->
            options.isEmpty()
                ? Losses.correctedTeacher()
                : Losses.correctedTeacher(options.get("tau")));
    LOSSES.put("multiLabel", options -> Losses.multiLabel());
    LOSSES.put(
        "regression",
        options ->
            options.isEmpty() ? Losses.regression() : Losses.regression(options.get("delta")));
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
