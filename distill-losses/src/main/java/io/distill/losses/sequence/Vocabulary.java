package io.distill.losses.sequence;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.LossContext;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;

/**
 * Cuts logits to the token ids that exist. Models pad their vocabularies to round sizes, each to
 * its own; a padded entry must not get probability, which cutting it off sees to.
 */
final class Vocabulary {

  private Vocabulary() {}

  static LossContext cut(LossContext context, int vocabulary) {
    return vocabulary == TokenLevel.ALL
        ? context
        : context.withSignals(
            cut("student", context.student(), vocabulary),
            cut("teacher", context.teacher(), vocabulary));
  }

  private static Signals cut(String who, Signals signals, int vocabulary) {
    Signals.Builder cut = signals.toBuilder();
    if (signals.kinds().contains(SignalKind.LOGITS)) {
      NDArray logits = signals.logits();
      int last = logits.getShape().dimension() - 1;
      require(who, logits.getShape(), last, vocabulary);
      cut.logits(logits.get(new NDIndex("..., :{}", vocabulary)));
    }
    if (signals.kinds().contains(SignalKind.LOGIT_FACTORS)) {
      LogitFactors factors = signals.logitFactors();
      require(who, factors.weight().getShape(), 0, vocabulary);
      cut.logitFactors(
          new LogitFactors(factors.states(), factors.weight().get(new NDIndex(":{}", vocabulary))));
    }
    return cut.build();
  }

  private static void require(String who, Shape shape, int dimension, int vocabulary) {
    if (dimension < 0 || shape.get(dimension) < vocabulary) {
      throw new DistillationException(
          who
              + " must have at least as many logits as the vocabularySize of the loss, "
              + vocabulary
              + ", but had shape "
              + shape
              + "; give the number of token ids that both models know");
    }
  }
}
