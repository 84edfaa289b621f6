package io.distill.losses;

import static io.distill.losses.Losses.chunked;
import static io.distill.losses.Losses.hardLabels;
import static io.distill.losses.Losses.softTargets;
import static io.distill.losses.Losses.tokenLevel;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.LossTerm;
import io.distill.loss.RowTemperature;
import io.distill.losses.LossCase.Outcome;
import io.distill.losses.LossCase.Part;
import io.distill.losses.internal.RowLoss;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class ChunkedTest {

  @Nested
  class OfSoftTargets extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return chunked(softTargets(), 3);
    }

    @Override
    LossCase example() {
      return Sequences.factors(1).withMask(Sequences.MASK).atTemperature(2);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(withParts(example(), example().studentParts()));
    }

    @Override
    Line<Sliced> sliced() {
      return Line.holds(slicedTo(3, example()));
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(example().withMask(Values.zeros(5, 4)));
    }

    @Override
    Map<String, LossCase> misfits() {
      LossCase example = example();
      Map<String, LossCase> misfits = new LinkedHashMap<>();
      misfits.put(
          "teacher and student must have the same vocabulary but were 7 (teacher, output embedding"
              + " (7, 2)) and 6 (student, output embedding (6, 3)); give the number of token ids"
              + " that both know as vocabularySize",
          example.withTeacher(List.of(example.teacher().get(0), Values.drawn(9, 1, 7, 2))));
      misfits.put(
          "student's last hidden states and output embedding must have shapes (tokens, width) and"
              + " (vocabulary, width) but were (10, 3) and (6, 4); correct its LogitFactors",
          example.withStudent(List.of(example.student().get(0), Values.drawn(9, 1, 6, 4))));
      misfits.put(
          "teacher and student logits must have the same rows and tokens but were (5, 3, 2)"
              + " (teacher) and (5, 4, 3) (student); give both models the same tokenizer, or use a"
              + " loss across tokenizers",
          example.withTeacher(List.of(Values.drawn(9, 1, 5, 3, 2), example.teacher().get(1))));
      return misfits;
    }
  }

  @Nested
  class OfHardLabels extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return chunked(hardLabels(), 2);
    }

    @Override
    LossCase example() {
      return LossCase.of(Sequences.factors(5).studentParts(), List.of())
          .withLabels(Sequences.LABELS);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply(
          "there is no teacher, and cross-entropy is 0 only for infinite logits");
    }

    @Override
    Line<Sliced> sliced() {
      return Line.holds(
          new Sliced(
              example()
                  .withLabels(
                      Sequences.numbers(
                          5, 4, 0, 1, -1, -1, -1, 2, -1, -1, 1, 5, -1, -1, 2, 0, -1, -1, 0, 3, -1,
                          -1)),
              firstTokens(example(), 2)
                  .withLabels(Sequences.numbers(5, 2, 0, 1, -1, 2, 1, 5, 2, 0, 0, 3))));
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(example().withLabels(Sequences.filled(-1, 5, 4)));
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "labels must have shape (5, 4), one a token, but had (5); give one label a token,"
              + " negative where there is none",
          example().withLabels(0, 1, 2, 3, 4));
    }
  }

  private static LossCase firstTokens(LossCase given, int length) {
    LossCase cut = given.withStudent(cut(given.student(), length));
    return given.teacher().isEmpty() ? cut : cut.withTeacher(cut(given.teacher(), length));
  }

  private static List<Values> cut(List<Values> factors, int length) {
    return List.of(Sequences.tokens(factors.get(0), 0, length), factors.get(1));
  }

  private static DistillationLossContract.Sliced slicedTo(int length, LossCase given) {
    double[] mask = new double[20];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = i % 4 < length ? 1 : 0;
    }
    return new DistillationLossContract.Sliced(
        given.withMask(Sequences.numbers(5, 4, mask)),
        firstTokens(given, length).withMask(Sequences.filled(1, 5, length)));
  }

  private static LossCase withParts(LossCase given, List<Part> teacher) {
    return LossCase.of(given.studentParts(), teacher).withMask(Sequences.MASK).atTemperature(2);
  }

  /**
   * All factories without arguments that give a loss on rows: what is added later is tested too.
   */
  static Stream<DistillationLoss> rowLosses() {
    List<DistillationLoss> losses = new ArrayList<>();
    Arrays.stream(Losses.class.getMethods())
        .filter(method -> Modifier.isStatic(method.getModifiers()))
        .filter(method -> method.getParameterCount() == 0)
        .filter(method -> method.getReturnType() == DistillationLoss.class)
        .sorted(Comparator.comparing(method -> method.getName()))
        .forEach(
            method -> {
              try {
                losses.add((DistillationLoss) method.invoke(null));
              } catch (IllegalAccessException | InvocationTargetException e) {
                throw new LinkageError(e.getMessage(), e);
              }
            });
    losses.removeIf(loss -> !(loss instanceof RowLoss));
    losses.add(softTargets(4).named("softTargets at 4"));
    losses.add(
        softTargets(2).weighted(0.75).plus(hardLabels().weighted(0.25)).named("softAndHard"));
    return losses.stream();
  }

  @Test
  void rowLosses_areFound() {
    assertThat(rowLosses().map(DistillationLoss::name)).contains("softTargets", "hardLabels");
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("rowLosses")
  void valueAndGradients_equalThePlainForm(DistillationLoss loss) {
    for (int chunkSize : new int[] {1, 5, 64}) {
      for (double temperature : new double[] {1, 4}) {
        LossCase given = large(7).withLabels(Values.drawn(3, 40, 5, 9)).atTemperature(temperature);
        assertEqual(given, chunked(loss, chunkSize), loss);
        if (!loss.requiresLabels()) {
          assertEqual(
              given.withLabels((Values) null).withMask(Values.drawn(4, 1, 5, 9)),
              chunked(loss, chunkSize),
              loss);
        }
      }
    }
  }

  @ParameterizedTest(name = "{0} tokens")
  @ValueSource(ints = {255, 256, 257, 300})
  void manyTokens_inChunksThatTheLossChooses_equalThePlainForm(int tokens) {
    LossCase given =
        LossCase.of(
                List.of(
                    Part.of(SignalKind.LOGIT_FACTORS, Values.drawn(1, 1, 1, tokens + 1, 4)),
                    new Part(SignalKind.LOGIT_FACTORS, Values.drawn(2, 1, 11, 4), false)),
                List.of(
                    Part.of(SignalKind.LOGIT_FACTORS, Values.drawn(3, 1, 1, tokens + 1, 3)),
                    new Part(SignalKind.LOGIT_FACTORS, Values.drawn(4, 1, 11, 3), false)))
            .withLabels(Values.drawn(5, 8, 1, tokens + 1));
    assertEqual(given, chunked(softTargets()), softTargets());
    assertEqual(given, chunked(hardLabels()), hardLabels());
  }

  /** 40 token ids; some labels are negative. */
  private static LossCase large(long seed) {
    return LossCase.of(
        List.of(
            Part.of(SignalKind.LOGIT_FACTORS, Values.drawn(seed, 1, 5, 9, 16)),
            new Part(SignalKind.LOGIT_FACTORS, Values.drawn(seed + 1, 1, 40, 16), false)),
        List.of(
            Part.of(SignalKind.LOGIT_FACTORS, Values.drawn(seed + 2, 1, 5, 9, 24)),
            new Part(SignalKind.LOGIT_FACTORS, Values.drawn(seed + 3, 1, 40, 24), false)));
  }

  private static void assertEqual(LossCase given, DistillationLoss chunked, DistillationLoss loss) {
    DistillationLoss plain = Sequences.multipliedOut(tokenLevel(loss));
    assertEqual(given.evaluate(chunked), given.evaluate(plain));
    // a part of a step, as when batches are accumulated
    LossContext.StepCounts step = new LossContext.StepCounts(20, 90, 150, 140);
    assertEqual(given.evaluate(chunked, step, 0.25f), given.evaluate(plain, step, 0.25f));
  }

  private static void assertEqual(Outcome actual, Outcome expected) {
    assertThat(actual.value())
        .isCloseTo(expected.value(), within(1e-5 * Math.abs(expected.value())));
    for (int i = 0; i < expected.gradients().size(); i++) {
      Values gradient = expected.gradients().get(i);
      assertThat(gradient.largest()).isPositive();
      assertThat(actual.gradients().get(i).numbers())
          .containsExactly(gradient.numbers(), within(1e-5f * gradient.largest()));
    }
    assertThat(actual.parameterGradients().keySet())
        .isEqualTo(expected.parameterGradients().keySet());
    expected
        .parameterGradients()
        .forEach(
            (name, gradient) ->
                assertThat(actual.parameterGradients().get(name).numbers())
                    .containsExactly(gradient.numbers(), within(1e-5f * gradient.largest())));
  }

  /** A temperature that is a parameter of the run: {@code exp(parameter)}. */
  private record Learned(boolean byRow) implements RowTemperature {
    @Override
    public void prepare(LossSetup setup) {
      setup.parameter("log", new Shape(1), 0f);
    }

    @Override
    public NDArray of(LossContext context) {
      NDArray one = context.parameter("log").exp();
      if (!byRow) {
        return one.reshape(new Shape());
      }
      long rows =
          context.student().kinds().contains(SignalKind.LOGITS)
              ? context.student().logits().getShape().get(0)
              : context.student().logitFactors().states().getShape().get(0);
      return one.reshape(1, 1)
          .mul(context.manager().arange(1f, rows + 1f).div(4f).reshape(rows, 1));
    }
  }

  @ParameterizedTest(name = "by row: {0}")
  @ValueSource(booleans = {false, true})
  void learnedTemperature_getsItsGradient(boolean byRow) {
    LossCase given =
        large(11)
            .withMask(Values.drawn(4, 1, 5, 9))
            .withParameters(Map.of("temperature.log", new Values(new double[] {0.5}, 1)));
    Learned learned = new Learned(byRow);

    Outcome actual = given.evaluate(chunked(softTargets().atTemperature(learned), 4));

    assertThat(actual.parameterGradients().get("temperature.log").largest()).isGreaterThan(1e-3f);
    assertEqual(
        actual,
        given.evaluate(Sequences.multipliedOut(tokenLevel(softTargets()).atTemperature(learned))));
  }

  @Test
  void frozenOutputEmbedding_isLeftAlone() {
    LossCase given = large(11).withMask(Values.drawn(4, 1, 5, 9));
    Outcome frozen = given.evaluate(frozenWeight(chunked(softTargets(), 4)));
    Outcome trained = given.evaluate(chunked(softTargets(), 4));
    assertThat(frozen.value()).isEqualTo(trained.value());
    assertThat(frozen.gradients().get(0).numbers())
        .containsExactly(trained.gradients().get(0).numbers());
    assertThat(frozen.gradients().get(1).largest()).isZero();
  }

  private static DistillationLoss frozenWeight(DistillationLoss loss) {
    return context -> {
      LogitFactors factors = context.student().logitFactors();
      return loss.compute(
          context.withSignals(
              context.student().toBuilder()
                  .logitFactors(new LogitFactors(factors.states(), factors.weight().stopGradient()))
                  .build(),
              context.teacher()));
    };
  }

  @Test
  void composition_keepsItsTerms() {
    DistillationLoss loss =
        chunked(tokenLevel(softTargets(2)).weighted(0.75).plus(hardLabels().weighted(0.25)));
    assertThat(loss.terms())
        .extracting(LossTerm::name)
        .containsExactly("softTargets", "hardLabels");
    assertThat(loss.requiresOfStudent()).isEqualTo(Set.of(SignalKind.LOGIT_FACTORS));
    assertThat(loss.requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGIT_FACTORS));
    assertThat(loss.requiresLabels()).isTrue();
    assertThat(chunked(hardLabels()).requiresOfTeacher()).isEmpty();
    LossCase given = large(13).withLabels(Values.drawn(3, 40, 5, 9));
    assertThat(given.value(loss))
        .isCloseTo(
            0.75 * given.value(chunked(softTargets(2))) + 0.25 * given.value(chunked(hardLabels())),
            within(1e-6));
    assertThat(chunked(Losses.tokenLevelKl()).name()).isEqualTo("tokenLevelKl");
  }

  @Test
  void paddedVocabulary_isCutOffOnBothSides() {
    LossCase given = Sequences.factors(15).withMask(Sequences.MASK);
    DistillationLoss plain = Sequences.multipliedOut(tokenLevel(softTargets(), 5));
    assertEqual(given.evaluate(chunked(softTargets(), 2, 5)), given.evaluate(plain));
    assertEqual(given.evaluate(chunked(tokenLevel(softTargets(), 5), 2)), given.evaluate(plain));
    assertThat(given.evaluate(chunked(softTargets(), 2, 5)).gradients().get(1).rows(5).largest())
        .isZero();
    assertThatThrownBy(() -> given.evaluate(chunked(softTargets(), 2, 7)))
        .isInstanceOf(DistillationException.class)
        .hasMessageContaining("vocabularySize of the loss, 7, but had shape (6, 3)");
  }

  @Test
  void lossThatIsNotOnRowsOfItsOwn_isRefused() {
    DistillationLoss relational = context -> context.student().logits().sum();
    assertThatThrownBy(() -> chunked(softTargets().plus(relational.named("relational"))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "loss must compare each row of logits on its own to be computed in chunks but loss"
                + " does not; use tokenLevel(...) for it");
  }

  @Test
  void chunkSize_outOfRange_isRefused() {
    assertThatThrownBy(() -> chunked(softTargets(), 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("chunkSize must be at least 1 but was 0");
    assertThatThrownBy(() -> chunked(softTargets(), 8, 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("vocabularySize must be at least 1 but was 0");
  }
}
