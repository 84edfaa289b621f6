package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HiddenStateCosineTest {

  private static final DistillationLoss LOSS = Losses.hiddenStateCosine();

  @Nested
  class Vectors extends FeatureContract {
    Vectors() {
      super(LOSS, Kind.VECTORS, 3, 3, 1);
    }
  }

  @Nested
  class Tokens extends FeatureContract {
    Tokens() {
      super(LOSS, Kind.TOKENS, 2, 2, 2);
    }
  }

  @Nested
  class TokensThroughMatrix extends FeatureContract {
    TokensThroughMatrix() {
      super(LOSS, Kind.TOKENS, 2, 3, 1);
    }
  }

  @Nested
  class Maps extends FeatureContract {
    Maps() {
      super(LOSS, Kind.MAPS, 3, 3, 1);
    }
  }

  @ParameterizedTest(name = "factor={0}")
  @ValueSource(doubles = {0.25, 3, 1000})
  void lengths_doNotMatter(double factor) {
    LossCase given = given();
    assertThat(given.mapStudent(values -> scaled(values, factor)).value(LOSS))
        .isCloseTo(given.value(LOSS), within(1e-6));
    assertThat(given.mapTeacher(values -> scaled(values, factor)).value(LOSS))
        .isCloseTo(given.value(LOSS), within(1e-6));
  }

  @Test
  void oppositeDirections_countTwo_andRightAnglesOne() {
    LossCase given = given();
    LossCase opposite = given.withTeacher(List.of(scaled(given.student().get(0), -2)));
    assertThat(opposite.value(LOSS)).isCloseTo(2, within(1e-6));
    LossCase right =
        LossCase.layers(
            List.of(new Values(new float[] {3, 0}, 1, 2)),
            List.of(new Values(new float[] {0, 5}, 1, 2)),
            null);
    assertThat(right.value(LOSS)).isEqualTo(1);
  }

  private static LossCase given() {
    return LossCase.layers(
        List.of(Values.drawn(1, 2, 4, 6)), List.of(Values.drawn(2, 2, 4, 6)), null);
  }

  private static Values scaled(Values values, double factor) {
    return new Values(
        Arrays.stream(values.doubles()).map(number -> factor * number).toArray(), values.shape());
  }
}
