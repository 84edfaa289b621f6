package io.distill.loss;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.TemperatureSchedule;
import io.distill.schedule.WeightSchedule;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.function.UnaryOperator;

/**
 * What the student is trained to make small: a pure function of a {@link LossContext} to a scalar.
 *
 * <p>A lambda is a loss:
 *
 * <pre>{@code
 * DistillationLoss logitDistance = context ->
 *     context.meanOverRows(
 *         context.student().logits().sub(context.teacher().logits()).square().sum(new int[] {1}));
 * }</pre>
 *
 * <p><b>Contract.</b> The result is a float32 scalar, differentiable in the student's signals, and
 * a mean over the rows (or tokens) of the context; {@link LossContext#meanOverRows} and its
 * siblings take that mean correctly when an optimizer step is accumulated from several batches. A
 * loss holds no state and owns no parameters: it declares them in {@link #prepare} and they live
 * with the run.
 */
@FunctionalInterface
public interface DistillationLoss {

  /**
   * Computes the loss of one batch.
   *
   * @param context the signals of student and teacher, labels, temperature and more
   * @return a float32 scalar, differentiable in the student only
   */
  NDArray compute(LossContext context);

  /**
   * Returns what both models must say.
   *
   * @return the kinds of signals needed of student and teacher; logits by default
   */
  default Set<SignalKind> requires() {
    return Set.of(SignalKind.LOGITS);
  }

  /**
   * Returns what the student must say.
   *
   * @return the kinds of signals needed of the student; {@link #requires()} by default
   */
  default Set<SignalKind> requiresOfStudent() {
    return requires();
  }

  /**
   * Returns what the teacher must say.
   *
   * @return the kinds of signals needed of the teacher; {@link #requires()} by default; empty if
   *     the loss needs no teacher
   */
  default Set<SignalKind> requiresOfTeacher() {
    return requires();
  }

  /**
   * Returns whether the loss compares with labels.
   *
   * @return whether at least some rows must have labels; false by default
   */
  default boolean requiresLabels() {
    return false;
  }

  /**
   * Returns whether class {@code c} of the student must be class {@code c} of the teacher.
   *
   * @return whether both models must have the same number of logits where the loss reads those of
   *     both; true by default; false for a loss that compares across vocabularies
   */
  default boolean requiresSameClasses() {
    return true;
  }

  /**
   * Returns the highest softmax temperature at which the loss reads logits in a run, for a teacher
   * that kept only some of its logits.
   *
   * @param ofRun the highest of the run's own temperature
   * @param highest gives the highest temperature of a schedule in that run
   * @return {@code ofRun} by default; for a loss with a temperature of its own the highest of that
   */
  default double highestTemperature(double ofRun, ToDoubleFunction<TemperatureSchedule> highest) {
    return ofRun;
  }

  /**
   * Declares learned parameters, once, before the first step.
   *
   * @param setup the widths of the signals, and where parameters are declared
   */
  default void prepare(LossSetup setup) {}

  /**
   * Returns the name under which the value is reported.
   *
   * @return the name; {@code "loss"} by default
   */
  default String name() {
    return "loss";
  }

  /**
   * Returns the weighted terms that this loss is the sum of.
   *
   * @return this loss alone, by default
   */
  default List<LossTerm> terms() {
    return List.of(new LossTerm(name(), WeightSchedule.constant(1), this));
  }

  /**
   * Returns this loss with each of its innermost losses replaced; names, weights, temperatures and
   * layer mappings around them stay.
   *
   * @param operation gives the replacement of a loss that is not made of others
   * @return the changed loss
   */
  default DistillationLoss mapInnermost(UnaryOperator<DistillationLoss> operation) {
    return requireNonNull(operation, "operation").apply(this);
  }

  /**
   * Returns this loss under another name.
   *
   * @param name the name in events and reports; not blank
   * @return the same loss, renamed
   * @throws IllegalArgumentException if the name is blank
   */
  default DistillationLoss named(String name) {
    return new NamedLoss(this, name);
  }

  /**
   * Returns this loss times a constant.
   *
   * @param weight the factor; finite and at least 0
   * @return the weighted loss
   * @throws IllegalArgumentException if the weight is out of range
   */
  default DistillationLoss weighted(double weight) {
    return weighted(WeightSchedule.constant(weight));
  }

  /**
   * Returns this loss times a factor that changes over the run.
   *
   * @param weight the schedule of the factor; a lambda of progress is one
   * @return the weighted loss
   */
  default DistillationLoss weighted(WeightSchedule weight) {
    requireNonNull(weight, "weight");
    return new SumLoss(terms().stream().map(term -> term.times(weight)).toList());
  }

  /**
   * Returns this loss with a weight that rises over the first epochs, to keep a loss that is large
   * at the start from leading the student astray.
   *
   * @param epochs the number of the epoch, counted from 1, that first has the full weight; at least
   *     1; DKD and ReviewKD use 20
   * @return the weighted loss; {@code weighted(...)} before or after sets the full weight
   * @throws IllegalArgumentException if the number is below 1
   * @see WeightSchedule#warmUp
   */
  default DistillationLoss warmUp(int epochs) {
    return weighted(WeightSchedule.warmUp(epochs));
  }

  /**
   * Returns this loss with a weight that rises over the first optimizer steps.
   *
   * @param steps the number of the step, counted from 1, that first has the full weight; at least 1
   * @return the weighted loss; {@code weighted(...)} before or after sets the full weight
   * @throws IllegalArgumentException if the number is below 1
   * @see WeightSchedule#warmUpSteps
   */
  default DistillationLoss warmUpSteps(long steps) {
    return weighted(WeightSchedule.warmUpSteps(steps));
  }

  /**
   * Returns the sum of this loss and another; each stays a term of its own in events.
   *
   * @param other the other loss
   * @return the sum
   */
  default DistillationLoss plus(DistillationLoss other) {
    return SumLoss.of(terms(), requireNonNull(other, "other").terms());
  }

  /**
   * Returns this loss at a temperature of its own instead of the run's.
   *
   * @param temperature the temperature of this loss
   * @return the loss at that temperature
   */
  default DistillationLoss atTemperature(TemperatureSchedule temperature) {
    return new ScopedLoss(this, requireNonNull(temperature, "temperature"), null, null);
  }

  /**
   * Returns this loss at temperatures that differ row by row or are learned.
   *
   * @param temperature the temperatures of this loss
   * @return the loss at those temperatures
   */
  default DistillationLoss atTemperature(RowTemperature temperature) {
    return new ScopedLoss(this, null, null, requireNonNull(temperature, "temperature"));
  }

  /**
   * Returns this loss with a layer mapping of its own instead of the run's.
   *
   * @param mapping the layer mapping of this loss
   * @return the loss on those layers
   */
  default DistillationLoss onLayers(LayerMapping mapping) {
    return new ScopedLoss(this, null, requireNonNull(mapping, "mapping"), null);
  }
}
