package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.mapping.LayerMapping;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The contract on tokens of one width, with projectors between widths, without tokens, on maps. */
class HiddenStateMseTest {

  private static final DistillationLoss LOSS = Losses.hiddenStateMse();

  @Nested
  class EqualWidths extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.layers(
          List.of(Values.drawn(1, 1, 5, 3, 2), Values.drawn(2, 1, 5, 3, 2)),
          List.of(
              Values.drawn(3, 1, 5, 3, 2),
              Values.drawn(4, 1, 5, 3, 2),
              Values.drawn(5, 1, 5, 3, 2)),
          new Values(new float[] {1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1}, 5, 3));
    }

    @Override
    Line<LossCase> agreement() {
      LossCase example = example();
      return Line.holds(example.withTeacher(example.student()).withMapping(LayerMapping.uniform()));
    }

    @Override
    Line<Sliced> sliced() {
      Values mask = new Values(new float[] {1, 1, 0, 1, 1, 0}, 2, 3);
      LossCase masked =
          LossCase.layers(
              List.of(Values.drawn(1, 1, 2, 3, 2)), List.of(Values.drawn(3, 1, 2, 3, 2)), mask);
      LossCase cut =
          masked
              .mapStudent(EqualWidths::withoutLastToken)
              .mapTeacher(EqualWidths::withoutLastToken)
              .withMask(new Values(new float[] {1, 1, 1, 1}, 2, 2));
      return Line.holds(new Sliced(masked, cut));
    }

    /** Cuts {@code [2, 3, 2]} to {@code [2, 2, 2]}. */
    private static Values withoutLastToken(Values values) {
      float[] from = values.numbers();
      float[] cut = new float[8];
      System.arraycopy(from, 0, cut, 0, 4);
      System.arraycopy(from, 6, cut, 4, 4);
      return new Values(cut, 2, 2, 2);
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(example().withMask(Values.zeros(5, 3)));
    }

    @Override
    Map<String, LossCase> misfits() {
      LossCase example = example();
      return Map.of(
          "student and teacher hidden states must have the same rows and tokens but were (5, 3, 2)"
              + " (student, layer 0) and (5, 4, 2) (teacher, layer 0); give both models the same"
              + " tokenizer",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 4, 2)),
          "student and teacher hidden states must have the same width but were (5, 3, 2) (student,"
              + " layer 0) and (5, 3, 6) (teacher, layer 0); call prepare(...) with the widths of"
              + " these layers",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 3, 6)),
          "perToken must have shape (5, 4) but had (5, 3); reduce the other dimensions first",
          example.withMask(Values.zeros(5, 4)),
          "student must give a token mask to average over tokens but gave none; use meanOverRows",
          example.withMask(null));
    }
  }

  @Nested
  class WithProjector extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.layers(
              List.of(Values.drawn(1, 1, 5, 2, 2)),
              List.of(Values.drawn(3, 1, 5, 2, 3)),
              new Values(new float[] {1, 1, 1, 0, 1, 1, 1, 0, 1, 1}, 5, 2))
          .withParameters(Map.of("projector.0.0", Values.drawn(7, 1, 3, 2)));
    }

    @Override
    Line<LossCase> agreement() {
      LossCase example = example();
      Values student = example.student().get(0);
      float[] from = student.numbers();
      float[] wide = new float[5 * 2 * 3];
      for (int token = 0; token < 10; token++) {
        System.arraycopy(from, token * 2, wide, token * 3, 2);
      }
      return Line.holds(
          example
              .withTeacher(List.of(new Values(wide, 5, 2, 3)))
              .withParameters(
                  Map.of("projector.0.0", new Values(new float[] {1, 0, 0, 1, 0, 0}, 3, 2))));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("the projector acts on each token alone; see EqualWidths");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(example().withMask(Values.zeros(5, 2)));
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "student and teacher hidden states must have the same rows and tokens but were (5, 2, 2)"
              + " (student, layer 0) and (4, 2, 3) (teacher, layer 0); give both models the same"
              + " tokenizer",
          example().mapTeacher(values -> Values.drawn(9, 1, 4, 2, 3)),
          "student and teacher hidden states must have the widths 2 and 3 of their projector but"
              + " were (5, 2, 2) (student, layer 0) and (5, 2, 4) (teacher, layer 0); call"
              + " prepare(...) with the widths of these layers",
          example().mapTeacher(values -> Values.drawn(9, 1, 5, 2, 4)));
    }
  }

  @Nested
  class WithoutTokens extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.layers(
          List.of(Values.drawn(1, 1, 5, 3)), List.of(Values.drawn(2, 1, 5, 3)), null);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("without tokens every row counts");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.doesNotApply("without tokens every row counts");
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "student and teacher hidden states must have the same width but were (5, 3) (student,"
              + " layer 0) and (5, 4) (teacher, layer 0); call prepare(...) with the widths of these"
              + " layers",
          example().mapTeacher(values -> Values.drawn(9, 1, 5, 4)));
    }
  }

  @Nested
  class MapsThroughTwoLayers extends FeatureContract {
    MapsThroughTwoLayers() {
      super(Losses.hiddenStateMse(Projector.MLP), Kind.MAPS, 2, 3, 1);
    }
  }

  @Test
  void paddingOfLargeNumbers_doesNotCount() {
    LossCase given =
        LossCase.layers(
            List.of(Values.zeros(1, 2, 2)),
            List.of(new Values(new float[] {1, 1, 1e4f, 1e4f}, 1, 2, 2)),
            new Values(new float[] {1, 0}, 1, 2));
    assertThat(given.value(LOSS)).isEqualTo(1);
  }

  @Test
  void mappingToMissingLayer_isRefused() {
    LossCase given =
        LossCase.layers(List.of(Values.zeros(1, 2)), List.of(Values.zeros(1, 2)), null)
            .withMapping((students, teachers) -> List.of());
    assertThatThrownBy(() -> given.evaluate(LOSS))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "layerMapping must pair student layers 0 to 0 with teacher layers 0 to 0 but was [];"
                + " count layers from 0");
  }

  @Test
  void requirements_areHiddenStatesOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("hiddenStateMse");
  }

  @Test
  void prepare_declaresProjectorsOnlyBetweenUnequalWidths() {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(2, 4), List.of(4, 4, 6, 4), LayerMapping.uniform());
    LOSS.prepare(setup);
    assertThat(setup.declared()).containsExactly(Map.entry("projector.0.1", "(4, 2)"));
  }

  @Test
  void prepare_onOwnLayers_declaresForThose() {
    RecordingSetup setup =
        RecordingSetup.ofHiddenStates(List.of(2, 4), List.of(4, 4, 6), LayerMapping.uniform());
    LOSS.onLayers(LayerMapping.first()).prepare(setup);
    assertThat(setup.declared()).containsExactly(Map.entry("projector.0.0", "(4, 2)"));
  }
}
