package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;

import io.distill.loss.DistillationLoss;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

class SimKdTest {

  private static final DistillationLoss LOSS = Losses.simKd();

  @Nested
  class EqualWidths extends Contract {
    EqualWidths() {
      super(LOSS, 3);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }
  }

  @Nested
  class ThroughTwoLayers extends Contract {
    ThroughTwoLayers() {
      super(LOSS, 4);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply("the projector is learned; see EqualWidths");
    }
  }

  @Nested
  class ThroughMatrix extends Contract {
    ThroughMatrix() {
      super(Losses.simKd(Projector.LINEAR), 2);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply("the projector is learned; see EqualWidths");
    }
  }

  private abstract static class Contract extends DistillationLossContract {
    private final DistillationLoss loss;
    private final int teacher;

    Contract(DistillationLoss loss, int teacher) {
      this.loss = loss;
      this.teacher = teacher;
    }

    @Override
    DistillationLoss loss() {
      return loss;
    }

    @Override
    LossCase example() {
      return FeatureContract.prepared(
          loss,
          LossCase.of(
              SignalKind.EMBEDDING, Values.drawn(1, 2, 5, 3), Values.drawn(2, 2, 5, teacher)),
          11);
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("every row counts");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.doesNotApply("every row counts");
    }

    @Override
    Map<String, LossCase> misfits() {
      String message =
          "student and teacher embeddings must have the same rows and the widths that were prepared"
              + " but were (5, 3) (student) and %s (teacher); call prepare(...) with these widths";
      return Map.of(
          message.formatted("(4, " + teacher + ")"),
          example().mapTeacher(values -> Values.drawn(9, 1, 4, teacher)),
          message.formatted("(5, 7)"),
          example().mapTeacher(values -> Values.drawn(9, 1, 5, 7)));
    }
  }

  @Test
  void value_isTheSquaredDistance() {
    LossCase given =
        LossCase.of(
            SignalKind.EMBEDDING,
            new Values(new float[] {1, 2, 3, 4}, 2, 2),
            new Values(new float[] {1, 0, 0, 0}, 2, 2));
    assertThat(given.value(LOSS)).isEqualTo((4 + 9 + 16) / 2.0);
  }

  @Test
  void prepare_declaresAProjectorBetweenUnequalWidths() {
    RecordingSetup equal = RecordingSetup.ofEmbeddings(3, 3);
    LOSS.prepare(equal);
    assertThat(equal.declared()).isEmpty();
    RecordingSetup setup = RecordingSetup.ofEmbeddings(2, 3);
    Losses.simKd(Projector.LINEAR).prepare(setup);
    assertThat(setup.declared()).containsExactly(Map.entry("projector", "(3, 2)"));
  }

  @Test
  void requirements_areEmbeddings() {
    assertThat(LOSS.requires()).containsExactly(SignalKind.EMBEDDING);
    assertThat(LOSS.name()).isEqualTo("simKd");
    assertThat(List.of(LOSS, Losses.simKd(Projector.LINEAR))).doesNotHaveDuplicates();
  }
}
