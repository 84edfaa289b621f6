package io.distill.losses;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.DataType;
import io.distill.loss.DistillationLoss;
import io.distill.losses.LossCase.Part;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The contract twice: with padding, and for a model that knows none. */
class MiniLmTest {

  private static final DistillationLoss LOSS = Losses.miniLm();
  private static final List<SignalKind> KINDS =
      List.of(SignalKind.QUERIES, SignalKind.KEYS, SignalKind.VALUES);

  static final Values MASK =
      new Values(new float[] {1, 1, 0, 1, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1}, 5, 3);

  /** Draws queries, keys and values of layers of one shape. */
  static List<Part> drawn(long seed, int layers, long... shape) {
    List<Part> parts = new ArrayList<>();
    for (SignalKind kind : KINDS) {
      for (int layer = 0; layer < layers; layer++) {
        parts.add(Part.of(kind, Values.drawn(seed + parts.size(), 1, shape)));
      }
    }
    return parts;
  }

  /** Keeps two of three tokens of the first and the fourth row, whose mask has no more. */
  static DistillationLossContract.Sliced sliced(LossCase example) {
    LossCase whole = example.rows(0, 3);
    LossCase cut =
        whole
            .mapStudent(values -> Axes.first(values, 2, 2))
            .mapTeacher(values -> Axes.first(values, 2, 2))
            .withMask(new Values(new float[] {1, 1, 1, 1}, 2, 2));
    return new DistillationLossContract.Sliced(whole, cut);
  }

