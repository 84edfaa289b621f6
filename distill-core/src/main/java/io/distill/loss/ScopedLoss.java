package io.distill.loss;

import ai.djl.ndarray.NDArray;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.TemperatureSchedule;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A loss with a temperature or a layer mapping of its own. */
final class ScopedLoss extends ForwardingLoss {

  private final @Nullable TemperatureSchedule temperature;
  private final @Nullable LayerMapping mapping;

  ScopedLoss(
      DistillationLoss delegate,
      @Nullable TemperatureSchedule temperature,
      @Nullable LayerMapping mapping) {
    super(delegate);
    this.temperature = temperature;
    this.mapping = mapping;
  }

  @Override
  public NDArray compute(LossContext context) {
    return delegate().compute(context.scoped(temperature, mapping));
  }

  @Override
  public List<LossTerm> terms() {
    return delegate().terms().stream()
        .map(
            term ->
                new LossTerm(
                    term.name(), term.weight(), new ScopedLoss(term.loss(), temperature, mapping)))
        .toList();
  }

  @Override
  public void prepare(LossSetup setup) {
    delegate().prepare(mapping == null ? setup : setup.onLayers(mapping));
  }
}
