package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossTerm;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** Relations of rows on hidden states: flattened and pooled, of tokens and of pixels. */
class LayerRelationTest {

  private static final Values MASK =
      new Values(new double[] {1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1}, 5, 3);

  abstract static class Tokens extends DistillationLossContract {

    @Override
    LossCase example() {
      return LossCase.layers(
          List.of(Values.drawn(1, 1, 5, 3, 2), Values.drawn(2, 1, 5, 3, 2)),
          List.of(
              Values.drawn(3, 1, 5, 3, 4),
              Values.drawn(4, 1, 5, 3, 4),
              Values.drawn(5, 1, 5, 3, 4)),
          MASK);
    }

    @Override
    Line<LossCase> agreement() {
      LossCase example = example();
      return Line.holds(example.withTeacher(example.student()).withMapping(LayerMapping.uniform()));
    }

    @Override
    Line<Sliced> sliced() {
      LossCase masked =
          LossCase.layers(
              List.of(Values.drawn(1, 1, 3, 3, 2)),
              List.of(Values.drawn(3, 1, 3, 3, 4)),
              new Values(new double[] {1, 1, 0, 1, 1, 0, 1, 0, 0}, 3, 3));
      LossCase cut =
          masked
              .mapStudent(Tokens::withoutLastToken)
              .mapTeacher(Tokens::withoutLastToken)
              .withMask(new Values(new double[] {1, 1, 1, 1, 1, 0}, 3, 2));
      return Line.holds(new Sliced(masked, cut));
    }

    /** Cuts {@code [N, 3, D]} to {@code [N, 2, D]}. */
    private static Values withoutLastToken(Values values) {
      int rows = values.rows();
      int width = (int) values.shape()[2];
      double[] cut = new double[rows * 2 * width];
      for (int row = 0; row < rows; row++) {
        System.arraycopy(values.doubles(), row * 3 * width, cut, row * 2 * width, 2 * width);
      }
      return new Values(cut, rows, 2, width);
    }

    @Override
    Line<LossCase> nothing() {
      // rows without tokens are equal to the teacher and to the student
      return Line.holds(example().withMask(Values.zeros(5, 3)));
    }

    @Override
    Line<LossCase> accumulated() {
      return Line.doesNotApply("rows are compared with rows of the same micro-batch alone");
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "teacher and student embeddings must have the same number of rows but were 4 (teacher,"
              + " shape (4, 4)) and 5 (student, shape (5, 2)); give both models the same batch",
          LossCase.layers(
              List.of(Values.drawn(1, 1, 5, 2)), List.of(Values.drawn(1, 1, 4, 4)), null),
          "student's token mask must have shape (5, 3) but had (5, 2); give one number a token",
          example().withMask(Values.zeros(5, 2)));
    }

    @Test
    void requirements_areHiddenStatesOfBoth() {
      assertThat(loss().requiresOfStudent()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
      assertThat(loss().requiresOfTeacher()).isEqualTo(Set.of(SignalKind.HIDDEN_STATES));
    }

    @Test
    void preparation_declaresNothing() {
      RecordingSetup setup =
          RecordingSetup.ofHiddenStates(List.of(2, 2), List.of(4, 4, 4), LayerMapping.uniform());
      loss().prepare(setup);
      assertThat(setup.declared()).isEmpty();
    }
  }

  @Nested
  class Flattened extends Tokens {
    @Override
    DistillationLoss loss() {
      return Losses.onFlattenedHiddenStates(Losses.cka());
    }
  }

  @Nested
  class Pooled extends Tokens {
    @Override
    DistillationLoss loss() {
      return Losses.onPooledHiddenStates(Losses.relationalDistance());
    }
  }

  private static LossCase embedded(Values student, Values teacher) {
    return LossCase.of(SignalKind.EMBEDDING, student, teacher);
  }

  @Test
  void flattenedPixels_areTheActivationsOfThePaper() {
    Values student = Values.drawn(1, 1, 4, 2, 3, 3);
    Values teacher = Values.drawn(2, 1, 4, 5, 2, 2);
    LossCase layers = LossCase.layers(List.of(student), List.of(teacher), null);
    double expected =
        embedded(new Values(student.doubles(), 4, 18), new Values(teacher.doubles(), 4, 20))
            .value(Losses.similarityPreserving());
    assertThat(layers.value(Losses.onFlattenedHiddenStates(Losses.similarityPreserving())))
        .isCloseTo(expected, within(1e-7));
  }

