package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.model.Activation;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** One step of 32 rows is one step of 32 rows, in however many batches. */
class AccumulationTest {

  private static final double RELATIVE = 1e-5;

  /** What a key's bias may get: softmax does not see it, so its gradient is rounding alone. */
  private static final double ROUNDING = 1e-9;

  private static final TextDataset TEXTS = TinyRuns.texts(32);

  private static DistillationLoss rows() {
    return TinyRuns.alone(
            context ->
                context.meanOverRows(
                    context.student().logits().sub(1f).square().sum(new int[] {1})))
        .named("rows");
  }

  /** A token-level loss: draws every token's hidden state somewhere. */
  private static DistillationLoss tokens() {
    return TinyRuns.of(
            AccumulationTest::tokenLoss, Set.of(SignalKind.HIDDEN_STATES), Set.of(), false)
        .named("tokens");
  }

  private static NDArray tokenLoss(LossContext context) {
    NDArray last = context.student().hiddenStates().get(1);
    return context.meanOverTokens(last.tanh().sub(0.5f).square().mean(new int[] {2}));
  }

  private static Student bag() {
    return Student.bagOfEmbeddings()
        .tokenizer(TinyRuns.tokenizer())
        .embeddingSize(6)
        .hiddenSize(8)
        .activation(Activation.RELU)
        .wordDropout(0)
        .dropout(0)
        .build();
  }

  private static Student encoder() {
    return Student.encoder()
        .layers(2)
        .hiddenSize(16)
        .heads(2)
        .dropout(0)
        .tokenizer(TinyRuns.tokenizer())
        .build();
  }

  private static Distiller.Builder recipe(
      Student student, DistillationLoss loss, int batchSize, int batches) {
    return Distiller.builder()
        .teacher(Teacher.none())
        .student(student)
        .loss(loss)
        .optimizer(Optimizer.sgd(0.05).withMomentum(0.9))
        .batchSize(batchSize)
        .gradientAccumulation(batches)
        .steps(5);
  }

  @ParameterizedTest
  @CsvSource({"bag, 8, 4", "bag, 5, 7", "encoder, 8, 4", "encoder, 3, 11", "encoder, 1, 32"})
  void step_inParts_equalsStepAtOnce(String student, int batchSize, int batches) {
    boolean bag = student.equals("bag");
    DistillationLoss loss = rows().weighted(0.7).plus(TinyRuns.crossEntropy().weighted(0.5));
    if (!bag) {
      loss = loss.plus(tokens().weighted(0.3));
    }
    Student described = bag ? bag() : encoder();
    TinyRuns.Events whole = new TinyRuns.Events();
    TinyRuns.Events parts = new TinyRuns.Events();
    Map<String, float[]> expected =
        TinyRuns.train(recipe(described, loss, 32, 1).listener(whole), TEXTS);
    Map<String, float[]> actual =
        TinyRuns.train(recipe(described, loss, batchSize, batches).listener(parts), TEXTS);

    assertThat(parts.steps).hasSize(5);
    for (int i = 0; i < 5; i++) {
      TrainingListener.Step one = whole.steps.get(i);
      TrainingListener.Step many = parts.steps.get(i);
      assertThat(many.rows()).isEqualTo(32);
      assertThat(many.loss()).isCloseTo(one.loss(), within(RELATIVE * one.loss()));
      assertThat(many.gradientNorm())
          .isCloseTo(one.gradientNorm(), within(RELATIVE * one.gradientNorm()));
      assertThat(many.terms()).containsOnlyKeys(one.terms().keySet());
      one.terms()
          .forEach(
              (name, value) ->
                  assertThat(many.terms().get(name))
                      .as(name)
                      .isCloseTo(value, within(RELATIVE * value)));
    }
    assertThat(parts.epochs.get(4).loss())
        .isCloseTo(whole.epochs.get(4).loss(), within(RELATIVE * whole.epochs.get(4).loss()));
    expected.forEach((name, values) -> assertClose(name, values, actual.get(name)));
  }

