package io.distill.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import io.distill.Distiller;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossSetup;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import io.distill.student.Student;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Schedules and mappings as a run applies them. */
class ScheduleTest {

  private static final FloatRows DATA = FloatRows.random(6, 3, 1);

  static Stream<Arguments> schedules() {
    return Stream.of(
        Arguments.of("constant", LearningRateSchedule.constant(), List.of(1., 1., 1., 1., 1.)),
        Arguments.of("linear", LearningRateSchedule.linear(0.2), List.of(1., 0.8, 0.6, 0.4, 0.2)),
        Arguments.of(
            "cosine",
            LearningRateSchedule.cosine(0),
            List.of(1., (1 + Math.sqrt(0.5)) / 2, 0.5, (1 - Math.sqrt(0.5)) / 2, 0.)),
        Arguments.of("step", LearningRateSchedule.step(1, 0.1), List.of(1., 1., 0.1, 0.1, 0.01)),
        Arguments.of(
            "warm-up",
            LearningRateSchedule.constant().withWarmUp(3),
            List.of(.25, .5, .75, 1., 1.)),
        Arguments.of(
            "warm-up, linear",
            LearningRateSchedule.linear(0).withWarmUp(2),
            List.of(1 / 3., 2 / 3., 1., 0.5, 0.)),
        Arguments.of(
            "warm-up longer than the run",
            LearningRateSchedule.linear(0).withWarmUp(9),
            List.of(.1, .2, .3, .4, .5)),
        Arguments.of(
            "lambda",
            (LearningRateSchedule) progress -> progress.step() == 2 ? 0 : 2,
            List.of(2., 2., 0., 2., 2.)));
  }

