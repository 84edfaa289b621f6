package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Change;
import io.distill.mapping.LayerMapping;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OverhaulTest {

  private static final DistillationLoss LOSS = Losses.overhaul();

  @Nested
  class Vectors extends Contract {
    Vectors() {
      super(Kind.VECTORS, 3, 3);
    }
  }

  @Nested
  class Tokens extends Contract {
    Tokens() {
      super(Kind.TOKENS, 3, 3);
    }
  }

  @Nested
  class MapsThroughConvolution extends Contract {
    MapsThroughConvolution() {
      super(Kind.MAPS, 2, 3);
    }
  }

  @Nested
  class FirstStep extends FeatureContract {
    FirstStep() {
      super(LOSS, Kind.VECTORS, 3, 3, 1);
    }
  }

  private abstract static class Contract extends FeatureContract {
    Contract(Kind kind, int student, int teacher) {
      super(LOSS, kind, student, teacher, 1);
    }

    /** Margins -0.5, -1 and 0. */
    @Override
    LossCase example() {
      return super.example()
          .withBuffers(Map.of("negatives.0.0", new Values(new float[] {-2, -5, 0, 4, 5, 0}, 2, 3)));
    }
  }

  @ParameterizedTest(name = "student {0}, teacher {1}: {2}")
  @CsvSource({
    "3, 2, 1", "1, 2, 1", "-1, 2, 9", // a positive feature is matched
    "1, -0.25, 1.5625", "0, -0.25, 0.0625", "-3, -0.25, 0", // a negative one from above alone
    "0, -7, 0.25", "-0.5, -7, 0", "-0.75, -7, 0" // and no lower than the margin
  })
  void value_isThePartialDistance(double student, double teacher, double expected) {
    LossCase given =
        one(student, teacher)
            .withBuffers(Map.of("negatives.0.0", new Values(new float[] {-2, 4}, 2, 1)));
    assertThat(given.value(LOSS)).isCloseTo(expected, within(1e-6));
  }

  @Test
  void beforeAnythingWasSeen_theMarginIsThatOfARelu() {
    LossCase given = one(2, -7).withBuffers(Map.of("negatives.0.0", Values.zeros(2, 1)));
    assertThat(given.value(LOSS)).isEqualTo(4);
  }

  private static LossCase one(double student, double teacher) {
    return LossCase.layers(
        List.of(new Values(new double[] {student}, 1, 1)),
        List.of(new Values(new double[] {teacher}, 1, 1)),
        null);
  }

  @Test
  void update_addsWhatIsNegativeInRealTokens_toWhatIsKept() {
    LossCase given =
        LossCase.layers(
                List.of(Values.zeros(2, 2, 2)),
                List.of(new Values(new float[] {-1, 5, -3, -2, 4, -6, -100, -100}, 2, 2, 2)),
                new Values(new float[] {1, 1, 1, 0}, 2, 2))
            .withBuffers(Map.of("negatives.0.0", new Values(new float[] {-10, -20, 5, 0}, 2, 2)));
    List<Change> changes = given.evaluate(LOSS).changes();
    assertThat(changes).hasSize(1);
    assertThat(changes.get(0).buffer()).isEqualTo("negatives.0.0");
    assertThat(changes.get(0).rows()).isNull();
    assertThat(changes.get(0).value().numbers())
        .containsExactly(new float[] {-9.9f - 4, -19.8f - 8, 4.95f + 2, 2}, within(1e-5f));
  }

  @Test
  void prepare_declaresSumsAndCounts() {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(2), List.of(3), LayerMapping.uniform());
    LOSS.prepare(setup);
    assertThat(setup.declared())
        .containsOnly(
            Map.entry("projector.0.0", "(3, 2)"),
            Map.entry("projector.0.0.bias", "(3) = 0.0"),
            Map.entry("buffer:negatives.0.0", "(2, 3) = 0.0"));
  }
}
