package io.distill.loss;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.internal.NativeEngine;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.Progress;
import io.distill.schedule.TemperatureSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.signal.SignalKind;
import io.distill.signal.SignalWidths;
import io.distill.signal.Signals;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DistillationLossTest {

  private static final Progress START = new Progress(0, 0, 5, 0);
  private static final Progress END = new Progress(0, 4, 5, 0);

  private final NDManager manager = NativeEngine.newManager(Device.cpu());

  @AfterEach
  void closeManager() {
    manager.close();
  }

  /** A loss of a constant value that wants certain signals. */
  private record Constant(
      String name, float value, Set<SignalKind> ofStudent, Set<SignalKind> ofTeacher)
      implements DistillationLoss {

    Constant(String name, float value) {
      this(name, value, Set.of(SignalKind.LOGITS), Set.of());
    }

    @Override
    public NDArray compute(LossContext context) {
      return context.manager().create(value);
    }

    @Override
    public Set<SignalKind> requiresOfStudent() {
      return ofStudent;
    }

    @Override
    public Set<SignalKind> requiresOfTeacher() {
      return ofTeacher;
    }

    @Override
    public boolean requiresLabels() {
      return ofTeacher.isEmpty();
    }

    @Override
    public void prepare(LossSetup setup) {
      setup.parameter(name + setup.layerPairs(), new Shape(1));
    }
  }

  private static final DistillationLoss ONE = new Constant("one", 1);
  private static final DistillationLoss TEN = new Constant("ten", 10);
  private static final DistillationLoss HUNDRED = new Constant("hundred", 100);

  private LossContext context(Progress progress) {
    Signals student =
        Signals.builder()
            .logits(manager.ones(new Shape(1, 2)))
            .hiddenStates(List.of(manager.ones(new Shape(1, 2)), manager.ones(new Shape(1, 2))))
            .build();
    return LossContext.builder(student, student).progress(progress).build();
  }

  private double value(DistillationLoss loss, Progress progress) {
    return loss.compute(context(progress)).getFloat();
  }

  private static List<String> names(DistillationLoss loss) {
    return loss.terms().stream().map(LossTerm::name).toList();
  }

  private static List<Double> weights(DistillationLoss loss, Progress progress) {
    return loss.terms().stream().map(term -> term.weightAt(progress)).toList();
  }

  @Test
  void lambda_isALossOnLogits() {
    DistillationLoss loss = context -> context.manager().create(3f);
    assertThat(value(loss, START)).isEqualTo(3);
    assertThat(loss.name()).isEqualTo("loss");
    assertThat(loss.requires()).containsExactly(SignalKind.LOGITS);
    assertThat(loss.requiresOfStudent()).containsExactly(SignalKind.LOGITS);
    assertThat(loss.requiresOfTeacher()).containsExactly(SignalKind.LOGITS);
    assertThat(loss.requiresLabels()).isFalse();
    assertThat(names(loss)).containsExactly("loss");
    assertThat(weights(loss, START)).containsExactly(1.0);
  }

  @Test
  void weighted_byAConstant_scales() {
    DistillationLoss loss = TEN.weighted(0.5);
    assertThat(value(loss, START)).isEqualTo(5);
    assertThat(loss.name()).isEqualTo("ten");
    assertThat(weights(loss, END)).containsExactly(0.5);
    assertThat(value(TEN.weighted(0), START)).isZero();
  }

  @Test
  void weighted_byASchedule_followsProgress() {
    DistillationLoss loss = TEN.weighted(progress -> 1 - progress.fraction());
    assertThat(value(loss, START)).isEqualTo(10);
    assertThat(value(loss, END)).isZero();
    assertThat(weights(loss, new Progress(0, 1, 5, 0))).containsExactly(0.75);
  }

  @ParameterizedTest(name = "weight={0}")
  @ValueSource(doubles = {-0.5, Double.NaN, Double.POSITIVE_INFINITY})
  void weight_outOfRange_isRefused(double weight) {
    String message = "weight must be finite and at least 0 but was " + weight;
    assertThatThrownBy(() -> ONE.weighted(weight))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
    DistillationLoss scheduled = ONE.weighted(progress -> weight);
    assertThatThrownBy(() -> value(scheduled, START))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(message);
  }

  @Test
  void nullArguments_areNamed() {
    assertNamed("weight", () -> ONE.weighted((WeightSchedule) null));
    assertNamed("other", () -> ONE.plus(null));
    assertNamed("name", () -> ONE.named(null));
    assertNamed("temperature", () -> ONE.atTemperature((TemperatureSchedule) null));
    assertNamed("mapping", () -> ONE.onLayers(null));
    assertNamed("name", () -> new LossTerm(null, progress -> 1, ONE));
    assertNamed("weight", () -> new LossTerm("a", null, ONE));
    assertNamed("loss", () -> new LossTerm("a", progress -> 1, null));
  }

  private static void assertNamed(String name, ThrowingCallable call) {
    assertThatThrownBy(call).isInstanceOf(NullPointerException.class).hasMessage(name);
  }

  @Test
  void plus_keepsTermsApart() {
    DistillationLoss loss = ONE.weighted(0.9).plus(TEN.weighted(0.1));
    assertThat(value(loss, START)).isCloseTo(1.9, within(1e-6));
    assertThat(names(loss)).containsExactly("one", "ten");
    assertThat(weights(loss, START)).containsExactly(0.9, 0.1);
    assertThat(loss.name()).isEqualTo("one+ten");
    assertThat(loss.terms().get(1).loss()).isSameAs(TEN);
  }

  @Test
  void nestedSumsAndWeights_areFlattened() {
    DistillationLoss loss =
        ONE.weighted(2)
            .plus(TEN)
            .weighted(progress -> 0.5)
            .plus(HUNDRED.weighted(0.1).plus(ONE))
            .weighted(3)
            .weighted(2);
    assertThat(names(loss)).containsExactly("one", "ten", "hundred", "one");
    assertThat(weights(loss, START))
        .usingElementComparator((a, b) -> Math.abs(a - b) < 1e-12 ? 0 : Double.compare(a, b))
        .containsExactly(6.0, 3.0, 0.6, 6.0);
    assertThat(value(loss, START)).isCloseTo(6 + 30 + 60 + 6, within(1e-4));
  }

  @Test
  void operands_areLeftAsTheyWere() {
    DistillationLoss sum = ONE.plus(TEN);
    DistillationLoss weighted = sum.weighted(5).plus(HUNDRED);
    assertThat(names(sum)).containsExactly("one", "ten");
    assertThat(weights(sum, START)).containsExactly(1.0, 1.0);
    assertThat(weighted.terms()).isUnmodifiable();
  }

  @Test
  void named_makesASumOneTerm() {
    DistillationLoss loss = ONE.plus(TEN.weighted(2)).named("both").weighted(0.5);
    assertThat(names(loss)).containsExactly("both");
    assertThat(weights(loss, START)).containsExactly(0.5);
    assertThat(value(loss, START)).isEqualTo(10.5);
    assertThatThrownBy(() -> ONE.named(" "))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("name must not be blank");
  }

  @Test
  void term_ofBlankName_isRefused() {
    assertThatThrownBy(() -> new LossTerm("", progress -> 1, ONE))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("name must not be blank");
  }

  @Test
  void warmUp_scalesTheWeightOfEveryTerm() {
    DistillationLoss loss = ONE.plus(TEN.weighted(0.5)).warmUp(4);
    assertThat(weights(loss, new Progress(0, 0, 9, 0))).containsExactly(0.25, 0.125);
    assertThat(weights(loss, new Progress(3, 8, 9, 0))).containsExactly(1.0, 0.5);
    assertThat(weights(ONE.warmUpSteps(8).weighted(4), new Progress(0, 3, 9, 0)))
        .containsExactly(2.0);
  }

  @Test
  void atTemperature_winsOverTheRunsAndInnermostWins() {
    DistillationLoss temperature =
        context -> context.manager().create((float) context.temperature());
    TemperatureSchedule four = TemperatureSchedule.constant(4);
    assertThat(value(temperature, START)).isEqualTo(1);
    assertThat(value(temperature.atTemperature(four), START)).isEqualTo(4);
    assertThat(value(temperature.atTemperature(four).atTemperature(progress -> 9), START))
        .isEqualTo(4);
    assertThat(value(temperature.atTemperature(progress -> 1 + progress.step()), END)).isEqualTo(5);
    assertThat(value(temperature.plus(temperature.atTemperature(four)), START)).isEqualTo(5);
    assertThat(value(temperature.named("t").atTemperature(four).named("u"), START)).isEqualTo(4);
  }

  @Test
  void atTemperature_ofASum_keepsTermsApart() {
    DistillationLoss temperature =
        context -> context.manager().create((float) context.temperature());
    DistillationLoss loss =
        temperature
            .named("t")
            .weighted(0.5)
            .plus(TEN)
            .atTemperature(progress -> 4)
            .onLayers(LayerMapping.last());
    assertThat(names(loss)).containsExactly("t", "ten");
    assertThat(weights(loss, START)).containsExactly(0.5, 1.0);
    assertThat(value(loss.terms().get(0).loss(), START)).isEqualTo(4);
    assertThat(value(loss, START)).isEqualTo(12);
  }

  @Test
  void onLayers_winsOverTheRuns() {
    DistillationLoss pairs =
        context -> context.manager().create((float) context.layerPairs().size());
    assertThat(value(pairs, START)).isEqualTo(2);
    assertThat(value(pairs.onLayers(LayerMapping.last()), START)).isEqualTo(1);
  }

  /** A loss whose layers are its own by default, until it is told others. */
  private record OwnLayers(double own) implements DistillationLoss {
    @Override
    public NDArray compute(LossContext context) {
      return context.manager().create((float) own);
    }

    @Override
    public DistillationLoss onLayers(LayerMapping mapping) {
      return new OwnLayers(own + 1);
    }
  }

  @Test
  void onLayers_isAskedOfEveryLossInside() {
    DistillationLoss own = new OwnLayers(1);
    LayerMapping last = LayerMapping.last();
    assertThat(value(own.named("own").onLayers(last), START)).isEqualTo(2);
    assertThat(own.named("own").onLayers(last).name()).isEqualTo("own");
    assertThat(value(own.atTemperature(progress -> 3).onLayers(last), START)).isEqualTo(2);
    DistillationLoss sum = own.weighted(10).plus(ONE).onLayers(last);
    assertThat(value(sum, START)).isEqualTo(21);
    assertThat(names(sum)).containsExactly("loss", "one");
    assertThat(weights(sum, START)).containsExactly(10.0, 1.0);
    assertThat(value(own.plus(ONE).named("sum").onLayers(last), START)).isEqualTo(3);
  }

  @Test
  void onLayers_ofALossThatHasLayers_changesNothing() {
    DistillationLoss pairs =
        context -> context.manager().create((float) context.layerPairs().size());
    DistillationLoss last = pairs.onLayers(LayerMapping.last());
    assertThat(value(last.onLayers(LayerMapping.first()), START)).isEqualTo(1);
    assertThat(value(last.named("x").onLayers(LayerMapping.first()), START)).isEqualTo(1);
    assertThat(value(last.atTemperature(progress -> 2).onLayers(LayerMapping.first()), START))
        .isEqualTo(1);
    assertNamed("mapping", () -> last.onLayers(null));
    assertNamed("mapping", () -> ONE.plus(TEN).onLayers(null));
  }

  @Test
  void requirements_ofASum_areTheUnion() {
    DistillationLoss hidden =
        new Constant("hidden", 1, Set.of(SignalKind.HIDDEN_STATES), Set.of(SignalKind.EMBEDDING));
    DistillationLoss sum = ONE.plus(hidden.weighted(2));
    assertThat(sum.requiresOfStudent())
        .containsExactlyInAnyOrder(SignalKind.LOGITS, SignalKind.HIDDEN_STATES);
    assertThat(sum.requiresOfTeacher()).containsExactly(SignalKind.EMBEDDING);
    assertThat(sum.requires())
        .containsExactlyInAnyOrder(
            SignalKind.LOGITS, SignalKind.HIDDEN_STATES, SignalKind.EMBEDDING);
    assertThat(sum.requiresLabels()).isTrue();
    assertThat(hidden.weighted(2).requiresLabels()).isFalse();
  }

  @Test
  void wrappers_passRequirementsOn() {
    DistillationLoss hidden =
        new Constant("hidden", 1, Set.of(SignalKind.HIDDEN_STATES), Set.of(SignalKind.EMBEDDING));
    for (DistillationLoss loss :
        List.of(
            hidden.named("other"),
            hidden.atTemperature(progress -> 2),
            hidden.onLayers(LayerMapping.last()))) {
      assertThat(loss.requires()).isEqualTo(hidden.requires());
      assertThat(loss.requiresOfStudent()).containsExactly(SignalKind.HIDDEN_STATES);
      assertThat(loss.requiresOfTeacher()).containsExactly(SignalKind.EMBEDDING);
      assertThat(loss.requiresLabels()).isFalse();
    }
    assertThat(ONE.named("other").requiresLabels()).isTrue();
    assertThat(ONE.atTemperature(progress -> 2).name()).isEqualTo("one");
  }

  @Test
  void prepare_reachesEveryTermWithItsLayers() {
    Declared setup = new Declared(LayerMapping.uniform(), new ArrayList<>());
    ONE.weighted(2)
        .plus(TEN.onLayers(LayerMapping.last()).named("x"))
        .plus(HUNDRED.atTemperature(progress -> 2))
        .prepare(setup);
    assertThat(setup.names())
        .containsExactly("0.one[0 <- 1, 1 <- 3]", "1.ten[1 <- 3]", "2.hundred[0 <- 1, 1 <- 3]");
  }

  @Test
  void mapInnermost_replacesLossesAndKeepsWhatIsAroundThem() {
    DistillationLoss loss =
        ONE.atTemperature(progress -> 2)
            .weighted(0.5)
            .plus(TEN.onLayers(LayerMapping.last()).named("x").weighted(3));
    List<String> seen = new ArrayList<>();

    DistillationLoss mapped =
        loss.mapInnermost(
            each -> {
              seen.add(each.name());
              return new Constant("new", 100);
            });

    assertThat(seen).containsExactly("one", "ten");
    assertThat(mapped.terms()).extracting(LossTerm::name).containsExactly("one", "x");
    assertThat(mapped.terms()).extracting(term -> term.weightAt(START)).containsExactly(0.5, 3.0);
    assertThat(mapped.compute(context(START)).getFloat()).isEqualTo(350);
    assertThat(loss.compute(context(START)).getFloat()).isEqualTo(30.5f);
  }

  private record Declared(LayerMapping mapping, List<String> names) implements LossSetup {
    @Override
    public SignalWidths student() {
      return new SignalWidths(
          OptionalInt.empty(), OptionalInt.empty(), List.of(1, 1), List.of(), List.of("0", "1"));
    }

    @Override
    public SignalWidths teacher() {
      return new SignalWidths(
          OptionalInt.empty(),
          OptionalInt.empty(),
          List.of(1, 1, 1, 1),
          List.of(),
          LayerMapping.numbered(4));
    }

    @Override
    public int rows() {
      return 3;
    }

    @Override
    public LayerMapping layerMapping() {
      return mapping;
    }

    @Override
    public LossSetup onLayers(LayerMapping other) {
      return new Declared(other, names);
    }

    @Override
    public void parameter(String name, Shape shape) {
      names.add(name);
    }

    @Override
    public void parameter(String name, Shape shape, float value) {
      names.add(name);
    }

    @Override
    public void buffer(String name, Shape shape) {
      names.add(name);
    }

    @Override
    public void buffer(String name, Shape shape, float value) {
      names.add(name);
    }
  }
}
