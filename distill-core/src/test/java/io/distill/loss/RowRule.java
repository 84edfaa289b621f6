package io.distill.loss;

import ai.djl.ndarray.NDArray;
import java.util.function.Function;

/** A temperature rule without parameters. */
record RowRule(Function<LossContext, NDArray> rule) implements RowTemperature {

  @Override
  public void prepare(LossSetup setup) {}

  @Override
  public NDArray of(LossContext context) {
    return rule.apply(context);
  }
}
