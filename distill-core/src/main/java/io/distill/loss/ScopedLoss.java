package io.distill.loss;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import com.google.common.collect.Sets;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A loss with a temperature or a layer mapping of its own. */
record ScopedLoss(
    DistillationLoss loss,
    @Nullable TemperatureSchedule temperature,
    @Nullable LayerMapping mapping,
    @Nullable RowTemperature rowTemperature)
    implements ForwardingLoss {

  private static final String LOSS = "loss.";
  private static final String TEMPERATURE = "temperature.";

  ScopedLoss {
    requireNonNull(loss, "loss");
  }

  @Override
  public NDArray compute(LossContext context) {
    if (rowTemperature == null) {
      return loss.compute(context.scoped(temperature, mapping));
    }
    LossContext rule = context.nested(TEMPERATURE);
    return loss.compute(context.nested(LOSS).at(Temperatures.of(rowTemperature, () -> rule)));
  }

  @Override
  public Set<SignalKind> requires() {
    return Sets.union(
            loss.requires(),
            rowTemperature == null
                ? Set.of()
                : Sets.union(
                    rowTemperature.requiresOfStudent(), rowTemperature.requiresOfTeacher()))
        .immutableCopy();
  }

  @Override
  public Set<SignalKind> requiresOfStudent() {
    return Sets.union(
            loss.requiresOfStudent(),
            rowTemperature == null ? Set.of() : rowTemperature.requiresOfStudent())
        .immutableCopy();
  }

  @Override
  public Set<SignalKind> requiresOfTeacher() {
    return Sets.union(
            loss.requiresOfTeacher(),
            rowTemperature == null ? Set.of() : rowTemperature.requiresOfTeacher())
        .immutableCopy();
  }

  @Override
  public double highestTemperature(double ofRun, ToDoubleFunction<TemperatureSchedule> highest) {
    double own =
        temperature != null
            ? highest.applyAsDouble(temperature)
            : rowTemperature != null ? rowTemperature.highest() : ofRun;
    return loss.highestTemperature(own, highest);
  }

  @Override
  public DistillationLoss mapInnermost(UnaryOperator<DistillationLoss> operation) {
    return new ScopedLoss(loss.mapInnermost(operation), temperature, mapping, rowTemperature);
  }

  @Override
  public List<LossTerm> terms() {
    return loss.terms().stream()
        .map(
            term ->
                new LossTerm(
                    term.name(),
                    term.weight(),
                    new ScopedLoss(term.loss(), temperature, mapping, rowTemperature)))
        .toList();
  }

  @Override
  public DistillationLoss onLayers(LayerMapping other) {
    requireNonNull(other, "mapping");
    return mapping == null
        ? new ScopedLoss(loss.onLayers(other), temperature, null, rowTemperature)
        : this;
  }

  @Override
  public void prepare(LossSetup setup) {
    if (rowTemperature != null) {
      rowTemperature.prepare(new NestedSetup(setup, TEMPERATURE));
      loss.prepare(new NestedSetup(setup, LOSS));
    } else if (mapping != null) {
      checkMapping(mapping, setup);
      loss.prepare(setup.onLayers(mapping));
    } else {
      loss.prepare(setup);
    }
  }

  /** Also for losses that declare nothing and so do not ask for their pairs. */
  private void checkMapping(LayerMapping own, LossSetup setup) {
    List<String> students = setup.student().layerNames();
    List<String> teachers = setup.teacher().layerNames();
    if (!Sets.intersection(loss.requires(), Signals.LAYERED).isEmpty()
        && !students.isEmpty()
        && !teachers.isEmpty()) {
      requireNonNull(own.checkedCandidates(students, teachers));
    }
  }
}
