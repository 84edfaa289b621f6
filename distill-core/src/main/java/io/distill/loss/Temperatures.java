package io.distill.loss;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.schedule.TemperatureSchedule;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Where the temperatures of a context come from: a schedule, or something that looks at the batch.
 * Contexts that share one compute it once, and only if a loss reads it.
 */
final class Temperatures {

  private final @Nullable TemperatureSchedule schedule;
  private final @Nullable RowTemperature rule;
  private final Supplier<LossContext> batch;
  private @Nullable NDArray values;

  private Temperatures(
      @Nullable TemperatureSchedule schedule,
      @Nullable RowTemperature rule,
      Supplier<LossContext> batch) {
    this.schedule = schedule;
    this.rule = rule;
    this.batch = batch;
  }

  static Temperatures scheduled(TemperatureSchedule schedule) {
    return new Temperatures(
        schedule,
        null,
        () -> {
          throw new IllegalStateException("a schedule reads no batch");
        });
  }

  /**
   * Temperatures of a rule.
   *
   * @param batch what the rule looks at, with the rule's own parameters; asked for once
   */
  static Temperatures of(RowTemperature rule, Supplier<LossContext> batch) {
    return new Temperatures(null, rule, batch);
  }

  /** Returns these for a context that may stand elsewhere in the run. */
  Temperatures afresh() {
    return schedule == null ? this : scheduled(schedule);
  }

  double single(LossContext context) {
    if (schedule == null) {
      throw new DistillationException(
          "temperature must be one number for this loss but differs row by row or is learned; read"
              + " temperatures() in the loss, or give it a temperature schedule");
    }
    double value = schedule.at(context.progress());
    if (!(Double.isFinite(value) && value > 0)) {
      throw new DistillationException(
          "temperature must be finite and greater than 0 but was "
              + value
              + " at step "
              + (context.progress().step() + 1)
              + "; correct the temperature schedule");
    }
    return value;
  }

  NDArray values(LossContext context) {
    if (values == null) {
      values =
          rule == null
              ? context.manager().create((float) single(context))
              : checked(rule.of(batch.get()), context.rows());
    }
    return requireNonNull(values);
  }

  private static NDArray checked(NDArray values, int rows) {
    if (!(values.getShape().dimension() == 0 || values.getShape().equals(new Shape(rows, 1)))) {
      throw new DistillationException(
          "temperatures must have shape () or ("
              + rows
              + ", 1) but had "
              + values.getShape()
              + "; give one temperature for all rows or one a row");
    }
    return values;
  }

  /** Returns these for the tokens of the batch: a rule looks at each token as at a row. */
  Temperatures ofTokens() {
    return rule == null ? this : of(rule, () -> batch.get().tokens());
  }
}