  private static void assertClose(String name, float[] expected, float[] actual) {
    double largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      assertThat((double) actual[i])
          .as("%s[%s]", name, i)
          .isCloseTo(expected[i], within(Math.max(RELATIVE * largest, ROUNDING)));
    }
  }

  @Test
  void texts_differInLength_andSomeHaveNoLabel() {
    long lengths =
        TEXTS.texts().stream()
            .mapToInt(text -> TinyRuns.tokenizer().encode(text).length)
            .distinct()
            .count();
    assertThat(lengths).isGreaterThan(10);
    assertThat(TEXTS.unlabelledRows()).hasSize(10);
  }

  @Test
  void reportedTerms_areMeansOverTheWholeStep() {
    // one labelled row in all: its loss must not be thinned by the batches without a label
    int[] labels = new int[8];
    java.util.Arrays.fill(labels, -1);
    labels[3] = 1;
    FloatRows data = FloatRows.random(8, 3, 4).withLabels(labels);
    TinyRuns.Events events = new TinyRuns.Events();
    Student student = TinyRuns.perceptron();
    double[] expected = new double[1];
    try (DistillationResult untrained =
        recipe(student, TinyRuns.crossEntropy(), 8, 1)
            .learningRateSchedule(progress -> 0)
            .fit(data)) {
      float[] logits = untrained.student().logits(data)[3];
      double sum = 0;
      for (float logit : logits) {
        sum += Math.exp(logit);
      }
      expected[0] = Math.log(sum) - logits[1];
    }
    recipe(student, TinyRuns.crossEntropy(), 2, 4).listener(events).fit(data).close();
    assertThat(events.steps.get(0).terms().get("labels")).isCloseTo(expected[0], within(1e-5));
    assertThat(events.steps.get(0).loss()).isCloseTo(expected[0], within(1e-5));
  }

  @Test
  void labelsOfAStepWithoutAny_countAsZero() {
    int[] labels = {1, -1, -1, -1};
    FloatRows data = FloatRows.random(4, 3, 4).withLabels(labels);
    TinyRuns.Events events = new TinyRuns.Events();
    recipe(TinyRuns.perceptron(), TinyRuns.crossEntropy(), 1, 1).listener(events).fit(data).close();
    assertThat(events.steps.subList(0, 4))
        .extracting(TrainingListener.Step::loss)
        .filteredOn(loss -> loss == 0)
        .hasSize(3);
  }

  @Test
  void lastStepOfAnEpoch_takesTheBatchesThatAreLeft() {
    TinyRuns.Events events = new TinyRuns.Events();
    TinyRuns.recipe()
        .batchSize(4)
        .gradientAccumulation(2)
        .epochs(2)
        .listener(events)
        .fit(FloatRows.random(18, 3, 1))
        .close();
    // batches of 4, 4, 4, 4, 2 in any order: two steps of two batches and one of one
    assertThat(events.steps).hasSize(6);
    assertThat(events.steps.subList(0, 3).stream().mapToInt(TrainingListener.Step::rows).sum())
        .isEqualTo(18);
    assertThat(events.steps.get(2).rows()).isIn(4, 2);
    assertThat(events.steps.get(0).rows()).isIn(8, 6);
  }

  @Test
  void epochLoss_isTheMeanOverRows_notOverSteps() {
    TinyRuns.Events events = new TinyRuns.Events();
    TinyRuns.recipe()
        .batchSize(4)
        .epochs(1)
        .listener(events)
        .fit(FloatRows.random(9, 3, 1))
        .close();
    double sum = events.steps.stream().mapToDouble(step -> step.rows() * step.loss()).sum();
    double plain =
        events.steps.stream().mapToDouble(TrainingListener.Step::loss).average().orElse(0);
    assertThat(events.epochs.get(0).loss()).isCloseTo(sum / 9, within(1e-12));
    assertThat(events.epochs.get(0).terms().get("loss")).isCloseTo(sum / 9, within(1e-6));
    assertThat(Math.abs(plain - sum / 9)).isGreaterThan(1e-3);
  }
}
