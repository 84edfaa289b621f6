package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.mapping.LayerWeighting;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The contract twice: tokens, and pixels that become fewer from layer to layer. */
class FspTest {

  private static final DistillationLoss LOSS = Losses.fsp();

  @Nested
  class Tokens extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.layers(
          List.of(
              Values.drawn(1, 1, 5, 3, 2),
              Values.drawn(2, 1, 5, 3, 2),
              Values.drawn(6, 1, 5, 3, 2)),
          List.of(
              Values.drawn(3, 1, 5, 3, 2),
              Values.drawn(4, 1, 5, 3, 2),
              Values.drawn(5, 1, 5, 3, 2)),
          new Values(new float[] {1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1}, 5, 3));
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      LossCase whole = example().rows(0, 3);
      LossCase cut =
          whole
              .mapStudent(values -> Axes.first(values, 1, 2))
              .mapTeacher(values -> Axes.first(values, 1, 2))
              .withMask(new Values(new float[] {1, 1, 1, 1}, 2, 2));
      return Line.holds(new Sliced(whole, cut));
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(example().withMask(Values.zeros(5, 3)));
    }

    @Override
    Map<String, LossCase> misfits() {
      LossCase example = example();
      return Map.of(
          "student and teacher hidden states must have the same number of channels for fsp but had"
              + " 2 (student, layer 0, shape (5, 3, 2)) and 4 (teacher, layer 0, shape (5, 3, 4));"
              + " use neuronSelectivity() or attentionTransfer(), which compare any widths",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 3, 4)),
          "student and teacher hidden states must have the same rows and tokens for fsp but were"
              + " (5, 3, 2) (student, layer 0) and (5, 4, 2) (teacher, layer 0); give both models"
              + " the same tokenizer",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 4, 2)),
          "student's hidden states must be all of tokens or all of pixels for fsp but had shapes"
              + " (5, 3, 2) and (5, 2, 3, 1); map layers of one kind",
          LossCase.layers(
              List.of(Values.drawn(1, 1, 5, 3, 2), Values.drawn(2, 1, 5, 2, 3, 1)),
              List.of(Values.drawn(3, 1, 5, 3, 2), Values.drawn(4, 1, 5, 2, 3, 1)),
              null));
    }
  }

  @Nested
  class Pixels extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.layers(
          List.of(Values.drawn(1, 1, 5, 2, 2, 4), Values.drawn(2, 1, 5, 3, 2, 2)),
          List.of(Values.drawn(3, 1, 5, 2, 3, 3), Values.drawn(4, 1, 5, 3, 1, 2)),
          null);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("every pixel counts");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.doesNotApply("every pixel counts");
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "student and teacher hidden states must have the same number of channels for fsp but had"
              + " 2 (student, layer 0, shape (5, 2, 2, 4)) and 3 (teacher, layer 0, shape (5, 3, 2,"
              + " 4)); use neuronSelectivity() or attentionTransfer(), which compare any widths",
          example().mapTeacher(values -> Values.drawn(9, 1, 5, 3, 2, 4)));
    }
  }

  /** The flow is a mean over positions: positions twice over are the same flow. */
  @Test
  void numberOfPositions_doesNotMatter() {
    LossCase given =
        LossCase.layers(
            List.of(Values.drawn(1, 1, 2, 2, 3), Values.drawn(2, 1, 2, 2, 4)),
            List.of(Values.drawn(3, 1, 2, 2, 3), Values.drawn(4, 1, 2, 2, 4)),
            null);
    LossCase twice =
        given
            .mapStudent(values -> Axes.pick(values, 1, 4, i -> i % 2))
            .mapTeacher(values -> Axes.pick(values, 1, 4, i -> i % 2));
    assertThat(twice.value(LOSS)).isCloseTo(given.value(LOSS), within(1e-6));
  }

  @Test
  void flows_areThoseOfConsecutivePairsOfTheMapping() {
    LossCase given =
        LossCase.layers(
            List.of(
                Values.drawn(1, 1, 2, 2, 3),
                Values.drawn(2, 1, 2, 2, 4),
                Values.drawn(3, 1, 2, 2, 3)),
            List.of(
                Values.drawn(4, 1, 2, 2, 3),
                Values.drawn(5, 1, 2, 2, 4),
                Values.drawn(6, 1, 2, 2, 3),
                Values.drawn(7, 1, 2, 2, 3)),
            null);
    LayerPair first = new LayerPair(0, 0);
    LayerPair second = new LayerPair(1, 1);
    LayerPair third = new LayerPair(2, 3);
    double flows = given.withMapping(LayerMapping.of(first, second, third)).value(LOSS);
    double one = given.withMapping(LayerMapping.of(first, second)).value(LOSS);
    double two = given.withMapping(LayerMapping.of(second, third)).value(LOSS);
    assertThat(flows).isCloseTo((one + two) / 2, within(1e-6));
    assertThat(one).isNotCloseTo(two, within(1e-3));
  }

  @Test
  void oneMappedLayer_isRefused() {
    LossCase given =
        LossCase.layers(
            List.of(Values.drawn(1, 1, 2, 2, 3)), List.of(Values.drawn(2, 1, 2, 2, 3)), null);
    assertThatThrownBy(() -> given.evaluate(LOSS))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "layerMapping must pair at least two layers for fsp, which flows from one to the next,"
                + " but was [0 <- 0]; map more layers, or use another loss");
  }

  @Test
  void prepare_withAMappingThatWeightsItsPairs_isRefused() {
    LayerMapping learned =
        new LayerMapping() {
          @Override
          public List<LayerPair> pairs(int students, int teachers) {
            return List.of(new LayerPair(0, 0), new LayerPair(1, 1));
          }

          @Override
          public LayerWeighting weighting() {
            return LayerWeighting.LEARNED;
          }
        };
    RecordingSetup weighted = RecordingSetup.ofHiddenStates(List.of(2, 2), List.of(2, 2), learned);
    assertThatThrownBy(() -> LOSS.prepare(weighted))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "layerMapping must weight all pairs equally for fsp, which compares one pair with the"
                + " next, but weights them by LEARNED; give fsp a mapping of its own with"
                + " onLayers(...)");
    LOSS.onLayers(LayerMapping.uniform()).prepare(weighted);
    assertThat(weighted.declared()).isEmpty();
  }

  @Test
  void requirements_areHiddenStatesOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("fsp");
  }
}
