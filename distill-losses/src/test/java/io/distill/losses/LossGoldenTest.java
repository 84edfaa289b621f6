package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.Gson;
import io.distill.loss.DistillationLoss;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Compares with float64 values of src/test/scripts/losses_golden.py. */
class LossGoldenTest {

  private static final double RELATIVE = 1e-5;

  private static final Map<DistillationLoss, SignalKind> LOSSES = new LinkedHashMap<>();

  static {
    LOSSES.put(Losses.softTargets(), SignalKind.LOGITS);
    LOSSES.put(Losses.hardLabels(), SignalKind.LOGITS);
    LOSSES.put(Losses.hiddenStateMse(), SignalKind.HIDDEN_STATES);
    LOSSES.put(Losses.embeddingCosine(), SignalKind.EMBEDDING);
  }

  record Drawn(long seed, double scale, List<Long> shape) {
    Values values() {
      return Values.drawn(seed, scale, shape.stream().mapToLong(Long::longValue).toArray());
    }
  }

  record Gradient(int stride, double norm, List<Double> values) {}

  record Golden(
      String name,
      @Nullable Double temperature,
      List<Drawn> student,
      @Nullable List<Drawn> teacher,
      @Nullable List<Integer> labels,
      @Nullable List<List<Float>> mask,
      @Nullable List<List<Integer>> pairs,
      @Nullable Map<String, Drawn> parameters,
      double value,
      List<Gradient> gradients,
      Map<String, Gradient> parameterGradients) {

    LossCase lossCase(SignalKind kind) {
      Map<String, Values> learned = new LinkedHashMap<>();
      if (parameters != null) {
        parameters.forEach((parameter, drawn) -> learned.put(parameter, drawn.values()));
      }
      return new LossCase(
          kind,
          student.stream().map(Drawn::values).toList(),
          teacher == null ? List.of() : teacher.stream().map(Drawn::values).toList(),
          labels,
          mask == null ? null : tokens(mask),
          learned,
          temperature == null ? 1 : temperature,
          pairs == null ? LayerMapping.uniform() : mapping(pairs));
    }

    private static Values tokens(List<List<Float>> mask) {
      int length = mask.get(0).size();
      float[] flat = new float[mask.size() * length];
      for (int i = 0; i < flat.length; i++) {
        flat[i] = mask.get(i / length).get(i % length);
      }
      return new Values(flat, mask.size(), length);
    }

    private static LayerMapping mapping(List<List<Integer>> pairs) {
      return LayerMapping.of(
          pairs.stream()
              .map(pair -> new LayerPair(pair.get(0), pair.get(1)))
              .toArray(LayerPair[]::new));
    }
  }

  static Stream<Arguments> goldens() {
    return LOSSES.keySet().stream()
        .flatMap(
            loss ->
                read(loss.name()).stream()
                    .map(golden -> Arguments.of(loss.name() + ": " + golden.name(), loss, golden)));
  }

  private static List<Golden> read(String loss) {
    try (InputStream in =
            Objects.requireNonNull(
                LossGoldenTest.class.getResourceAsStream("/golden/" + loss + ".json"));
        Reader reader = new InputStreamReader(in, StandardCharsets.UTF_8)) {
      return Arrays.asList(new Gson().fromJson(reader, Golden[].class));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("goldens")
  void valueAndGradients_equalPyTorchInFloat64(String name, DistillationLoss loss, Golden golden) {
    LossCase.Outcome outcome =
        golden.lossCase(Objects.requireNonNull(LOSSES.get(loss))).evaluate(loss);

    assertThat(outcome.value())
        .as(name)
        .isCloseTo(golden.value(), within(RELATIVE * Math.abs(golden.value())));
    assertThat(outcome.gradients()).hasSameSizeAs(golden.gradients());
    for (int i = 0; i < golden.gradients().size(); i++) {
      assertGradient(outcome.gradients().get(i), golden.gradients().get(i));
    }
    assertThat(outcome.parameterGradients().keySet())
        .isEqualTo(golden.parameterGradients().keySet());
    golden
        .parameterGradients()
        .forEach((p, gradient) -> assertGradient(outcome.parameterGradients().get(p), gradient));
  }

  /** Relative to the largest element: a softmax gradient near 0 is the difference of two others. */
  private static void assertGradient(Values actual, Gradient expected) {
    double largest = expected.values().stream().mapToDouble(Math::abs).max().orElseThrow();
    float[] numbers = actual.numbers();
    double squares = 0;
    for (float number : numbers) {
      squares += (double) number * number;
    }
    assertThat(Math.sqrt(squares)).isCloseTo(expected.norm(), within(RELATIVE * expected.norm()));
    assertThat(expected.values())
        .hasSize((numbers.length + expected.stride() - 1) / expected.stride());
    for (int i = 0; i < expected.values().size(); i++) {
      assertThat((double) numbers[i * expected.stride()])
          .isCloseTo(expected.values().get(i), within(RELATIVE * largest));
    }
  }

  @Test
  void everyLoss_hasAtLeastFiveCases() {
    assertThat(LOSSES.keySet()).allSatisfy(l -> assertThat(read(l.name())).hasSizeGreaterThan(4));
  }
}
