package io.distill.loss;

import ai.djl.ndarray.NDArray;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.TemperatureSchedule;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A loss with a temperature or a layer mapping of its own. */
final class ScopedLoss extends ForwardingLoss {

  private static final String LOSS = "loss.";
  private static final String TEMPERATURE = "temperature.";

  private final @Nullable TemperatureSchedule temperature;
  private final @Nullable LayerMapping mapping;
  private final @Nullable RowTemperature rowTemperature;

  ScopedLoss(
      DistillationLoss delegate,
      @Nullable TemperatureSchedule temperature,
      @Nullable LayerMapping mapping,
      @Nullable RowTemperature rowTemperature) {
    super(delegate);
    this.temperature = temperature;
    this.mapping = mapping;
    this.rowTemperature = rowTemperature;
  }

  @Override
  public NDArray compute(LossContext context) {
    if (rowTemperature == null) {
      return delegate().compute(context.scoped(temperature, mapping));
    }
    LossContext inner = context.nested(LOSS);
    return delegate().compute(inner.atTemperatures(rowTemperature.of(context.nested(TEMPERATURE))));
  }

  @Override
  public DistillationLoss mapInnermost(UnaryOperator<DistillationLoss> operation) {
    return new ScopedLoss(delegate().mapInnermost(operation), temperature, mapping, rowTemperature);
  }

  @Override
  public List<LossTerm> terms() {
    return delegate().terms().stream()
        .map(
            term ->
                new LossTerm(
                    term.name(),
                    term.weight(),
                    new ScopedLoss(term.loss(), temperature, mapping, rowTemperature)))
        .toList();
  }

  @Override
  public void prepare(LossSetup setup) {
    if (rowTemperature == null) {
      delegate().prepare(mapping == null ? setup : setup.onLayers(mapping));
    } else {
      rowTemperature.prepare(new NestedSetup(setup, TEMPERATURE));
      delegate().prepare(new NestedSetup(setup, LOSS));
    }
  }
}
