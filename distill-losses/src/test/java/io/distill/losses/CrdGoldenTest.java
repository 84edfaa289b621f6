package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.loss.DistillationLoss;
import io.distill.schedule.Progress;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with float64 values of src/test/scripts/crd_golden.py. */
class CrdGoldenTest {

  static Stream<Arguments> goldens() {
    return Golden.cases(
        Map.of(
            "contrastiveRepresentation",
            options ->
                Losses.contrastiveRepresentation(
                    options.get("negatives").intValue(),
                    options.get("temperature"),
                    options.get("momentum"),
                    options.get("width").intValue(),
                    options.get("otherClasses") > 0)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("goldens")
  void valueAndGradients_equalPyTorchInFloat64(String name, DistillationLoss loss, Golden golden) {
    Map<String, Double> options = golden.options();
    LossCase given = golden.lossCase();
    int stride = options.get("stride").intValue();
    int first = options.get("first").intValue();
    double[] rows =
        IntStream.range(0, given.size()).mapToDouble(i -> (double) first + i * stride).toArray();
    long step = options.get("step").longValue();
    golden.check(
        loss,
        given
            .withIndices(new Values(rows, rows.length))
            .withProgress(new Progress(0, step, step + 1, options.get("seed").longValue())));
  }

  @Test
  void loss_hasAtLeastFiveCases() {
    assertThat(Golden.read("contrastiveRepresentation")).hasSizeGreaterThan(4);
  }
}