  @Nested
  class WithPadding extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.of(drawn(1, 1, 5, 2, 3, 2), drawn(11, 2, 5, 2, 3, 4)).withMask(MASK);
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
          "student and teacher must have the same number of attention heads but had 2 (student,"
              + " layer 0, queries (5, 2, 3, 2)) and 4 (teacher, layer 1, queries (5, 4, 3, 2));"
              + " build the student with as many heads, or use miniLmV2()",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 4, 3, 2)),
          "student and teacher queries must have shape (rows, heads, tokens, ...) with the same"
              + " rows and tokens but were (5, 2, 3, 2) (student, layer 0) and (5, 2, 4, 2)"
              + " (teacher, layer 1); give both models the same tokenizer",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 2, 4, 2)),
          "student's token mask must have shape (5, 3) but had (5, 4); give one number a token",
          example.withMask(Values.zeros(5, 4)));
    }
  }

  @Nested
  class WithoutMask extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return LOSS;
    }

    @Override
    LossCase example() {
      return LossCase.of(drawn(1, 1, 5, 2, 3, 2), drawn(11, 1, 5, 2, 3, 2));
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
              + " rows and tokens but were (5, 2, 3, 2) (student, layer 0) and (4, 2, 3, 2)"
              + " (teacher, layer 0); give both models the same tokenizer",
          example().mapTeacher(values -> Values.drawn(9, 1, 4, 2, 3, 2)));
    }

    @Test
    void value_isThatOfAMaskOfOnes() {
      Values ones = Axes.times(MASK, 0).plus(new Values(new float[15], 5, 3));
      for (int i = 0; i < 15; i++) {
        ones = ones.with(i, 1);
      }
      assertThat(example().value(LOSS))
          .isCloseTo(example().withMask(ones).value(LOSS), within(1e-6));
    }
  }

  /** Zeros appended to each head change no dot product; √d is made up for. */
  @ParameterizedTest(name = "times {0}")
  @ValueSource(ints = {2, 3, 5})
  void widthOfHeads_doesNotMatter(int factor) {
    List<Part> student = drawn(1, 1, 5, 2, 3, 2);
    List<Part> teacher = drawn(11, 1, 5, 2, 3, 2);
    double expected = LossCase.of(student, teacher).withMask(MASK).value(LOSS);
    List<Part> wide =
        teacher.stream().map(part -> part.with(widened(part.values(), factor))).toList();
    assertThat(LossCase.of(student, wide).withMask(MASK).value(LOSS))
        .isCloseTo(expected, within(1e-6));
  }

  private static Values widened(Values values, int factor) {
    Values repeated = Axes.pick(values, 3, 2 * factor, i -> i % 2);
    double[] numbers = repeated.doubles();
    for (int i = 0; i < numbers.length; i++) {
      // every product counts once, and is multiplied by √factor for the wider head
      numbers[i] = i % (2 * factor) < 2 ? numbers[i] * Math.pow(factor, 0.25) : 0;
    }
    return new Values(numbers, repeated.shape());
  }

  @Test
  void layers_areTheLastOfBothByDefault_andThoseOfOnLayersIfGiven() {
    LossCase given = LossCase.of(drawn(1, 2, 5, 2, 3, 2), drawn(21, 3, 5, 2, 3, 2)).withMask(MASK);
    LayerMapping other = LayerMapping.of(new LayerPair(0, 1));
    double last = given.value(LOSS);
    double first = given.value(LOSS.onLayers(other));
    assertThat(last).isEqualTo(one(given, 1, 2)).isNotEqualTo(first);
    assertThat(first).isEqualTo(one(given, 0, 1));
    assertThat(given.withMapping(other).value(LOSS)).isEqualTo(last);
    // also through what wraps a loss
    assertThat(given.value(LOSS.weighted(1).onLayers(other))).isEqualTo(first);
    assertThat(given.value(LOSS.named("relations").onLayers(other))).isEqualTo(first);
    assertThat(given.value(LOSS.atTemperature(progress -> 2).onLayers(other))).isEqualTo(first);
    assertThat(given.value(LOSS.onLayers(other).onLayers(LayerMapping.last()))).isEqualTo(first);
    assertThat(LOSS.named("relations").onLayers(other).name()).isEqualTo("relations");
    LayerMapping both = LayerMapping.of(new LayerPair(0, 1), new LayerPair(1, 2));
    assertThat(given.value(LOSS.onLayers(both))).isCloseTo((first + last) / 2, within(1e-6));
  }

  /** Cuts a case of two student layers and three teacher layers to one of each. */
  private static double one(LossCase given, int student, int teacher) {
    List<Part> of = new ArrayList<>();
    List<Part> from = new ArrayList<>();
    for (int kind = 0; kind < 3; kind++) {
      of.add(given.studentParts().get(2 * kind + student));
      from.add(given.teacherParts().get(3 * kind + teacher));
    }
    return LossCase.of(of, from).withMask(MASK).value(LOSS);
  }

  /** The attention a token pays does not depend on what its padding holds. */
  @Test
  void paddingOfLargeNumbers_doesNotCount() {
    LossCase given = LossCase.of(drawn(1, 1, 5, 2, 3, 2), drawn(11, 1, 5, 2, 3, 2)).withMask(MASK);
    LossCase loud =
        given
            .mapStudent(values -> loudPadding(values, 1e4))
            .mapTeacher(values -> loudPadding(values, -1e4));
    assertThat(loud.evaluate(LOSS, null, 1, DataType.FLOAT64).value())
        .isCloseTo(given.evaluate(LOSS, null, 1, DataType.FLOAT64).value(), within(1e-12));
  }

  private static Values loudPadding(Values values, double number) {
    double[] mask = MASK.doubles();
    Values loud = values;
    for (int i = 0; i < values.doubles().length; i++) {
      int row = i / 12;
      int token = i / 2 % 3;
      loud = mask[row * 3 + token] == 0 ? loud.with(i, number) : loud;
    }
    return loud;
  }

  /** The first token of a text attends to itself alone, and a text of one token only to that. */
  @Test
  void attentionOfCausalModels_isToEarlierTokensOfTheText() {
    List<Part> teacher = drawn(11, 1, 1, 2, 4, 2);
    LossCase given =
        LossCase.of(teacher, teacher)
            .withMask(new Values(new float[] {1, 1, 1, 0}, 1, 4))
            .withTexts(new Values(new float[] {1, 1, 2, 0}, 1, 4));
    List<Values> student = new ArrayList<>(given.student());
    // other queries of the first token of each text and of padding
    student.set(0, turned(student.get(0), 0, 2, 3));
    assertThat(given.withStudent(student).value(LOSS)).isZero();
    assertThat(given.withTexts(null).withStudent(student).value(LOSS)).isPositive();
    student.set(0, turned(student.get(0), 1));
    assertThat(given.withStudent(student).value(LOSS)).isPositive();
  }

  /** Negates tokens of {@code [1, 2, 4, 2]}. */
  private static Values turned(Values values, int... tokens) {
    double[] numbers = values.doubles().clone();
    for (int token : tokens) {
      for (int i = 0; i < numbers.length; i++) {
        numbers[i] = i / 2 % 4 == token ? -numbers[i] : numbers[i];
      }
    }
    return new Values(numbers, values.shape());
  }

  /** Queries in groups share keys, as if each had a copy. */
  @Test
  void groupedQueries_shareKeys() {
    List<Part> student = drawn(1, 1, 5, 4, 3, 2);
    List<Part> teacher = drawn(11, 1, 5, 4, 3, 2);
    LossCase grouped = LossCase.of(pairs(student, false), pairs(teacher, false)).withMask(MASK);
    LossCase copied = LossCase.of(pairs(student, true), pairs(teacher, true)).withMask(MASK);
    assertThat(grouped.value(LOSS)).isCloseTo(copied.value(LOSS), within(1e-6));
  }

  /** Keeps two of four keys, or gives each of the two to a pair of queries. */
  private static List<Part> pairs(List<Part> parts, boolean copied) {
    Part keys = parts.get(1);
    Values two = Axes.pick(keys.values(), 1, copied ? 4 : 2, i -> copied ? i / 2 : i);
    return List.of(parts.get(0), keys.with(two), parts.get(2));
  }

  @Test
  void requirements_areQueriesKeysAndValuesOfBoth() {
    assertThat(LOSS.requiresOfStudent()).isEqualTo(Set.copyOf(KINDS));
    assertThat(LOSS.requiresOfTeacher()).isEqualTo(Set.copyOf(KINDS));
    assertThat(LOSS.requiresLabels()).isFalse();
    assertThat(LOSS.name()).isEqualTo("miniLm");
  }
}