  @Test
  void pooledPixels_areChannelMeans() {
    LossCase layers =
        LossCase.layers(
            List.of(Values.drawn(1, 1, 4, 2, 3, 3)), List.of(Values.drawn(2, 1, 4, 5, 2, 2)), null);
    LossCase means =
        embedded(
            channelMeans(layers.student().get(0), 2, 9),
            channelMeans(layers.teacher().get(0), 5, 4));
    assertThat(layers.value(Losses.onPooledHiddenStates(Losses.probabilisticTransfer())))
        .isCloseTo(means.value(Losses.probabilisticTransfer()), within(1e-7));
  }

  private static Values channelMeans(Values values, int channels, int pixels) {
    double[] means = new double[4 * channels];
    double[] numbers = values.doubles();
    for (int i = 0; i < numbers.length; i++) {
      means[i / pixels] += numbers[i] / pixels;
    }
    return new Values(means, 4, channels);
  }

  @Test
  void sumOfRelations_keepsTermsAndWeights() {
    DistillationLoss loss = Losses.onPooledHiddenStates(Losses.relationalKd());
    Progress progress = new Progress(0, 0, 1, 0);
    assertThat(loss.terms())
        .extracting(LossTerm::name)
        .containsExactly("relationalDistance", "relationalAngle");
    assertThat(loss.terms()).extracting(term -> term.weightAt(progress)).containsExactly(1.0, 2.0);
    LossCase rows =
        LossCase.layers(List.of(Values.drawn(1, 1, 5, 3)), List.of(Values.drawn(2, 1, 5, 4)), null);
    assertThat(rows.value(loss))
        .isCloseTo(
            embedded(rows.student().get(0), rows.teacher().get(0)).value(Losses.relationalKd()),
            within(1e-6));
  }

  @Test
  void lossThatIsNoRelation_isRefused() {
    String message =
        "relation must be a loss on the relations of rows, such as similarityPreserving(), but was"
            + " %s; name or scope the result instead";
    assertThatThrownBy(() -> Losses.onPooledHiddenStates(Losses.softTargets()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message.formatted("softTargets"));
    assertThatThrownBy(() -> Losses.onFlattenedHiddenStates(Losses.cka().named("mine")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message.formatted("mine"));
    assertThatThrownBy(
            () -> Losses.onPooledHiddenStates(Losses.cka().plus(Losses.embeddingCosine())))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message.formatted("embeddingCosine"));
  }

  @Test
  void name_isTheRelations() {
    assertThat(Losses.onPooledHiddenStates(Losses.cka()).name()).isEqualTo("cka");
  }

  /**
   * The teacher splits the same rows into four tokens, of which its own mask tells the real ones.
   */
  @Test
  void teacherOfOtherTokens_isPooledByItsOwnMask() {
    Values student = Values.drawn(1, 1, 5, 3, 2);
    Values teacher = Values.drawn(2, 1, 5, 4, 6);
    double[] ofTeacher = {1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0, 0};
    NativeEngine.prepareThread();
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      Signals of =
          Signals.builder()
              .hiddenStates(List.of(student.toArray(manager, DataType.FLOAT64)))
              .mask(MASK.toArray(manager, DataType.FLOAT64))
              .build();
      Signals from =
          Signals.builder()
              .hiddenStates(List.of(teacher.toArray(manager, DataType.FLOAT64)))
              .mask(new Values(ofTeacher, 5, 4).toArray(manager, DataType.FLOAT64))
              .build();
      double value =
          Losses.onPooledHiddenStates(Losses.cka())
              .compute(LossContext.builder(of, from).build())
              .getDouble();

      LossCase means =
          embedded(tokenMeans(student, MASK.doubles(), 3, 2), tokenMeans(teacher, ofTeacher, 4, 6));
      assertThat(value).isCloseTo(means.value(Losses.cka()), within(1e-6));
    }
  }

  private static Values tokenMeans(Values values, double[] mask, int tokens, int width) {
    double[] means = new double[5 * width];
    for (int row = 0; row < 5; row++) {
      double real = 0;
      for (int token = 0; token < tokens; token++) {
        real += mask[row * tokens + token];
      }
      for (int i = 0; i < tokens * width; i++) {
        int token = i / width;
        means[row * width + i % width] +=
            mask[row * tokens + token] * values.doubles()[row * tokens * width + i] / real;
      }
    }
    return new Values(means, 5, width);
  }
}
