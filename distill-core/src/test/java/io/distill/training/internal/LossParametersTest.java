package io.distill.training.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.LossTerm;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.model.DeployableModel;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import io.distill.signal.SignalWidths;
import io.distill.signal.Signals;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.FloatRows;
import io.distill.training.Optimizer;
import io.distill.training.RuleTeacher;
import io.distill.training.TinyRuns;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LossParametersTest {

  private static final FloatRows DATA = FloatRows.random(8, 3, 1);

  /** Projects the student's embedding of 5 to the teacher's of 3, and keeps what it saw. */
  private static final class ProjectedDistance implements DistillationLoss {
    private final List<float[]> seen = new ArrayList<>();
    private final boolean reports;

    ProjectedDistance(boolean reports) {
      this.reports = reports;
    }

    @Override
    public void prepare(LossSetup setup) {
      setup.parameter(
          "projector",
          new Shape(
              setup.teacher().embedding().orElseThrow(),
              setup.student().embedding().orElseThrow()));
    }

    @Override
    public NDArray compute(LossContext context) {
      NDArray projector = context.parameter("projector");
      if (reports) {
        seen.add(projector.toFloatArray());
      }
      return context.meanOverRows(
          context
              .student()
              .embedding()
              .matMul(projector.transpose())
              .sub(context.teacher().embedding())
              .square()
              .sum(new int[] {1}));
    }

    @Override
    public Set<SignalKind> requires() {
      return Set.of(SignalKind.EMBEDDING);
    }

    @Override
    public String name() {
      return "projected";
    }
  }

  private static Distiller.Builder recipe(DistillationLoss loss) {
    return Distiller.builder()
        .teacher(new RuleTeacher(row -> row, Set.of(SignalKind.EMBEDDING), List.of()))
        .student(Student.multilayerPerceptron().hiddenSizes(5).build())
        .loss(loss)
        .optimizer(Optimizer.sgd(0.05));
  }

  @Test
  void projector_isTrained() {
    ProjectedDistance loss = new ProjectedDistance(true);
    TinyRuns.Events events = new TinyRuns.Events();
    recipe(loss).steps(30).listener(events).fit(DATA).close();
    assertThat(loss.seen).hasSize(30).allSatisfy(each -> assertThat(each).hasSize(15));
    for (int step = 1; step < 30; step++) {
      assertThat(loss.seen.get(step)).isNotEqualTo(loss.seen.get(step - 1));
    }
    assertThat(events.steps.get(29).loss()).isLessThan(0.5 * events.steps.get(0).loss());
  }

  @Test
  void projector_isDrawnFromTheRunsSeed() {
    ProjectedDistance first = new ProjectedDistance(true);
    ProjectedDistance second = new ProjectedDistance(true);
    ProjectedDistance other = new ProjectedDistance(true);
    recipe(first).steps(1).seed(1).fit(DATA).close();
    recipe(second).steps(1).seed(1).fit(DATA).close();
    recipe(other).steps(1).seed(2).fit(DATA).close();
    assertThat(second.seen.get(0)).isEqualTo(first.seen.get(0));
    assertThat(other.seen.get(0)).isNotEqualTo(first.seen.get(0));
    // uniform within one over the root of the fan-in
    double bound = 1 / Math.sqrt(5);
    for (float value : first.seen.get(0)) {
      assertThat((double) value).isBetween(-bound, bound);
    }
    assertThat(max(first.seen.get(0))).isGreaterThan(bound / 2);
  }

  private static double max(float[] values) {
    double max = 0;
    for (float value : values) {
      max = Math.max(max, Math.abs(value));
    }
    return max;
  }

  @Test
  void termsOfEqualNames_haveTheirOwn() {
    ProjectedDistance first = new ProjectedDistance(true);
    ProjectedDistance second = new ProjectedDistance(true);
    TinyRuns.Events events = new TinyRuns.Events();
    recipe(first.plus(second)).steps(2).listener(events).fit(DATA).close();
    assertThat(events.steps.get(0).terms()).containsOnlyKeys("projected", "projected#2");
    for (int step = 0; step < 2; step++) {
      assertThat(second.seen.get(step)).isNotEqualTo(first.seen.get(step));
    }
  }

  @Test
  void termsInsideANamedSum_haveTheirOwn() {
    ProjectedDistance first = new ProjectedDistance(true);
    ProjectedDistance second = new ProjectedDistance(true);
    TinyRuns.Events events = new TinyRuns.Events();
    recipe(first.plus(second).named("both")).steps(2).listener(events).fit(DATA).close();
    assertThat(events.steps.get(0).terms()).containsOnlyKeys("both");
    for (int step = 0; step < 2; step++) {
      assertThat(second.seen.get(step)).isNotEqualTo(first.seen.get(step));
    }
  }

  @Test
  void savedStudent_hasNoParameterOfALoss(@TempDir Path directory) {
    Path saved = directory.resolve("student");
    Set<String> names =
        Set.of("hidden.0.weight", "hidden.0.bias", "classifier.weight", "classifier.bias");
    try (DistillationResult result = recipe(new ProjectedDistance(false)).steps(2).fit(DATA)) {
      assertThat(result.student().model().parameters()).containsOnlyKeys(names);
      // 3 x 5 + 5 of the hidden layer, 5 x 3 + 3 of the classifier
      assertThat(result.student().parameterCount()).isEqualTo(38);
      result.student().save(saved);
    }
    try (DeployableModel loaded = DeployableModel.load(saved)) {
      assertThat(loaded.model().parameters()).containsOnlyKeys(names);
    }
  }

  private static final SignalWidths WIDTHS =
      new SignalWidths(
          OptionalInt.of(2), OptionalInt.empty(), List.of(4, 6), List.of(), List.of("0", "1"));

  private static LossParameters declare(DistillationLoss loss, NDManager manager) {
    return LossParameters.declare(loss.terms(), null, WIDTHS, WIDTHS, LayerMapping.last(), 3, 1)
        .allocate(manager);
  }

  private interface Preparing extends DistillationLoss {
    @Override
    void prepare(LossSetup setup);

    @Override
    default NDArray compute(LossContext context) {
      throw new AssertionError();
    }

    static DistillationLoss of(Consumer<LossSetup> preparation) {
      return new Preparing() {
        @Override
        public void prepare(LossSetup setup) {
          preparation.accept(setup);
        }
      };
    }
  }

  @Test
  void declaration_givesWidthsAndPairs_andNamesParameters() {
    NativeEngine.prepareThread();
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      DistillationLoss loss =
          Preparing.of(
              setup -> {
                assertThat(setup.student()).isEqualTo(WIDTHS);
                assertThat(setup.teacher()).isEqualTo(WIDTHS);
                assertThat(setup.layerPairs()).containsExactly(new LayerPair(1, 1));
                assertThat(setup.onLayers(LayerMapping.first()).layerPairs()).hasSize(2);
                setup.parameter("scale", new Shape(3), 0.5f);
                setup.onLayers(LayerMapping.first()).parameter("matrix", new Shape(2, 4));
                // twice is once
                setup.parameter("scale", new Shape(3), 7f);
              });
      LossParameters parameters = declare(loss, manager);
      assertThat(parameters.all()).containsOnlyKeys("loss.loss.scale", "loss.loss.matrix");
      assertThat(parameters.all().get("loss.loss.scale").toFloatArray())
          .containsExactly(0.5f, 0.5f, 0.5f);
      assertThat(parameters.all().values()).allMatch(NDArray::hasGradient);
      try (NDManager step = manager.newSubManager()) {
        LossContext context =
            LossContext.builder(
                    Signals.builder().logits(step.ones(new Shape(1, 2))).build(), Signals.none())
                .state(parameters.of("loss", step))
                .build();
        assertThat(context.parameter("scale").getManager()).isSameAs(step);
        assertThat(context.hasParameter("matrix")).isTrue();
        assertThat(context.withState(parameters.of("other", step)).hasParameter("scale")).isFalse();
      }
      assertThat(parameters.all().values()).noneMatch(NDArray::isReleased);
    }
  }

  @Test
  void declaration_outOfRange_isRefused() {
    try (NDManager manager = NativeEngine.newManager(Device.cpu())) {
      assertThatIllegalArgumentException()
          .isThrownBy(
              () -> declare(Preparing.of(setup -> setup.parameter("a", new Shape())), manager))
          .withMessage("shape of a must have a dimension to draw from");
      assertThatIllegalArgumentException()
          .isThrownBy(
              () ->
                  declare(
                      Preparing.of(setup -> setup.parameter("a", new Shape(1), Float.NaN)),
                      manager))
          .withMessage("value of a must be finite but was NaN");
      assertThatIllegalArgumentException()
          .isThrownBy(
              () ->
                  declare(
                      Preparing.of(
                          setup -> {
                            setup.parameter("a", new Shape(2));
                            setup.parameter("a", new Shape(3));
                          }),
                      manager))
          .withMessage("a was declared before with another shape than (3)");
    }
  }

  @Test
  void badMappingOfALossItself_stopsBeforeTheFirstStep() {
    DistillationLoss loss =
        Preparing.of(setup -> assertThat(setup.layerPairs()).isNotEmpty())
            .onLayers(LayerMapping.of(new LayerPair(3, 0)));
    TinyRuns.Watched student = TinyRuns.Watched.of(TinyRuns.perceptron());
    assertThatExceptionOfType(DistillationException.class)
        .isThrownBy(
            () ->
                Distiller.builder()
                    .teacher(RuleTeacher.echo())
                    .student(student)
                    .loss(loss)
                    .fit(DATA)
                    .close())
        .withMessageStartingWith("loss term 'loss': layerMapping must pair student layers");
    assertThat(student.closed()).isTrue();
  }

  @Test
  void terms_keepTheirWeightsUnderNewNames() {
    LossTerm term = TinyRuns.logitsToOne().named("a").weighted(2).terms().get(0);
    assertThat(Arrays.asList(term.name(), term.weightAt(new Progress(0, 0, 1, 0))))
        .containsExactly("a", 2.0);
    TinyRuns.Events events = new TinyRuns.Events();
    Distiller.builder()
        .teacher(Teacher.none())
        .student(TinyRuns.perceptron())
        .loss(
            TinyRuns.logitsToOne()
                .named("a")
                .weighted(2)
                .plus(TinyRuns.logitsToOne().named("a").weighted(3)))
        .steps(1)
        .listener(events)
        .fit(DATA)
        .close();
    double value = events.steps.get(0).terms().get("a");
    assertThat(events.steps.get(0).terms()).containsEntry("a#2", value);
    assertThat(events.steps.get(0).loss()).isCloseTo(5 * value, within(1e-6 * value));
  }
}
