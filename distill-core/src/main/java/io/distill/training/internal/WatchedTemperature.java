package io.distill.training.internal;

import ai.djl.ndarray.NDArray;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.RowTemperature;
import org.jspecify.annotations.Nullable;

/** The run's temperature; remembers what it said last, for the events. */
final class WatchedTemperature implements RowTemperature {
  private final RowTemperature inside;
  private @Nullable NDArray last;

  WatchedTemperature(RowTemperature inside) {
    this.inside = inside;
  }

  @Override
  public void prepare(LossSetup setup) {
    inside.prepare(setup);
  }

  @Override
  public NDArray of(LossContext context) {
    NDArray values = inside.of(context);
    last = values;
    return values;
  }

  /** Returns the mean over the rows of the batch, NaN if nobody asked. */
  double mean() {
    NDArray values = last;
    last = null;
    return values == null ? Double.NaN : values.mean().getFloat();
  }
}
