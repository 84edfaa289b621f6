package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.Progress;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MaskedGenerationTest {

  private static final DistillationLoss LOSS = Losses.maskedGeneration();

  @Nested
  class Vectors extends Contract {
    Vectors() {
      super(LOSS, Kind.VECTORS, 3, 3);
    }
  }

  @Nested
  class Tokens extends Contract {
    Tokens() {
      super(LOSS, Kind.TOKENS, 3, 2);
    }
  }

  @Nested
  class Maps extends Contract {
    Maps() {
      super(LOSS, Kind.MAPS, 2, 2);
    }
  }

  @Nested
  class NothingMasked extends Contract {
    NothingMasked() {
      super(Losses.maskedGeneration(Projector.LINEAR, 0), Kind.MAPS, 3, 2);
    }
  }

  private abstract static class Contract extends FeatureContract {
    Contract(DistillationLoss loss, Kind kind, int student, int teacher) {
      super(loss, kind, student, teacher, 1);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply("the generator is learned; see generatorThatCopies");
    }

    /** The mask is drawn row by row: padding is cut off behind all real tokens. */
    @Override
    Line<Sliced> sliced() {
      Line<Sliced> sliced = super.sliced();
      if (sliced.given().isEmpty()) {
        return sliced;
      }
      LossCase masked =
          example()
              .withMask(
                  new Values(new float[] {1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0}, 5, 3));
      LossCase cut =
          masked
              .mapStudent(FeatureContract::withoutLastToken)
              .mapTeacher(FeatureContract::withoutLastToken)
              .withMask(new Values(new float[] {1, 1, 1, 1, 1, 0, 1, 1, 0, 1}, 5, 2));
      return Line.holds(new Sliced(masked, cut));
    }
  }

  /** One channel, a map of 16 x 16 of ones, and a generator that copies. */
  private static LossCase copied(DistillationLoss loss) {
    Values ones = new Values(Values.zeros(4, 1, 16, 16).oneHot(1, 1).numbers(), 4, 1, 16, 16);
    LossCase given =
        FeatureContract.prepared(loss, LossCase.layers(List.of(ones), List.of(ones), null), 1);
    Map<String, Values> parameters = new LinkedHashMap<>(given.parameters());
    for (String layer : List.of("generator", "generator.out")) {
      parameters.put(layer + ".0.0", new Values(new float[] {0, 0, 0, 0, 1, 0, 0, 0, 0}, 1, 9));
      parameters.put(layer + ".bias.0.0", Values.zeros(1));
    }
    return given.withParameters(parameters);
  }

  @Test
  void generatorThatCopies_leavesNothingOfWhatIsNotMasked() {
    DistillationLoss loss = Losses.maskedGeneration(Projector.LINEAR, 0);
    assertThat(copied(loss).value(loss)).isZero();
  }

  @ParameterizedTest(name = "ratio={0}")
  @ValueSource(doubles = {0.15, 0.5, 0.65, 0.9})
  void generatorThatCopies_countsTheMaskedShare(double ratio) {
    DistillationLoss loss = Losses.maskedGeneration(Projector.LINEAR, ratio);
    LossCase given = copied(loss);
    // 8 steps of 1,024 pixels: three standard deviations are at most 0.017
    double sum = 0;
    for (int step = 0; step < 8; step++) {
      double value = given.withProgress(new Progress(0, step, 100, 5)).value(loss);
      assertThat(value).isCloseTo(ratio, within(0.07));
      sum += value;
    }
    assertThat(sum / 8).isCloseTo(ratio, within(0.02));
  }

  @Test
  void mask_isThatOfRunStepAndRow() {
    LossCase given = copied(LOSS);
    Progress progress = new Progress(1, 7, 100, 5);
    float[] masked = gradient(given.withProgress(progress));
    assertThat(gradient(given.withProgress(new Progress(3, 7, 200, 5)))).isEqualTo(masked);
    assertThat(gradient(given.withProgress(new Progress(1, 8, 100, 5)))).isNotEqualTo(masked);
    assertThat(gradient(given.withProgress(new Progress(1, 7, 100, 6)))).isNotEqualTo(masked);
    assertThat(gradient(given.withProgress(progress).withIndices(indices(4, 5, 6, 7))))
        .isNotEqualTo(masked);
    // rows draw their own, wherever they stand in the batch
    float[] swapped = gradient(given.withProgress(progress).rows(1, 0, 2, 3));
    Values whole = new Values(masked, 4, 256);
    assertThat(swapped).isEqualTo(whole.rows(1, 0, 2, 3).numbers());
    assertThat(whole.rows(0).numbers()).isNotEqualTo(whole.rows(1).numbers());
  }

  /** Where the gradient is 0 is what was masked, as the generator copies. */
  private static float[] gradient(LossCase given) {
    return given
        .mapTeacher(values -> Values.zeros(values.shape()))
        .evaluate(LOSS)
        .gradients()
        .get(0)
        .numbers();
  }

  private static Values indices(double... indices) {
    return new Values(indices, indices.length);
  }

  @Test
  void token_isGeneratedFromItsNeighbours() {
    DistillationLoss loss = Losses.maskedGeneration(Projector.LINEAR, 0);
    LossCase given =
        FeatureContract.prepared(
            loss,
            LossCase.layers(
                List.of(new Values(new float[] {1, 2, 4, 8}, 1, 4, 1)),
                List.of(Values.zeros(1, 4, 1)),
                new Values(new float[] {1, 1, 1, 0}, 1, 4)),
            1);
    Map<String, Values> parameters = new LinkedHashMap<>();
    // the middle row of the first kernel adds up the neighbours, the second one copies
    parameters.put(
        "generator.0.0", new Values(new float[] {100, 100, 100, 1, 0, 1, 100, 100, 100}, 1, 9));
    parameters.put("generator.bias.0.0", Values.zeros(1));
    parameters.put("generator.out.0.0", new Values(new float[] {0, 0, 0, 0, 1, 0, 0, 0, 0}, 1, 9));
    parameters.put("generator.out.bias.0.0", Values.zeros(1));
    // padding gives nothing: 2, 1 + 4, 2
    assertThat(given.withParameters(parameters).value(loss))
        .isCloseTo((4 + 25 + 4) / 3.0, within(1e-5));
  }

  @Test
  void prepare_declaresTwoConvolutions() {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(3), List.of(3), LayerMapping.uniform());
    LOSS.prepare(setup);
    assertThat(setup.declared())
        .containsOnly(
            Map.entry("generator.0.0", "(3, 27)"),
            Map.entry("generator.bias.0.0", "(3) = 0.0"),
            Map.entry("generator.out.0.0", "(3, 27)"),
            Map.entry("generator.out.bias.0.0", "(3) = 0.0"));
  }

  @ParameterizedTest(name = "ratio={0}")
  @ValueSource(doubles = {-0.1, 1, Double.NaN})
  void ratio_outOfRange_isRefused(double ratio) {
    assertThatThrownBy(() -> Losses.maskedGeneration(Projector.MLP, ratio))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("ratio must be at least 0 and below 1 but was " + ratio);
  }
}
