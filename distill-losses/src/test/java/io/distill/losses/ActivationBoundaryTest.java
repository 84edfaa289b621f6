package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ActivationBoundaryTest {

  private static final DistillationLoss LOSS = Losses.activationBoundary();

  @Nested
  class Vectors extends Contract {
    Vectors() {
      super(LOSS, Kind.VECTORS, 3, 3);
    }
  }

  @Nested
  class Tokens extends Contract {
    Tokens() {
      super(LOSS, Kind.TOKENS, 2, 2);
    }
  }

  @Nested
  class MapsThroughConvolution extends Contract {
    MapsThroughConvolution() {
      super(LOSS, Kind.MAPS, 2, 3);
    }
  }

  @Nested
  class OtherMargin extends Contract {
    OtherMargin() {
      super(Losses.activationBoundary(Projector.LINEAR, 0.5), Kind.VECTORS, 2, 3);
    }
  }

  private abstract static class Contract extends FeatureContract {
    Contract(DistillationLoss loss, Kind kind, int student, int teacher) {
      super(loss, kind, student, teacher, 1);
    }

    /** Agreement on the margin itself; within it the loss asks for more than agreement. */
    @Override
    Line<LossCase> agreement() {
      Line<LossCase> agreement = super.agreement();
      return new Line<>(
          agreement
              .given()
              .map(
                  given ->
                      given
                          .mapStudent(values -> values.extreme(1))
                          .mapTeacher(values -> values.extreme(1))),
          agreement.reason());
    }
  }

  @ParameterizedTest(name = "student {0}, teacher {1}: {2}")
  @CsvSource({
    "0.5, 3, 0.25",
    "-0.5, 3, 2.25",
    "1, 0.1, 0",
    "7, 0.1, 0",
    "-0.5, -3, 0.25",
    "0.5, -3, 2.25",
    "-1, -0.1, 0",
    "-7, -0.1, 0",
    "0.5, 0, 2.25",
    "0, 0, 1"
  })
  void value_isTheSquaredMiss(double student, double teacher, double expected) {
    LossCase given =
        LossCase.layers(
            List.of(new Values(new double[] {student}, 1, 1)),
            List.of(new Values(new double[] {teacher}, 1, 1)),
            null);
    assertThat(given.value(LOSS)).isCloseTo(expected, within(1e-6));
  }

  @Test
  void onlySignsOfTheTeacher_matter() {
    LossCase given =
        LossCase.layers(List.of(Values.drawn(1, 2, 4, 6)), List.of(Values.drawn(2, 2, 4, 6)), null);
    assertThat(given.mapTeacher(values -> values.extreme(7)).value(LOSS))
        .isEqualTo(given.value(LOSS));
  }

  @ParameterizedTest(name = "margin={0}")
  @ValueSource(doubles = {0, -1, Double.NaN, Double.POSITIVE_INFINITY})
  void margin_outOfRange_isRefused(double margin) {
    assertThatThrownBy(() -> Losses.activationBoundary(Projector.MLP, margin))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("margin must be finite and greater than 0 but was " + margin);
  }
}
