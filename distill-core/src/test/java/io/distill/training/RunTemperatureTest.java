package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.Distiller;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.RowTemperature;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Temperatures that differ row by row or are learned, in a run. */
class RunTemperatureTest {

  private static final FloatRows DATA = FloatRows.random(6, 3, 1);

  /** KL divergence of tempered classes, times the square of the temperature. */
  private static NDArray divergence(LossContext context) {
    NDArray temperature = context.temperatures();
    NDArray student = context.student().logits().div(temperature).logSoftmax(1);
    NDArray teacher = context.teacher().logits().div(temperature).logSoftmax(1);
    NDArray perRow = teacher.exp().mul(teacher.sub(student)).sum(new int[] {1}, true);
    return context.meanOverRows(perRow.mul(temperature).mul(temperature).squeeze(1));
  }

  /** Notes the temperatures that a loss sees. */
  private static DistillationLoss watched(List<float[]> seen) {
    return context -> {
      seen.add(context.temperatures().toFloatArray());
      return divergence(context);
    };
  }

  private static Distiller.Builder recipe(DistillationLoss loss) {
    return recipe(loss, 3);
  }

  private static Distiller.Builder recipe(DistillationLoss loss, int batchSize) {
    return TinyRuns.recipe(loss).batchSize(batchSize).optimizer(Optimizer.sgd(0.05));
  }

  @Test
  void learned_isSharedByTheTermsThatHaveNoneOfTheirOwn() {
    List<float[]> first = new ArrayList<>();
    List<float[]> second = new ArrayList<>();
    List<float[]> own = new ArrayList<>();
    TinyRuns.Events events = new TinyRuns.Events();
    recipe(
            watched(first)
                .named("a")
                .plus(watched(second).named("b").weighted(2))
                .plus(watched(own).named("c").atTemperature(TemperatureSchedule.constant(4))))
        .temperature(RowTemperature.learned(1, 5, 2))
        .epochs(4)
        .listener(events)
        .fit(DATA)
        .close();
    assertThat(first).hasSize(8);
    assertThat((double) first.get(0)[0]).isCloseTo(1 + 4 / (1 + Math.exp(-1)), within(1e-6));
    for (int step = 0; step < 8; step++) {
      assertThat(second.get(step)).hasSize(1).isEqualTo(first.get(step));
      assertThat(own.get(step)).containsExactly(4);
      assertThat(events.steps.get(step).temperature()).isEqualTo(first.get(step)[0]);
      if (step > 0) {
        assertThat(first.get(step)).isNotEqualTo(first.get(step - 1));
      }
    }
    assertThat(events.epochs.get(1).temperature()).isEqualTo(events.steps.get(3).temperature());
  }

  /** The temperature goes where the loss is larger, and with its sign as it is where smaller. */
  @Test
  void learned_worksAgainstTheStudent() {
    List<float[]> seen = new ArrayList<>();
    List<Double> slopes = new ArrayList<>();
    DistillationLoss loss =
        context -> {
          seen.add(context.temperatures().toFloatArray());
          float temperature = seen.get(seen.size() - 1)[0];
          slopes.add(
              (double) value(context, temperature + 0.01f) - value(context, temperature - 0.01f));
          return divergence(context);
        };
    recipe(loss, 6).temperature(RowTemperature.learned(1, 9, 1)).steps(10).fit(DATA).close();
    for (int step = 1; step < 10; step++) {
      double moved = seen.get(step)[0] - seen.get(step - 1)[0];
      assertThat(Math.signum(moved)).isEqualTo(Math.signum(slopes.get(step - 1)));
    }
  }

  private static float value(LossContext context, float temperature) {
    try (NDManager scratch = context.manager().newSubManager()) {
      NDArray student = context.student().logits().stopGradient().div(temperature).logSoftmax(1);
      NDArray teacher = context.teacher().logits().div(temperature).logSoftmax(1);
      NDArray sum = teacher.exp().mul(teacher.sub(student)).sum();
      sum.attach(scratch);
      return sum.getFloat() * temperature * temperature;
    }
  }

  @Test
  void byTeacherEntropy_isReportedAsTheMeanOverTheRowsOfTheStep() {
    List<float[]> seen = new ArrayList<>();
    TinyRuns.Events events = new TinyRuns.Events();
    recipe(watched(seen), 4)
        .temperature(RowTemperature.byTeacherEntropy(2, 8))
        .gradientAccumulation(2)
        .epochs(1)
        .listener(events)
        .fit(DATA)
        .close();
    assertThat(seen).extracting(each -> each.length).containsExactlyInAnyOrder(4, 2);
    double sum = 0;
    for (float[] each : seen) {
      for (float temperature : each) {
        assertThat(temperature).isBetween(2f, 8f);
        sum += temperature;
      }
    }
    assertThat(events.steps).hasSize(1);
    assertThat(events.steps.get(0).temperature()).isCloseTo(sum / 6, within(1e-5));
  }

  @Test
  void temperatureThatNoTermReads_isNotANumber_andAsksForItsSignals() {
    DistillationLoss hidden =
        TinyRuns.of(
            context -> context.student().hiddenStates().get(0).square().mean(),
            Set.of(SignalKind.HIDDEN_STATES),
            Set.of(),
            false);
    TinyRuns.Events events = new TinyRuns.Events();
    RuleTeacher teacher = RuleTeacher.echo();
    Distiller.builder()
        .teacher(teacher)
        .student(TinyRuns.perceptron())
        .loss(hidden)
        .temperature(RowTemperature.learnedByInstance())
        .steps(1)
        .listener(events)
        .fit(DATA)
        .close();
    assertThat(events.steps.get(0).temperature()).isNaN();
    assertThat(teacher.rowsAsked.get()).isPositive();
  }

