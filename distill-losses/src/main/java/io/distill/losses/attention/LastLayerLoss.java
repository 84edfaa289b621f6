package io.distill.losses.attention;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.LayerLoss;
import io.distill.mapping.LayerMapping;

/**
 * A loss that compares the last layers, whatever the layer mapping of the run is, unless it is
 * given a mapping of its own.
 */
interface LastLayerLoss extends LayerLoss {

  /** Returns whether the loss was given a mapping, so that the context's is its own. */
  boolean mapped();

  /** Returns this loss as one that follows the context's mapping. */
  DistillationLoss followingMapping();

  @Override
  default NDArray compute(LossContext context) {
    return mapped()
        ? LayerLoss.super.compute(context)
        : onLayers(LayerMapping.last()).compute(context);
  }

  @Override
  default void prepare(LossSetup setup) {
    if (mapped()) {
      LayerLoss.super.prepare(setup);
    } else {
      onLayers(LayerMapping.last()).prepare(setup);
    }
  }

  @Override
  default DistillationLoss onLayers(LayerMapping mapping) {
    return mapped() ? LayerLoss.super.onLayers(mapping) : followingMapping().onLayers(mapping);
  }
}
