package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Outcome;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class ReviewKdTest {

  private static final DistillationLoss LOSS = Losses.reviewKd();

  @Nested
  class Vectors extends Contract {
    Vectors() {
      super(Kind.VECTORS, 3, 2);
    }
  }

  @Nested
  class Tokens extends Contract {
    Tokens() {
      super(Kind.TOKENS, 2, 3);
    }
  }

  @Nested
  class Maps extends Contract {
    Maps() {
      super(Kind.MAPS, 2, 2);
    }
  }

  private abstract static class Contract extends FeatureContract {
    Contract(Kind kind, int student, int teacher) {
      super(LOSS, kind, student, teacher, 2);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply("the fusion is learned; see fusionThatCopies");
    }
  }

  /** Two layers of one channel, the deeper one a quarter as large. */
  private static LossCase copied(double attention, double review) {
    LossCase given =
        LossCase.layers(
            List.of(Values.drawn(1, 2, 3, 1, 4, 4), Values.drawn(2, 2, 3, 1, 2, 2)),
            List.of(Values.drawn(3, 2, 3, 1, 4, 4), Values.drawn(4, 2, 3, 1, 2, 2)),
            null);
    Map<String, Values> parameters = new LinkedHashMap<>();
    for (int layer = 0; layer < 2; layer++) {
      parameters.put("reduction." + layer, new Values(new float[] {1}, 1, 1));
      parameters.put("reduction." + layer + ".bias", Values.zeros(1));
      String pair = "." + layer + "." + layer;
      parameters.put("output" + pair, new Values(new float[] {0, 0, 0, 0, 1, 0, 0, 0, 0}, 1, 9));
      parameters.put("output.bias" + pair, Values.zeros(1));
    }
    parameters.put("attention.0", Values.zeros(2, 2));
    parameters.put("attention.0.bias", new Values(new double[] {attention, review}, 2));
    return given.withParameters(parameters);
  }

  @Test
  void fusionThatCopies_isTheHierarchicalContextLoss() {
    LossCase given = copied(100, -100);
    assertThat(given.value(LOSS))
        .isCloseTo(
            given.withParameters(Map.of()).value(Losses.hierarchicalContext()), within(1e-5));
  }

  @Test
  void fusionOfTheDeeperAlone_comparesItEnlarged() {
    LossCase given = copied(-100, 100);
    double[] deeper = given.student().get(1).doubles();
    double[] enlarged = new double[48];
    for (int i = 0; i < enlarged.length; i++) {
      enlarged[i] = deeper[i / 16 * 4 + i % 16 / 8 * 2 + i % 4 / 2];
    }
    LossCase expected =
        given
            .withParameters(Map.of())
            .withStudent(List.of(new Values(enlarged, 3, 1, 4, 4), given.student().get(1)));
    assertThat(given.value(LOSS))
        .isCloseTo(expected.value(Losses.hierarchicalContext()), within(1e-5));
  }

  @Test
  void shallowLayerOfTheTeacher_teachesTheDeepLayerOfTheStudent() {
    LossCase given = copied(0, 0);
    // the deep layer's own target is what it says: what is left comes from the shallow one
    LossCase deepAgrees =
        given.withTeacher(List.of(given.teacher().get(0), given.student().get(1)));
    Outcome outcome = deepAgrees.evaluate(LOSS);
    assertThat(outcome.gradients().get(1).largest()).isGreaterThan(1e-3f);
    LossCase alone = copied(100, -100);
    Outcome apart =
        alone.withTeacher(List.of(given.teacher().get(0), given.student().get(1))).evaluate(LOSS);
    assertThat(apart.gradients().get(1).largest()).isZero();
  }

  @Test
  void mapping_saysWhichLayersAreFused() {
    LossCase given = copied(0, 0);
    LossCase shallow = given.withMapping(LayerMapping.of(new LayerPair(0, 0)));
    // the deepest layer of the mapping has nothing deeper to review
    LossCase other = shallow.withStudent(List.of(given.student().get(0), Values.zeros(3, 1, 2, 2)));
    assertThat(shallow.value(LOSS)).isEqualTo(other.value(LOSS));
  }

  @Test
  void prepare_declaresAttentionExceptForTheDeepest() {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(6, 4), List.of(3, 5), LayerMapping.uniform());
    LOSS.prepare(setup);
    assertThat(setup.declared())
        .containsOnly(
            Map.entry("reduction.0", "(4, 6)"),
            Map.entry("reduction.0.bias", "(4) = 0.0"),
            Map.entry("reduction.1", "(4, 4)"),
            Map.entry("reduction.1.bias", "(4) = 0.0"),
            Map.entry("attention.0", "(2, 8)"),
            Map.entry("attention.0.bias", "(2) = 0.0"),
            Map.entry("output.0.0", "(3, 36)"),
            Map.entry("output.bias.0.0", "(3) = 0.0"),
            Map.entry("output.1.1", "(5, 36)"),
            Map.entry("output.bias.1.1", "(5) = 0.0"));
    RecordingSetup narrow =
        RecordingSetup.ofHiddenStates(List.of(6, 4), List.of(3, 5), LayerMapping.uniform());
    Losses.reviewKd(2).prepare(narrow);
    assertThat(narrow.declared()).containsEntry("reduction.0", "(2, 6)");
  }

  @Test
  void width_outOfRange_isRefused() {
    assertThatThrownBy(() -> Losses.reviewKd(0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("largestWidth must be at least 1 but was 0");
  }
}
