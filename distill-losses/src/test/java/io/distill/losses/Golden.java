package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.google.gson.Gson;
import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Part;
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
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.provider.Arguments;

/**
 * A case with value and gradients in float64, as the scripts in {@code src/test/scripts} write it.
 *
 * @param options the arguments of the loss's factory, by name; null for none
 */
record Golden(
    String name,
    @Nullable Map<String, Double> options,
    @Nullable Double temperature,
    List<Drawn> student,
    @Nullable List<Drawn> teacher,
    @Nullable Integers labels,
    @Nullable Drawn mask,
    @Nullable Drawn teacherMask,
    @Nullable List<List<Integer>> pairs,
    @Nullable Map<String, Drawn> parameters,
    @Nullable Map<String, Drawn> buffers,
    double value,
    List<Gradient> gradients,
    Map<String, Gradient> parameterGradients) {

  private static final double RELATIVE = 1e-5;

  /** Labels of a shape. */
  record Integers(List<Long> shape, List<Double> values) {
    Values toValues() {
      return new Values(
          values.stream().mapToDouble(Double::doubleValue).toArray(), Golden.shape(shape));
    }
  }

  /** Drawn numbers, or numbers written out. */
  record Drawn(
      @Nullable String kind,
      long seed,
      double scale,
      List<Long> shape,
      @Nullable List<Double> values,
      boolean shared) {
    Values toValues() {
      return values == null
          ? Values.drawn(seed, scale, Golden.shape(shape))
          : new Values(
              values.stream().mapToDouble(Double::doubleValue).toArray(), Golden.shape(shape));
    }

    Part toPart() {
      return new Part(
          SignalKind.valueOf(Objects.requireNonNull(kind, "kind")), toValues(), !shared);
    }
  }

  /**
   * A gradient, of which every {@code stride}-th element is written out.
   *
   * @param norm the L2 norm of all elements
   * @param largest the largest absolute value of all elements
   */
  record Gradient(int stride, double norm, double largest, List<Double> values) {}

  private static long[] shape(List<Long> shape) {
    return shape.stream().mapToLong(Long::longValue).toArray();
  }

  /**
   * Reads the cases of several losses.
   *
   * @param losses what makes each loss from the options of a case, by the name of its file
   * @return arguments of a test: what is tested, the loss, the case
   */
  static Stream<Arguments> cases(
      Map<String, Function<Map<String, Double>, DistillationLoss>> losses) {
    return losses.entrySet().stream()
        .flatMap(
            entry ->
                read(entry.getKey()).stream()
                    .map(
                        golden ->
                            Arguments.of(
                                entry.getKey() + ": " + golden.name(),
                                entry
                                    .getValue()
                                    .apply(golden.options() == null ? Map.of() : golden.options()),
                                golden)));
  }

  static List<Golden> read(String file) {
    try (InputStream in =
            Objects.requireNonNull(
                Golden.class.getResourceAsStream("/golden/" + file + ".json"), file);
        Reader reader = new InputStreamReader(in, StandardCharsets.UTF_8)) {
      return Arrays.asList(new Gson().fromJson(reader, Golden[].class));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  LossCase lossCase() {
    LossCase given =
        LossCase.of(
                student.stream().map(Drawn::toPart).toList(),
                teacher == null ? List.of() : teacher.stream().map(Drawn::toPart).toList())
            .withLabels(labels == null ? null : labels.toValues())
            .withMask(mask == null ? null : mask.toValues())
            .withTeacherMask(teacherMask == null ? null : teacherMask.toValues())
            .withParameters(values(parameters))
            .withBuffers(values(buffers))
            .atTemperature(temperature == null ? 1 : temperature);
    return pairs == null ? given : given.withMapping(mapping(pairs));
  }

  private static Map<String, Values> values(@Nullable Map<String, Drawn> drawn) {
    Map<String, Values> values = new LinkedHashMap<>();
    if (drawn != null) {
      drawn.forEach((name, each) -> values.put(name, each.toValues()));
    }
    return values;
  }

  private static LayerMapping mapping(List<List<Integer>> pairs) {
    return LayerMapping.of(
        pairs.stream()
            .map(pair -> new LayerPair(pair.get(0), pair.get(1)))
            .toArray(LayerPair[]::new));
  }

  /** Holds a float32 value and its gradients against this case: relative 1e-5. */
  void check(DistillationLoss loss) {
    check(loss, lossCase());
  }

  /** Likewise, of this case with what the file does not say. */
  void check(DistillationLoss loss, LossCase given) {
    LossCase.Outcome outcome = given.evaluate(loss);
    assertThat(outcome.value()).as(name).isCloseTo(value, within(RELATIVE * Math.abs(value)));
    assertThat(outcome.gradients()).hasSameSizeAs(gradients);
    for (int i = 0; i < gradients.size(); i++) {
      check(outcome.gradients().get(i), gradients.get(i));
    }
    assertThat(outcome.parameterGradients().keySet()).isEqualTo(parameterGradients.keySet());
    parameterGradients.forEach(
        (p, expected) -> check(outcome.parameterGradients().get(p), expected));
  }

  /** Relative to the largest element: a softmax gradient near 0 is the difference of two others. */
  private static void check(Values actual, Gradient expected) {
    float[] numbers = actual.numbers();
    double squares = 0;
    double largest = 0;
    for (float number : numbers) {
      squares += (double) number * number;
      largest = Math.max(largest, Math.abs(number));
    }
    assertThat(Math.sqrt(squares)).isCloseTo(expected.norm(), within(RELATIVE * expected.norm()));
    assertThat(largest).isCloseTo(expected.largest(), within(RELATIVE * expected.largest()));
    assertThat(expected.values())
        .hasSize((numbers.length + expected.stride() - 1) / expected.stride());
    for (int i = 0; i < expected.values().size(); i++) {
      assertThat((double) numbers[i * expected.stride()])
          .isCloseTo(expected.values().get(i), within(RELATIVE * expected.largest()));
    }
  }
}
