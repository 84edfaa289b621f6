package io.distill.loss;

import ai.djl.ndarray.NDArray;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/** Passes everything on to another loss; who implements it changes one thing. */
interface ForwardingLoss extends DistillationLoss {

  /** Returns the other loss. */
  DistillationLoss loss();

  @Override
  default NDArray compute(LossContext context) {
    return loss().compute(context);
  }

  @Override
  default Set<SignalKind> requires() {
    return loss().requires();
  }

  @Override
  default Set<SignalKind> requiresOfStudent() {
    return loss().requiresOfStudent();
  }

  @Override
  default Set<SignalKind> requiresOfTeacher() {
    return loss().requiresOfTeacher();
  }

  @Override
  default boolean requiresLabels() {
    return loss().requiresLabels();
  }

  @Override
  default boolean requiresSameClasses() {
    return loss().requiresSameClasses();
  }

  @Override
  default void prepare(LossSetup setup) {
    loss().prepare(setup);
  }

  @Override
  default double highestTemperature(double ofRun, ToDoubleFunction<TemperatureSchedule> highest) {
    return loss().highestTemperature(ofRun, highest);
  }

  @Override
  default String name() {
    return loss().name();
  }
}
