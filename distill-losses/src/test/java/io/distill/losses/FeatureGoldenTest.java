package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.loss.DistillationLoss;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with float64 values of src/test/scripts/feature_golden.py. */
class FeatureGoldenTest {

  private static final Map<String, Function<Map<String, Double>, DistillationLoss>> LOSSES =
      new LinkedHashMap<>();

  static {
    LOSSES.put("hiddenStateMse", options -> Losses.hiddenStateMse(projector(options)));
    LOSSES.put("hint", options -> Losses.hint(projector(options)));
    LOSSES.put("hiddenStateCosine", options -> Losses.hiddenStateCosine(projector(options)));
    LOSSES.put("patientKd", options -> Losses.patientKd(projector(options)));
    LOSSES.put(
        "variationalInformation", options -> Losses.variationalInformation(projector(options), 5));
    LOSSES.put(
        "factorTransfer",
        options -> Losses.factorTransfer(options.get("rate"), options.get("norm").intValue()));
    LOSSES.put(
        "activationBoundary",
        options -> Losses.activationBoundary(projector(options), options.get("margin")));
    LOSSES.put("overhaul", options -> Losses.overhaul(projector(options)));
    LOSSES.put(
        "maskedGeneration",
        options -> Losses.maskedGeneration(projector(options), options.get("ratio")));
    LOSSES.put("hierarchicalContext", options -> Losses.hierarchicalContext(projector(options)));
    LOSSES.put("reviewKd", options -> Losses.reviewKd(options.get("width").intValue()));
    LOSSES.put("simKd", options -> Losses.simKd(projector(options)));
  }

  /** The projector by its number in feature_golden.py. */
  private static Projector projector(Map<String, Double> options) {
    List<Projector> projectors =
        List.of(Projector.LINEAR, Projector.CONVOLUTION_1X1, Projector.LINEAR_RELU, Projector.MLP);
    return projectors.get(options.get("projector").intValue());
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
