package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import io.distill.signal.SignalKind;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ListwiseKlTest extends DistillationLossContract {

  private static final double NONE = Double.NEGATIVE_INFINITY;
  private static final float INFINITELY_LOW = Float.NEGATIVE_INFINITY;

  @Override
  DistillationLoss loss() {
    return Losses.listwiseKl();
  }

  @Override
  LossCase example() {
    return LogitCases.drawn(1, 2).atTemperature(2);
  }

  @Override
  Line<LossCase> agreement() {
    LossCase example = example();
    return Line.holds(example.withTeacher(example.student()));
  }

  @Override
  Line<Sliced> sliced() {
    LossCase narrow = example();
    LossCase wide =
        narrow
            .mapStudent(v -> MarginMseTest.withLastColumn(v, Values.drawn(7, 4, 5, 5)))
            .mapTeacher(LogitCases::padded);
    return Line.holds(new Sliced(wide, narrow));
  }

  @Override
  Line<LossCase> nothing() {
    return Line.holds(
        example().mapTeacher(values -> values.oneHot(INFINITELY_LOW, INFINITELY_LOW)));
  }

  @Override
  Map<String, LossCase> misfits() {
    return LogitCases.misfits(example());
  }

  @ParameterizedTest(name = "seed={0}")
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void listsOfEqualLength_areSoftTargets(long seed) {
    for (double temperature : new double[] {1, 2, 4}) {
      LossCase given = LogitCases.drawn(seed, 4).atTemperature(temperature);
      Outcome listwise = given.evaluate(loss());
      Outcome soft = given.evaluate(Losses.softTargets());
      assertThat(listwise.value()).isCloseTo(soft.value(), within(1e-6));
      assertThat(listwise.gradients().get(0).numbers())
          .containsExactly(soft.gradients().get(0).numbers(), within(1e-6f));
    }
  }

  @Test
  void candidatesThatDoNotExist_getNoGradientUnlikeRuledOutClasses() {
    LossCase given = example().mapTeacher(values -> values.with(1, NONE));
    Outcome listwise = given.evaluate(loss());
    Outcome soft = given.evaluate(Losses.softTargets());
    assertThat(listwise.gradients().get(0).numbers()[1]).isZero();
    assertThat(soft.gradients().get(0).numbers()[1]).isPositive();
    assertThat(listwise.value()).isLessThan(soft.value());
    // whatever the student scores there
    LossCase other = given.mapStudent(values -> values.with(1, NONE));
    Outcome without = other.evaluate(loss());
    assertThat(without.value()).isEqualTo(listwise.value());
    assertThat(without.gradients().get(0).doubles()).doesNotContain(Double.NaN);
  }

  @Test
  void oneCandidate_isZero() {
    Values one = new Values(new double[] {1, NONE, NONE}, 1, 3);
    assertThat(LogitCases.drawn(1, 4, 1, 3).mapTeacher(values -> one).value(loss())).isZero();
  }

  @Test
  void requirements_areScoresOfBoth() {
    assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(loss().requiresLabels()).isFalse();
    assertThat(loss().name()).isEqualTo("listwiseKl");
  }
}
