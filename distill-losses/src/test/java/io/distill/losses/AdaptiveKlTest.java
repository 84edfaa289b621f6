package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.LossCase.Outcome;
import io.distill.losses.internal.RowLoss;
import io.distill.losses.logit.ReverseKl;
import io.distill.losses.logit.SoftTargets;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AdaptiveKlTest extends RowLossContract {

  @Override
  DistillationLoss loss() {
    return Losses.adaptiveKl();
  }

  @Override
  String name() {
    return "adaptiveKl";
  }

  private static final double SHARE = 0.5;

  /** The weights get no gradient: they stay as they are at the case. */
  @Override
  DistillationLoss differentiable(LossCase at) {
    Values learned = at.parameters().get("temperature.rows");
    double[] weights = new double[ROWS];
    for (int row = 0; row < ROWS; row++) {
      double temperature = learned == null ? 2 : learned.doubles()[row];
      weights[row] =
          headWeight(
              probabilities(at.student().get(0).rows(row).doubles(), temperature),
              probabilities(at.teacher().get(0).rows(row).doubles(), temperature));
    }
    return context -> {
      NDArray forward = perRow(new SoftTargets(), context);
      NDArray reverse = perRow(new ReverseKl(), context);
      NDArray weight = context.manager().create(weights).toType(forward.getDataType(), false);
      return context.meanOverRows(weight.mul(forward).add(weight.mul(-1).add(1).mul(reverse)));
    };
  }

  private static NDArray perRow(RowLoss loss, LossContext context) {
    NDArray temperatures = context.temperatures();
    return loss.formula()
        .call(
            "per_row",
            context.student().logits(),
            context.teacher().logits(),
            temperatures,
            temperatures);
  }

  private static double[] probabilities(double[] logits, double temperature) {
    double largest = Arrays.stream(logits).max().orElseThrow();
    double[] powers =
        Arrays.stream(logits).map(each -> Math.exp((each - largest) / temperature)).toArray();
    double sum = Arrays.stream(powers).sum();
    return Arrays.stream(powers).map(each -> each / sum).toArray();
  }

  private static double headWeight(double[] q, double[] p) {
    int[] order =
        IntStream.range(0, p.length)
            .boxed()
            .sorted(Comparator.comparingDouble(c -> -p[c]))
            .mapToInt(c -> c)
            .toArray();
    double taken = 0;
    double head = 0;
    double all = 0;
    for (int c : order) {
      double gap = Math.abs(p[c] - q[c]);
      head += taken < SHARE ? gap : 0;
      all += gap;
      taken += p[c];
    }
    return head / all;
  }

  @Test
  void value_isThatOfBothDivergencesByTheirWeights() {
    assertThat(example().value(loss()))
        .isCloseTo(example().value(differentiable(example())), within(1e-6));
    assertThat(loss()).isEqualTo(Losses.adaptiveKl(SHARE));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void twoClasses_haveEqualGapsAndWeights(long seed) {
    LossCase given = drawn(seed, 4, 2).atTemperature(2);
    assertThat(given.value(loss())).isCloseTo(given.value(Losses.symmetricKl()), within(1e-5));
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void headOfAllClasses_isSoftTargets(long seed) {
    LossCase given = drawn(seed, 2).atTemperature(2);
    assertThat(given.value(Losses.adaptiveKl(0.999999)))
        .isCloseTo(given.value(Losses.softTargets()), within(1e-6));
  }

  @Test
  void rowThatAgrees_doesNotDisturbTheOthers() {
    LossCase example = example();
    LossCase one =
        example.mapTeacher(
            values -> {
              double[] numbers = values.doubles();
              System.arraycopy(example.student().get(0).doubles(), 0, numbers, 0, CLASSES);
              return new Values(numbers, values.shape());
            });
    Outcome outcome = one.evaluate(loss());
    Outcome others = one.rows(1, 2, 3, 4).evaluate(loss());
    assertThat(outcome.value()).isCloseTo(0.8 * others.value(), within(1e-6));
    assertThat(outcome.gradients().get(0).rows(0).largest()).isLessThan(1e-7f);
    assertThat(outcome.gradients().get(0).rows(1, 2, 3, 4).largest())
        .isCloseTo(0.8f * others.gradients().get(0).largest(), within(1e-6f));
  }

  @ParameterizedTest(name = "headShare={0}")
  @ValueSource(doubles = {-0.1, 0, 1, Double.NaN})
  void headShare_outOfRange_isRefused(double headShare) {
    assertThatThrownBy(() -> Losses.adaptiveKl(headShare))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("headShare must be greater than 0 and less than 1 but was " + headShare);
  }
}
