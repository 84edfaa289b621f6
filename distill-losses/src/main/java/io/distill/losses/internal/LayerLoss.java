package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.Set;

/** A loss that compares pairs of layers and averages over the pairs of the layer mapping. */
public interface LayerLoss extends DistillationLoss {

  /** Returns the distance of one pair of layers, a scalar that is a mean over rows or tokens. */
  NDArray distance(LossContext context, LayerPair pair);

  /** Declares what one pair of layers needs; nothing by default. */
  default void prepare(LossSetup setup, LayerPair pair) {}

  @Override
  default void prepare(LossSetup setup) {
    setup.layerPairs().forEach(pair -> prepare(setup, pair));
  }

  @Override
  default NDArray compute(LossContext context) {
    return context.overLayerPairs(pair -> distance(context, pair));
  }

  @Override
  default Set<SignalKind> requires() {
    return Set.of(SignalKind.HIDDEN_STATES);
  }

  /** Returns a name for what a pair of layers declares. */
  static String name(String what, LayerPair pair) {
    return what + "." + pair.student() + "." + pair.teacher();
  }
}
