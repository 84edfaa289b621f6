package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.TextDataset;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.slf4j.LoggerFactory;

/** How strongly each term of a loss pulls at the student. */
class GradientScalesTest {

  private static final FloatRows DATA = FloatRows.random(10, 3, 1);
  private static final Progress START = new Progress(0, 0, 1, 0);

  private static GradientScales scales(Object... namesAndNorms) {
    Map<String, Double> norms = new LinkedHashMap<>();
    for (int i = 0; i < namesAndNorms.length; i += 2) {
      norms.put((String) namesAndNorms[i], (Double) namesAndNorms[i + 1]);
    }
    return new GradientScales(START, norms);
  }

  @Test
  void text_comparesTheStrongestWithTheWeakest() {
    GradientScales two = scales("softTargets", 0.05, "hint", 12.0);
    assertThat(two)
        .hasToString(
            "term hint contributes 240 times the gradient of softTargets (norms: softTargets"
                + " 0.0500, hint 12.0)");
    assertThat(two.ratio()).hasValueCloseTo(240.0, within(1e-9));
    assertThat(two.unbalanced()).isTrue();
    GradientScales three = scales("a", 2.0, "b", 3.0, "c", 1.25, "d", 0.0);
    assertThat(three)
        .hasToString(
            "term b contributes 2.4 times the gradient of c (norms: a 2.00, b 3.00, c 1.25, d"
                + " 0.00)");
    assertThat(three.unbalanced()).isFalse();
    assertThat(scales("a", 100.0, "b", 1.0).unbalanced()).isFalse();
    assertThat(scales("a", 100.1, "b", 1.0).unbalanced()).isTrue();
  }

  @Test
  void text_ofTermsWithoutGradients() {
    assertThat(scales("a", 0.0, "b", 3.0))
        .hasToString("only term b contributes a gradient (norms: a 0.00, b 3.00)");
    assertThat(scales("a", 0.0, "b", 3.0).ratio()).isEmpty();
    assertThat(scales("a", 0.0)).hasToString("no term contributes a gradient (norms: a 0.00)");
  }

  @Test
  void norms_areImmutable() {
    Map<String, Double> norms = scales("a", 1.0).norms();
    assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(norms::clear);
  }

  private static DistillationLoss twoTerms() {
    return TinyRuns.logitDistance()
        .named("distance")
        .weighted(0.5)
        .plus(TinyRuns.crossEntropy().weighted(3));
  }

  /** Keeps comparisons and steps in the order in which they came. */
  private static final class Comparisons implements TrainingListener {
    private final List<GradientScales> comparisons = new ArrayList<>();
    private final List<Step> steps = new ArrayList<>();
    private final List<Integer> stepsBefore = new ArrayList<>();

    @Override
    public void onGradientScales(GradientScales event) {
      comparisons.add(event);
      stepsBefore.add(steps.size());
    }

    @Override
    public void onStep(Step event) {
      steps.add(event);
    }
  }

  private static Comparisons run(Distiller.Builder recipe) {
    Comparisons comparisons = new Comparisons();
    try (DistillationResult result = recipe.listener(comparisons).fit(DATA)) {
      assertThat(result.gradientScales()).isSubsetOf(comparisons.comparisons);
    }
    return comparisons;
  }

  @Test
  void norms_areThoseOfEachTermAlone() {
    Comparisons together = run(TinyRuns.recipe(twoTerms()).steps(1));
    Map<String, Double> norms = together.comparisons.get(0).norms();
    assertThat(norms).containsOnlyKeys("distance", "labels");
    // the norm of all gradients of a run of one term is that of the term
    for (DistillationLoss alone :
        List.of(
            TinyRuns.logitDistance().named("distance").weighted(0.5),
            TinyRuns.crossEntropy().weighted(3))) {
      TinyRuns.Events events = new TinyRuns.Events();
      TinyRuns.recipe(alone).steps(1).listener(events).fit(DATA).close();
      assertThat(norms.get(alone.name()))
          .isCloseTo(events.steps.get(0).gradientNorm(), within(1e-6));
    }
    assertThat(together.steps.get(0).gradientNorms()).isEqualTo(norms);
  }

  @Test
  void comparisons_comeAtTheFirstStepOfEachEpoch_unlessToldOtherwise() {
    Comparisons each = run(TinyRuns.recipe(twoTerms()).batchSize(4).epochs(3));
    assertThat(each.comparisons)
        .extracting(comparison -> comparison.progress().step())
        .containsExactly(0L, 3L, 6L);
    assertThat(each.stepsBefore).as("before the step's own event").containsExactly(0, 3, 6);
    assertThat(each.steps.stream().filter(step -> step.gradientNorms().isEmpty())).hasSize(6);
    Comparisons second = run(TinyRuns.recipe(twoTerms()).batchSize(4).epochs(3).gradientNorms(2));
    assertThat(second.comparisons)
        .extracting(comparison -> comparison.progress().step())
        .containsExactly(0L, 2L, 4L, 6L, 8L);
    Comparisons none = run(TinyRuns.recipe(twoTerms()).batchSize(4).epochs(3).gradientNorms(0));
    assertThat(none.comparisons).isEmpty();
    assertThat(none.steps).allSatisfy(step -> assertThat(step.gradientNorms()).isEmpty());
    Comparisons one = run(TinyRuns.recipe().batchSize(4).gradientNorms(1));
    assertThat(one.comparisons).as("one term alone").isEmpty();
  }

