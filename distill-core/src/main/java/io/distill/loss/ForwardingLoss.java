package io.distill.loss;

import ai.djl.ndarray.NDArray;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/** Passes everything on to another loss; subclasses change one thing. */
abstract class ForwardingLoss implements DistillationLoss {

  private final DistillationLoss delegate;

  ForwardingLoss(DistillationLoss delegate) {
    this.delegate = delegate;
  }

  final DistillationLoss delegate() {
    return delegate;
  }

  @Override
  public NDArray compute(LossContext context) {
    return delegate.compute(context);
  }

  @Override
  public Set<SignalKind> requires() {
    return delegate.requires();
  }

  @Override
  public Set<SignalKind> requiresOfStudent() {
    return delegate.requiresOfStudent();
  }

  @Override
  public Set<SignalKind> requiresOfTeacher() {
    return delegate.requiresOfTeacher();
  }

  @Override
  public boolean requiresLabels() {
    return delegate.requiresLabels();
  }

  @Override
  public boolean requiresSameClasses() {
    return delegate.requiresSameClasses();
  }

  @Override
  public double highestTemperature(double ofRun, ToDoubleFunction<TemperatureSchedule> highest) {
    return delegate.highestTemperature(ofRun, highest);
  }

  @Override
  public void prepare(LossSetup setup) {
    delegate.prepare(setup);
  }

  @Override
  public String name() {
    return delegate.name();
  }
}
