package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Part;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract twice: given relation heads, and the default ones without a mask. */
class MiniLmV2Test {

  private static final DistillationLoss LOSS = Losses.miniLmV2(2);

  @Nested
  class TwoRelationHeads extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    /** One head of width 4 learns from three of width 2. */
    @Override
    LossCase example() {
      return LossCase.of(MiniLmTest.drawn(1, 1, 5, 1, 3, 4), MiniLmTest.drawn(11, 2, 5, 3, 3, 2))
          .withMask(MiniLmTest.MASK);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.holds(MiniLmTest.sliced(example()));
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(example().withMask(Values.zeros(5, 3)));
    }

    @Override
    Map<String, LossCase> misfits() {
      LossCase example = example();
      return Map.of(
          "relationHeads must divide the widths of student and teacher, heads times head width, but"
              + " was 2 for 4 (student, layer 0) and 9 (teacher, layer 1); choose a divisor of 1",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 3, 3, 3)),
          "student and teacher queries must have shape (rows, heads, tokens, ...) with the same"
              + " rows and tokens but were (5, 1, 3, 4) (student, layer 0) and (5, 2, 4, 2)"
              + " (teacher, layer 1); give both models the same tokenizer",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 2, 4, 2)),
          "student's token mask must have shape (5, 3) but had (5, 4); give one number a token",
          example.withMask(Values.zeros(5, 4)));
    }
  }

  @Nested
  class DefaultHeadsWithoutMask extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return Losses.miniLmV2();
    }

    @Override
    LossCase example() {
      return LossCase.of(MiniLmTest.drawn(1, 1, 5, 2, 2, 3), MiniLmTest.drawn(11, 1, 5, 2, 2, 4));
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.doesNotApply("without a mask every token counts");
    }

    @Override
    Line<LossCase> nothing() {
      return Line.doesNotApply("without a mask every token counts");
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "student and teacher queries must have shape (rows, heads, tokens, ...) with the same"
              + " rows and tokens but were (5, 2, 2, 3) (student, layer 0) and (4, 2, 2, 4)"
              + " (teacher, layer 0); give both models the same tokenizer",
          example().mapTeacher(values -> Values.drawn(9, 1, 4, 2, 2, 4)));
    }
  }

  /** The first four are the models of the paper. */
  @ParameterizedTest(name = "student {0}, teacher {1}: {2}")
  @CsvSource({
    "384, 768, 48",
    "384, 1024, 64",
    "768, 1024, 64",
    "768, 768, 48",
    "312, 768, 24",
    "8, 16, 1",
    "9, 80, 1",
    "30, 20, 1",
    "48, 96, 6"
  })
  void relationHeads_byDefault_leaveTheTeacherSixteenWideAtLeast(
      int student, int teacher, int expected) {
    LossCase given =
        LossCase.of(
            MiniLmTest.drawn(1, 1, 1, 1, 3, student), MiniLmTest.drawn(11, 1, 1, 1, 3, teacher));
    assertThat(given.value(Losses.miniLmV2())).isEqualTo(given.value(Losses.miniLmV2(expected)));
    for (int other : new int[] {1, 2, 3}) {
      if (other != expected && student % other == 0 && teacher % other == 0) {
        assertThat(given.value(Losses.miniLmV2()))
            .isNotEqualTo(given.value(Losses.miniLmV2(other)));
      }
    }
  }

  /** Heads are joined before they are split: how many a model has does not matter. */
  @Test
  void attentionHeads_doNotMatter() {
    List<Part> joined = MiniLmTest.drawn(1, 1, 2, 1, 3, 8);
    List<Part> teacher = MiniLmTest.drawn(11, 1, 2, 4, 3, 2);
    List<Part> split = joined.stream().map(part -> part.with(fourHeads(part.values()))).toList();
    assertThat(LossCase.of(split, teacher).value(LOSS))
        .isEqualTo(LossCase.of(joined, teacher).value(LOSS));
    // and as many relation heads as attention heads are the attention heads
    LossCase plain = LossCase.of(split, teacher);
    LossCase keysAsQueries = LossCase.of(queriesForKeys(split), queriesForKeys(teacher));
    LossCase onlyKeys = LossCase.of(keysForAll(split), keysForAll(teacher));
    // miniLm's two terms, Q·K and V·V, are Q·Q and V·V with keys that are queries
    assertThat(plain.value(Losses.miniLmV2(4)))
        .isCloseTo(
            keysAsQueries.value(Losses.miniLm()) + onlyKeys.value(Losses.miniLm()) / 2,
            within(1e-6));
  }

  private static List<Part> queriesForKeys(List<Part> parts) {
    return List.of(parts.get(0), parts.get(1).with(parts.get(0).values()), parts.get(2));
  }

  private static List<Part> keysForAll(List<Part> parts) {
    return parts.stream().map(part -> part.with(parts.get(1).values())).toList();
  }

  /** {@code [2, 1, 3, 8]} as four heads, {@code [2, 4, 3, 2]}. */
  private static Values fourHeads(Values values) {
    double[] from = values.doubles();
    double[] to = new double[from.length];
    for (int row = 0; row < 2; row++) {
      for (int token = 0; token < 3; token++) {
        for (int i = 0; i < 8; i++) {
          to[((row * 4 + i / 2) * 3 + token) * 2 + i % 2] = from[(row * 3 + token) * 8 + i];
        }
      }
    }
    return new Values(to, 2, 4, 3, 2);
  }

  @Test
  void layers_areTheLastOfBothByDefault_andThoseOfOnLayersIfGiven() {
    List<Part> student = MiniLmTest.drawn(1, 1, 5, 2, 3, 2);
    LossCase given =
        LossCase.of(student, MiniLmTest.drawn(21, 3, 5, 2, 3, 2)).withMask(MiniLmTest.MASK);
    LayerMapping middle = LayerMapping.of(new LayerPair(0, 1));
    assertThat(given.withMapping(middle).value(LOSS)).isEqualTo(given.value(LOSS));
    assertThat(given.value(LOSS.onLayers(LayerMapping.last()))).isEqualTo(given.value(LOSS));
    List<Part> teacher = given.teacherParts();
    LossCase one =
        LossCase.of(student, List.of(teacher.get(1), teacher.get(4), teacher.get(7)))
            .withMask(MiniLmTest.MASK);
    assertThat(given.value(LOSS.onLayers(middle)))
        .isEqualTo(one.value(LOSS))
        .isNotEqualTo(given.value(LOSS));
  }

  @Test
  void relationHeads_thatDoNotDivide_areRefused() {
    LossCase given =
        LossCase.of(MiniLmTest.drawn(1, 1, 1, 2, 3, 6), MiniLmTest.drawn(11, 1, 1, 2, 3, 9));
    assertThatThrownBy(() -> given.evaluate(Losses.miniLmV2(4)))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "relationHeads must divide the widths of student and teacher, heads times head width,"
                + " but was 4 for 12 (student, layer 0) and 18 (teacher, layer 0); choose a divisor"
                + " of 6");
  }

  @ParameterizedTest(name = "relationHeads={0}")
  @ValueSource(ints = {0, -1})
  void relationHeads_belowOne_areRefused(int heads) {
    assertThatThrownBy(() -> Losses.miniLmV2(heads))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("relationHeads must be at least 1 but was " + heads);
  }

  @Test
  void requirements_areQueriesKeysAndValuesOfBoth() {
    Set<SignalKind> kinds = Set.of(SignalKind.QUERIES, SignalKind.KEYS, SignalKind.VALUES);
    assertThat(LOSS.requiresOfStudent()).isEqualTo(kinds);
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(kinds);
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("miniLmV2");
  }
}