  /** Two steps an epoch and five steps in all. */
  private static Distiller.Builder fiveSteps() {
    return TinyRuns.recipe().batchSize(3).steps(5);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("schedules")
  void learningRate_followsTheSchedule(
      String name, LearningRateSchedule schedule, List<Double> factors) {
    TinyRuns.Events events = new TinyRuns.Events();
    fiveSteps()
        .optimizer(Optimizer.sgd(0.3))
        .learningRateSchedule(schedule)
        .listener(events)
        .fit(DATA)
        .close();
    for (int i = 0; i < 5; i++) {
      assertThat(events.steps.get(i).learningRate())
          .as("%s, step %s", name, i)
          .isCloseTo(0.3 * factors.get(i), within(1e-12));
    }
    assertThat(events.epochs)
        .extracting(TrainingListener.Epoch::learningRate)
        .containsExactly(
            events.steps.get(1).learningRate(),
            events.steps.get(3).learningRate(),
            events.steps.get(4).learningRate());
  }

  @Test
  void learningRate_reachesTheOptimizer() {
    Map<String, float[]> untrained =
        TinyRuns.train(fiveSteps().learningRateSchedule(progress -> 0), DATA);
    Map<String, float[]> firstOnly =
        TinyRuns.train(
            fiveSteps()
                .optimizer(Optimizer.sgd(0.3))
                .learningRateSchedule(progress -> progress.step() == 0 ? 1 : 0),
            DATA);
    Map<String, float[]> oneStep =
        TinyRuns.train(TinyRuns.recipe().batchSize(3).steps(1).optimizer(Optimizer.sgd(0.3)), DATA);
    assertThat(firstOnly).usingRecursiveComparison().isEqualTo(oneStep);
    assertThat(firstOnly.get("classifier.bias")).isNotEqualTo(untrained.get("classifier.bias"));
  }

  @Test
  void learningRate_outOfRange_stopsTheRun() {
    TinyRuns.Watched student = TinyRuns.Watched.of(TinyRuns.perceptron());
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(
            () ->
                Distiller.builder()
                    .teacher(RuleTeacher.echo())
                    .student(student)
                    .loss(TinyRuns.logitDistance())
                    .learningRateSchedule(progress -> progress.step() == 2 ? -1 : 1)
                    .fit(DATA)
                    .close())
        .withMessage(
            "learningRateSchedule must give a finite factor of at least 0 but gave -1.0 at step 3;"
                + " correct the schedule");
    assertThat(student.closed()).isTrue();
  }

  @Test
  void temperature_scheduleReachesLossAndEvents() {
    List<Double> seen = new ArrayList<>();
    DistillationLoss watching =
        context -> {
          seen.add(context.temperature());
          return TinyRuns.logitDistance().compute(context);
        };
    DistillationLoss own = watching.atTemperature(TemperatureSchedule.constant(9));
    TinyRuns.Events events = new TinyRuns.Events();
    TinyRuns.recipe(watching.plus(own))
        .batchSize(3)
        .steps(3)
        .temperature(progress -> 1 + progress.step())
        .listener(events)
        .fit(DATA)
        .close();
    assertThat(seen).containsExactly(1., 9., 2., 9., 3., 9.);
    assertThat(events.steps)
        .extracting(TrainingListener.Step::temperature)
        .containsExactly(1., 2., 3.);
    assertThat(events.epochs)
        .extracting(TrainingListener.Epoch::temperature)
        .containsExactly(2., 3.);
  }

  @Test
  void temperature_linear_goesFromFirstToLast() {
    TinyRuns.Events events = new TinyRuns.Events();
    fiveSteps().temperature(TemperatureSchedule.linear(5, 1)).listener(events).fit(DATA).close();
    assertThat(events.steps)
        .extracting(TrainingListener.Step::temperature)
        .containsExactly(5., 4., 3., 2., 1.);
  }

  @Test
  void temperature_outOfRange_stopsTheLossThatReadsIt() {
    DistillationLoss reading =
        context -> {
          double temperature = context.temperature();
          return TinyRuns.logitDistance().compute(context).mul((float) temperature);
        };
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(
            () ->
                TinyRuns.recipe(reading)
                    .temperature(progress -> 1 - progress.step())
                    .fit(DATA)
                    .close())
        .withMessage(
            "temperature must be finite and greater than 0 but was 0.0 at step 2; correct the"
                + " temperature schedule");
  }

  /** Hidden states of two student layers and three teacher layers. */
  private static final class WatchingLoss implements DistillationLoss {
    private final List<List<LayerPair>> prepared = new ArrayList<>();
    private final List<List<LayerPair>> computed = new ArrayList<>();

    @Override
    public void prepare(LossSetup setup) {
      prepared.add(setup.layerPairs());
    }

    @Override
    public NDArray compute(io.distill.loss.LossContext context) {
      computed.add(context.layerPairs());
      return context.meanOverRows(
          context.student().hiddenStates().get(0).square().sum(new int[] {1}));
    }

    @Override
    public Set<SignalKind> requires() {
      return Set.of(SignalKind.HIDDEN_STATES);
    }
  }

  @Test
  void layerMapping_lambdaReachesLossAndItsPreparation() {
    WatchingLoss loss = new WatchingLoss();
    List<List<Integer>> counts = new ArrayList<>();
    LayerMapping mapping =
        (students, teachers) -> {
          counts.add(List.of(students, teachers));
          return List.of(new LayerPair(1, 0), new LayerPair(0, 2));
        };
    Distiller.builder()
        .teacher(new RuleTeacher(row -> row, Set.of(SignalKind.HIDDEN_STATES), List.of()))
        .student(Student.multilayerPerceptron().hiddenSizes(4, 5).build())
        .loss(loss.plus(loss.onLayers(LayerMapping.last())))
        .layerMapping(mapping)
        .steps(1)
        .fit(DATA)
        .close();
    List<LayerPair> own = List.of(new LayerPair(1, 0), new LayerPair(0, 2));
    List<LayerPair> last = List.of(new LayerPair(1, 2));
    assertThat(loss.prepared).containsExactly(own, last);
    assertThat(loss.computed).containsExactly(own, last);
    // a lambda is first described by what it says at seven sizes
    assertThat(counts.subList(7, counts.size())).isNotEmpty().containsOnly(List.of(2, 3));
  }

  @Test
  void gradientClipping_limitsWhatAStepMoves() {
    double rate = 0.5;
    Map<String, float[]> before =
        TinyRuns.train(TinyRuns.recipe().steps(1).learningRateSchedule(progress -> 0), DATA);
    TinyRuns.Events events = new TinyRuns.Events();
    Map<String, float[]> after =
        TinyRuns.train(
            TinyRuns.recipe()
                .steps(1)
                .optimizer(Optimizer.sgd(rate))
                .gradientClipping(0.01)
                .listener(events),
            DATA);
    double squares = 0;
    boolean up = false;
    boolean down = false;
    for (Map.Entry<String, float[]> entry : before.entrySet()) {
      for (int i = 0; i < entry.getValue().length; i++) {
        double moved = after.get(entry.getKey())[i] - entry.getValue()[i];
        squares += moved * moved;
        up |= moved > 0;
        down |= moved < 0;
      }
    }
    assertThat(events.steps.get(0).gradientNorm()).isGreaterThan(0.1);
    assertThat(Math.sqrt(squares)).isCloseTo(rate * 0.01, within(1e-6));
    assertThat(up && down).isTrue();
  }
}