  @Test
  void result_holdsTheFirstComparisonOfEachEpoch() {
    try (DistillationResult result =
        TinyRuns.recipe(twoTerms()).batchSize(4).epochs(3).gradientNorms(1).fit(DATA)) {
      assertThat(result.gradientScales())
          .extracting(comparison -> comparison.progress().step())
          .containsExactly(0L, 3L, 6L);
    }
  }

  /** An encoder with dropout: the comparison may touch neither gradients nor random numbers. */
  @ParameterizedTest(name = "accumulation={0}")
  @ValueSource(ints = {1, 2})
  void comparison_changesNothingOfTheRun(int accumulation) {
    TextDataset texts = TinyRuns.texts(20);
    Map<String, float[]> with = train(texts, accumulation, 1);
    Map<String, float[]> without = train(texts, accumulation, 0);
    assertThat(with).usingRecursiveComparison().isEqualTo(without);
  }

  private static Map<String, float[]> train(TextDataset texts, int accumulation, int everySteps) {
    return TinyRuns.train(
        Distiller.builder()
            .teacher(Teacher.none())
            .student(
                Student.encoder()
                    .layers(1)
                    .hiddenSize(8)
                    .heads(2)
                    .dropout(0.2)
                    .tokenizer(TinyRuns.tokenizer())
                    .build())
            .loss(
                TinyRuns.crossEntropy()
                    .weighted(0.7)
                    .plus(TinyRuns.logitsToOne().named("one").weighted(p -> p.step() % 2))
                    .plus(new Scaled()))
            .batchSize(4)
            .gradientAccumulation(accumulation)
            .gradientClipping(0.5)
            .gradientNorms(everySteps)
            .steps(12),
        texts);
  }

  /** Learns a parameter of its own, whose gradients must be taken away again as well. */
  private static final class Scaled implements DistillationLoss {
    @Override
    public void prepare(LossSetup setup) {
      setup.parameter("scale", new Shape(1), 2f);
    }

    @Override
    public NDArray compute(LossContext context) {
      NDArray scaled = context.student().logits().mul(context.parameter("scale"));
      return context.meanOverRows(scaled.sub(1f).square().sum(new int[] {1}));
    }

    @Override
    public Set<SignalKind> requiresOfTeacher() {
      return Set.of();
    }

    @Override
    public String name() {
      return "scaled";
    }
  }

  @Test
  void termOfNoWeight_orOfNoStudentParameter_pullsAtNothing() {
    Comparisons comparisons =
        run(
            TinyRuns.recipe(
                    TinyRuns.logitDistance()
                        .named("a")
                        .plus(TinyRuns.logitDistance().named("b").weighted(0)))
                .steps(1));
    assertThat(comparisons.comparisons.get(0).norms().get("a")).isPositive();
    assertThat(comparisons.comparisons.get(0).norms()).containsEntry("b", 0.0);
  }

  @Test
  void firstComparison_isLogged_asAWarningIfATermHardlyCounts() {
    Logger logger = (Logger) LoggerFactory.getLogger(GradientScales.class);
    ListAppender<ILoggingEvent> heard = new ListAppender<>();
    heard.start();
    Level before = logger.getLevel();
    logger.setLevel(Level.INFO);
    logger.addAppender(heard);
    try {
      TinyRuns.recipe(twoTerms()).batchSize(4).epochs(2).fit(DATA).close();
      assertThat(heard.list).hasSize(1);
      assertThat(heard.list.get(0).getLevel()).isEqualTo(Level.INFO);
      assertThat(heard.list.get(0).getFormattedMessage())
          .matches("term \\w+ contributes [0-9.]+ times the gradient of \\w+ \\(norms: .*\\)");
      heard.list.clear();
      TinyRuns.recipe(
              TinyRuns.logitDistance()
                  .named("hint")
                  .weighted(1000)
                  .plus(TinyRuns.logitDistance().named("soft")))
          .steps(2)
          .fit(DATA)
          .close();
      assertThat(heard.list).hasSize(1);
      assertThat(heard.list.get(0).getLevel()).isEqualTo(Level.WARN);
      assertThat(heard.list.get(0).getFormattedMessage())
          .startsWith("term hint contributes 1000 times the gradient of soft (norms: ")
          .endsWith("; the weaker one hardly counts: adjust their weights");
    } finally {
      logger.detachAppender(heard);
      logger.setLevel(before);
    }
  }

  @Test
  void gradientNorms_outOfRange_isRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> Distiller.builder().gradientNorms(-1))
        .withMessage("gradientNorms must be at least 0 but was -1");
  }
}
