package io.distill.loss;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.mapping.LayerMapping;
import java.util.function.UnaryOperator;

/** A loss under another name. */
record NamedLoss(DistillationLoss loss, String name) implements ForwardingLoss {

  NamedLoss {
    requireNonNull(loss, "loss");
    checkArgument(!requireNonNull(name, "name").isBlank(), "name must not be blank");
  }

  @Override
  public DistillationLoss onLayers(LayerMapping mapping) {
    return new NamedLoss(loss.onLayers(mapping), name);
  }

  @Override
  public DistillationLoss mapInnermost(UnaryOperator<DistillationLoss> operation) {
    return new NamedLoss(loss.mapInnermost(operation), name);
  }
}
