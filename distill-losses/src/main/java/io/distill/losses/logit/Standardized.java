package io.distill.losses.logit;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.LossTerm;
import io.distill.losses.internal.Formula;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/**
 * Another loss on logits of mean 0 and standard deviation 1.
 *
 * @param loss the other loss
 */
public record Standardized(DistillationLoss loss) implements DistillationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "Standardized",
          // classes that are ruled out (-inf) have no share in mean and deviation and stay so; the
          // smallest variance keeps the root of 0 from having an infinite gradient
          """
          def standardized(self, logits: Tensor) -> Tensor:
            possible = logits > -1e30
            weights = torch.to(possible, logits)
            z = torch.where(possible, logits, 0.)
            count = torch.sum(weights, [-1], True)
            mean = torch.sum(z, [-1], True) / torch.clamp_min(count, 1.)
            centred = torch.where(possible, z - mean, 0.)
            variance = torch.sum(centred * centred, [-1], True) / torch.clamp_min(count - 1., 1.)
            deviation = torch.sqrt(torch.clamp_min(variance, 1e-14))
            return torch.where(possible, centred / (deviation + 1e-7), logits)
          """);

  /**
   * Checks that there is a loss.
   *
   * @param loss the other loss
   */
  public Standardized {
    requireNonNull(loss, "loss");
  }

  @Override
  public NDArray compute(LossContext context) {
    return loss.compute(
        context.withSignals(standardized(context.student()), standardized(context.teacher())));
  }

  private static Signals standardized(Signals signals) {
    return signals.kinds().contains(SignalKind.LOGITS)
        ? signals.toBuilder().logits(FORMULA.call("standardized", signals.logits())).build()
        : signals;
  }

  @Override
  public Set<SignalKind> requires() {
    return loss.requires();
  }

  @Override
  public Set<SignalKind> requiresOfStudent() {
    return loss.requiresOfStudent();
  }

  @Override
  public Set<SignalKind> requiresOfTeacher() {
    return loss.requiresOfTeacher();
  }

  @Override
  public boolean requiresLabels() {
    return loss.requiresLabels();
  }

  @Override
  public void prepare(LossSetup setup) {
    loss.prepare(setup);
  }

  @Override
  public String name() {
    return loss.name();
  }

  @Override
  public double highestTemperature(double ofRun, ToDoubleFunction<TemperatureSchedule> highest) {
    return loss.highestTemperature(ofRun, highest);
  }

  @Override
  public List<LossTerm> terms() {
    return loss.terms().stream()
        .map(term -> new LossTerm(term.name(), term.weight(), new Standardized(term.loss())))
        .toList();
  }
}
