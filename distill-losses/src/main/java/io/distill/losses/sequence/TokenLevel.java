package io.distill.losses.sequence;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import com.google.common.collect.Sets;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.LossTerm;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Set;
import java.util.function.ToDoubleFunction;

/**
 * A loss on rows, taken over the tokens that a language model predicts.
 *
 * @param loss the loss on rows
 * @param vocabulary the number of token ids that exist; {@link #ALL} for all logits
 */
public record TokenLevel(DistillationLoss loss, int vocabulary) implements DistillationLoss {

  /** All logits are token ids. */
  public static final int ALL = 0;

  private static final Set<SignalKind> READABLE =
      Sets.immutableEnumSet(SignalKind.LOGITS, SignalKind.LOGIT_FACTORS);

  /** Checks the parts. */
  public TokenLevel {
    requireNonNull(loss, "loss");
    Set<SignalKind> others = Sets.difference(reads(loss), READABLE);
    checkArgument(
        others.isEmpty(),
        "loss must read nothing but logits to be taken token by token but %s reads %s; leave it"
            + " outside",
        loss.name(),
        others);
  }

  /** Checks a number of token ids that a user gave. */
  public static int size(int vocabulary) {
    checkArgument(vocabulary >= 1, "vocabularySize must be at least 1 but was %s", vocabulary);
    return vocabulary;
  }

  private static Set<SignalKind> reads(DistillationLoss loss) {
    return Sets.union(loss.requiresOfStudent(), loss.requiresOfTeacher());
  }

  @Override
  public NDArray compute(LossContext context) {
    return loss.compute(Vocabulary.cut(context, vocabulary).tokens());
  }

  @Override
  public List<LossTerm> terms() {
    return loss.terms().stream()
        .map(
            term ->
                new LossTerm(term.name(), term.weight(), new TokenLevel(term.loss(), vocabulary)))
        .toList();
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
  public boolean requiresSameClasses() {
    return vocabulary == ALL && loss.requiresSameClasses();
  }

  @Override
  public void prepare(LossSetup setup) {
    loss.prepare(setup);
  }

  @Override
  public double highestTemperature(double ofRun, ToDoubleFunction<TemperatureSchedule> highest) {
    return loss.highestTemperature(ofRun, highest);
  }

  @Override
  public String name() {
    return loss.name();
  }
}
