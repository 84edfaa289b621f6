package io.distill.losses;

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
import io.distill.losses.LossCase.Outcome;
import io.distill.schedule.Progress;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** The contract twice: the mask decides, and labels decide. */
class TokenLevelTest {

  @Nested
  class ByMask extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return Losses.tokenLevelKl();
    }

    @Override
    LossCase example() {
      return Sequences.logits(1).withMask(Sequences.MASK).atTemperature(2);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.holds(example().withTeacher(example().student()));
    }

    @Override
    Line<Sliced> sliced() {
      LossCase masked = example().withMask(Sequences.numbers(5, 4, firstThree()));
      LossCase sliced =
          masked
              .mapStudent(values -> Sequences.tokens(values, 0, 3))
              .mapTeacher(values -> Sequences.tokens(values, 0, 3))
              .withMask(Sequences.filled(1, 5, 3));
      return Line.holds(new Sliced(masked, sliced));
    }

    private double[] firstThree() {
      double[] mask = new double[20];
      for (int i = 0; i < mask.length; i++) {
        mask[i] = i % 4 < 3 ? 1 : 0;
      }
      return mask;
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(example().withMask(Values.zeros(5, 4)));
    }

    @Override
    Map<String, LossCase> misfits() {
      LossCase example = example();
      return Map.of(
          "teacher and student logits must have the same number of classes but were 7 (teacher,"
              + " shape (10, 7)) and 6 (student, shape (10, 6)); select the shared classes or use a"
              + " feature loss",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 4, 7)),
          "teacher and student logits must have the same rows and tokens but were (5, 3, 6)"
              + " (teacher) and (5, 4, 6) (student); give both models the same tokenizer, or use a"
              + " loss across tokenizers",
          example.mapTeacher(values -> Values.drawn(9, 1, 5, 3, 6)),
          "student mask must have shape (5, 4), one a token, but had (5, 3); give one label a"
              + " token, negative where there is none",
          example.withMask(Sequences.filled(1, 5, 3)),
          "labels or the student's token mask must say which tokens count but there is neither;"
              + " give token labels, or a model with a mask",
          example.withMask(null));
    }
  }

  @Nested
  class ByLabels extends DistillationLossContract {

    @Override
    DistillationLoss loss() {
      return Losses.sequenceLevel();
    }

    @Override
    LossCase example() {
      return LossCase.of(List.of(Sequences.logits(3).studentParts().get(0)), List.of())
          .withLabels(Sequences.LABELS);
    }

    @Override
    Line<LossCase> agreement() {
      return Line.doesNotApply(
          "there is no teacher, and cross-entropy is 0 only for infinite logits");
    }

    @Override
    Line<Sliced> sliced() {
      LossCase masked =
          example()
              .withLabels(
                  Sequences.numbers(
                      5, 4, 0, 1, -1, -1, -1, 2, -1, -1, 1, 5, -1, -1, 2, 0, -1, -1, 0, 3, -1, -1));
      LossCase sliced =
          masked
              .mapStudent(values -> Sequences.tokens(values, 0, 2))
              .withLabels(Sequences.numbers(5, 2, 0, 1, -1, 2, 1, 5, 2, 0, 0, 3));
      return Line.holds(new Sliced(masked, sliced));
    }

    @Override
    Line<LossCase> nothing() {
      return Line.holds(
          example()
              .withLabels(
                  Sequences.numbers(
                      5, 4, 0, -1, -1, -1, 3, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, 5, -1, -1,
                      -1)));
    }

    @Override
    Map<String, LossCase> misfits() {
      return Map.of(
          "labels must have shape (5, 4), one a token, but had (5); give one label a token,"
              + " negative where there is none",
          example().withLabels(0, 1, 2, 3, 4),
          "student logits must have shape (rows, tokens, vocabulary) but had (5, 6); use a language"
              + " model, or a loss on rows",
          example().mapStudent(values -> Values.drawn(3, 1, 5, 6)));
    }
  }

  @Test
  void shift_isMadeOnce() {
    // 2 tokens a, b of a vocabulary of 2; logits at the first predict the second
    double[] logits = {Math.log(3), 0, Math.log(7), 0};
    LossCase given =
        LossCase.of(
                List.of(LossCase.Part.of(SignalKind.LOGITS, new Values(logits, 1, 2, 2))),
                List.of())
            .withLabels(new Values(new double[] {1, 0}, 1, 2));

    Outcome outcome = given.evaluate(Losses.sequenceLevel());

    assertThat(outcome.value()).isCloseTo(-Math.log(3 / 4.0), within(1e-6));
    assertThat(outcome.gradients().get(0).numbers())
        .containsExactly(new float[] {-0.25f, 0.25f, 0, 0}, within(1e-6f));
  }

  @Test
  void shift_ofTheMask_goesWithThePredictedToken() {
    // the second token is padding, so the first prediction does not count, and the second does
    double[] student = {9, 0, Math.log(3), 0, 5, 0};
    LossCase given =
        LossCase.of(SignalKind.LOGITS, new Values(student, 1, 3, 2), Values.zeros(1, 3, 2))
            .withMask(Sequences.numbers(1, 3, 1, 0, 1));

    double expected = 0.5 * Math.log(0.5 / 0.75) + 0.5 * Math.log(0.5 / 0.25);

    assertThat(given.value(Losses.tokenLevelKl())).isCloseTo(expected, within(1e-6));
  }

  @Test
  void labels_winOverTheMask() {
    LossCase given = Sequences.logits(5).withMask(Sequences.MASK);
    double byMask = given.value(tokenLevel(softTargets()));
    double byLabels = given.withLabels(Sequences.LABELS).value(tokenLevel(softTargets()));
    assertThat(byLabels).isNotCloseTo(byMask, within(1e-3));
    assertThat(byLabels)
        .isEqualTo(
            Sequences.logits(5).withLabels(Sequences.LABELS).value(tokenLevel(softTargets())));
  }

  @Test
  void paddedVocabulary_isCutOffOnBothSides() {
    LossCase narrow = Sequences.logits(7).withMask(Sequences.MASK);
    LossCase wide =
        narrow
            .mapStudent(values -> Sequences.widened(values, Values.drawn(8, 4, 5, 4, 1)))
            .mapTeacher(values -> Sequences.widened(values, Values.drawn(9, 4, 5, 4, 3)));

    Outcome cut = wide.evaluate(tokenLevel(softTargets(), Sequences.VOCABULARY));
    Outcome expected = narrow.evaluate(tokenLevel(softTargets()));

    assertThat(cut.value()).isCloseTo(expected.value(), within(1e-6));
    assertThat(Sequences.narrow(cut.gradients().get(0), Sequences.VOCABULARY).numbers())
        .containsExactly(expected.gradients().get(0).numbers(), within(1e-7f));
    assertThat(tokenLevel(softTargets(), 6).requiresSameClasses()).isFalse();
    assertThat(tokenLevel(softTargets()).requiresSameClasses()).isTrue();
  }

  @Test
  void paddedVocabulary_ofMinusInfinity_equalsCutting() {
    LossCase given = Sequences.logits(7).withMask(Sequences.MASK);
    LossCase padded =
        given
            .mapStudent(
                values ->
                    Sequences.widened(values, Sequences.filled(Double.NEGATIVE_INFINITY, 5, 4, 2)))
            .mapTeacher(
                values ->
                    Sequences.widened(values, Sequences.filled(Double.NEGATIVE_INFINITY, 5, 4, 2)));
    assertThat(padded.value(tokenLevel(softTargets())))
        .isCloseTo(padded.value(tokenLevel(softTargets(), 6)), within(1e-6));
  }

  @Test
  void vocabularySize_outOfRange_isRefused() {
    assertThatThrownBy(() -> tokenLevel(softTargets(), 0))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("vocabularySize must be at least 1 but was 0");
    LossCase given = Sequences.logits(7).withMask(Sequences.MASK);
    assertThatThrownBy(() -> given.evaluate(tokenLevel(softTargets(), 7)))
        .isInstanceOf(DistillationException.class)
        .hasMessage(
            "student must have at least as many logits as the vocabularySize of the loss, 7, but"
                + " had shape (5, 4, 6); give the number of token ids that both models know");
  }

  @Test
  void sum_staysASumOfTerms() {
    DistillationLoss loss =
        tokenLevel(softTargets(2).weighted(0.75).plus(hardLabels().weighted(0.25)));
    LossCase given = Sequences.logits(9).withLabels(Sequences.LABELS);
    Progress progress = new Progress(0, 0, 1, 0);

    assertThat(loss.terms())
        .extracting(LossTerm::name)
        .containsExactly("softTargets", "hardLabels");
    assertThat(loss.terms())
        .extracting(term -> term.weightAt(progress))
        .containsExactly(0.75, 0.25);
    double whole = given.value(loss);
    assertThat(
            0.75 * given.value(loss.terms().get(0).loss())
                + 0.25 * given.value(loss.terms().get(1).loss()))
        .isCloseTo(whole, within(1e-6));
    assertThat(whole)
        .isCloseTo(
            given.value(
                tokenLevel(softTargets(2))
                    .weighted(0.75)
                    .plus(tokenLevel(hardLabels()).weighted(0.25))),
            within(1e-6));
  }

  @Test
  void requirements_areThoseOfTheLoss() {
    assertThat(tokenLevel(hardLabels()).requiresOfTeacher()).isEmpty();
    assertThat(tokenLevel(hardLabels()).requiresLabels()).isTrue();
    assertThat(tokenLevel(softTargets()).requiresOfTeacher()).isEqualTo(Set.of(SignalKind.LOGITS));
    assertThat(tokenLevel(softTargets()).requiresLabels()).isFalse();
    assertThat(tokenLevel(softTargets()).name()).isEqualTo("softTargets");
    assertThat(Losses.tokenLevelKl().name()).isEqualTo("tokenLevelKl");
    assertThat(Losses.sequenceLevel().name()).isEqualTo("sequenceLevel");
    assertThat(Losses.sequenceLevel().requiresOfTeacher()).isEmpty();
  }

  @Test
  void parametersOfTheLoss_areDeclared() {
    RecordingSetup setup = RecordingSetup.ofEmbeddings(1, 1);
    tokenLevel(
            new DistillationLoss() {
              @Override
              public NDArray compute(LossContext context) {
                throw new AssertionError("not computed");
              }

              @Override
              public void prepare(LossSetup own) {
                own.parameter("scale", new Shape(2), 1f);
              }
            })
        .prepare(setup);
    assertThat(setup.declared()).containsEntry("scale", "(2) = 1.0");
  }

  @Test
  void lossOnOtherSignals_isRefused() {
    assertThatThrownBy(() -> tokenLevel(Losses.hiddenStateMse()))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "loss must read nothing but logits to be taken token by token but hiddenStateMse reads"
                + " [HIDDEN_STATES]; leave it outside");
  }

  @Test
  void highestTemperature_isThatOfTheLossInside() {
    DistillationLoss own = Losses.softTargets().atTemperature(TemperatureSchedule.constant(4));
    for (DistillationLoss loss :
        List.of(
            Losses.tokenLevel(own),
            Losses.standardized(own),
            Losses.tokenLevel(own).named("renamed").weighted(0.5),
            Losses.hardLabels().plus(Losses.tokenLevel(own)))) {
      assertThat(loss.highestTemperature(1, schedule -> schedule.at(new Progress(0, 0, 1, 0))))
          .isEqualTo(4);
    }
    assertThat(Losses.tokenLevel(Losses.softTargets()).highestTemperature(3, schedule -> 9))
        .isEqualTo(3);
  }
}