  @Test
  void learnedByInstance_differsRowByRow_andLearns() {
    List<float[]> seen = new ArrayList<>();
    recipe(watched(seen), 6)
        .temperature(RowTemperature.learnedByInstance(1, 5, 1, 8))
        .steps(5)
        .fit(DATA)
        .close();
    assertThat(seen).hasSize(5);
    assertThat(seen.get(0)).hasSize(6).doesNotHaveDuplicates();
    assertThat(sorted(seen.get(4))).isNotEqualTo(sorted(seen.get(0)));
  }

  private static float[] sorted(float[] values) {
    float[] copy = values.clone();
    Arrays.sort(copy);
    return copy;
  }

  @Test
  void temperature_isSetOnce_whateverItsKind() {
    String message = "temperature must be set only once but was already set";
    assertThatIllegalStateException()
        .isThrownBy(() -> Distiller.builder().temperature(RowTemperature.learned()).temperature(2))
        .withMessage(message);
    assertThatIllegalStateException()
        .isThrownBy(() -> Distiller.builder().temperature(2).temperature(RowTemperature.learned()))
        .withMessage(message);
  }

  /** Reads a parameter, a buffer and the learned layer weights, all under their own names. */
  private static final class Declaring implements DistillationLoss {
    private final List<Integer> pairs = new ArrayList<>();
    private final List<Float> temperatures = new ArrayList<>();

    @Override
    public void prepare(LossSetup setup) {
      pairs.add(setup.layerPairs().size());
      setup.parameter("scale", new Shape(1), 1f);
      setup.buffer("seen", new Shape(1), 0f);
    }

    @Override
    public NDArray compute(LossContext context) {
      temperatures.add(context.temperatures().getFloat());
      context.update("seen", context.buffer("seen").add(1f));
      NDArray scaled =
          context.overLayerPairs(
              pair -> context.student().hiddenStates().get(pair.student()).square().mean());
      return scaled.mul(context.parameter("scale")).sum();
    }

    @Override
    public Set<SignalKind> requires() {
      return Set.of(SignalKind.HIDDEN_STATES);
    }
  }

  /** Whatever the order and depth of wrappers, each loss finds what it declared. */
  @Test
  void parameters_areFoundThroughTemperaturesLayersNamesAndSums() {
    Declaring loss = new Declaring();
    RowTemperature learned = RowTemperature.learned(1, 3, 1);
    LayerMapping all = LayerMapping.learned();
    List<DistillationLoss> combinations =
        List.of(
            loss.atTemperature(learned).onLayers(all),
            loss.onLayers(all).atTemperature(learned),
            loss.onLayers(all).plus(loss.atTemperature(learned)).named("sum"),
            loss.plus(loss.onLayers(all)).atTemperature(learned).named("x").onLayers(all),
            loss.plus(loss).named("inner").atTemperature(learned).plus(loss.named("y")),
            loss.atTemperature(learned)
                .named("a")
                .atTemperature(RowTemperature.learned())
                .named("b"),
            loss.named("p")
                .plus(loss.plus(loss.onLayers(all)).named("q").atTemperature(learned))
                .named("r")
                .onLayers(LayerMapping.earthMovers())
                .warmUp(2));
    DistillationLoss sum = combinations.get(0);
    for (DistillationLoss each : combinations.subList(1, combinations.size())) {
      sum = sum.plus(each);
    }
    TinyRuns.Events events = new TinyRuns.Events();
    Distiller.builder()
        .teacher(new RuleTeacher(row -> row, Set.of(SignalKind.HIDDEN_STATES), List.of()))
        .student(Student.multilayerPerceptron().hiddenSizes(4, 5).build())
        .loss(sum)
        .temperature(RowTemperature.learned(7, 8, 1))
        .steps(3)
        .listener(events)
        .fit(DATA)
        .close();
    assertThat(events.steps).hasSize(3);
    assertThat(events.steps.get(2).terms().values()).doesNotContain(Double.NaN);
    // 2 student layers on 3 teacher layers: all pairs, or uniform
    assertThat(loss.pairs).containsOnly(6, 2);
    // of their own between 1 and 3; of the run between 7 and 8
    assertThat(loss.temperatures)
        .allSatisfy(t -> assertThat((t > 1 && t < 3) || (t > 7 && t < 8)).isTrue())
        .anySatisfy(t -> assertThat(t).isBetween(1f, 3f))
        .anySatisfy(t -> assertThat(t).isBetween(7f, 8f));
  }

  @Test
  void learnedTemperature_isRepeatable() {
    Map<String, float[]> first =
        TinyRuns.train(
            recipe(RunTemperatureTest::divergence)
                .temperature(RowTemperature.learnedByInstance())
                .steps(6),
            DATA);
    Map<String, float[]> second =
        TinyRuns.train(
            recipe(RunTemperatureTest::divergence)
                .temperature(RowTemperature.learnedByInstance())
                .steps(6),
            DATA);
    assertThat(second).usingRecursiveComparison().isEqualTo(first);
  }
}
