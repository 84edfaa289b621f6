package io.distill.loss;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import io.distill.mapping.LayerMapping;
import java.util.function.UnaryOperator;

/** A loss under another name. */
final class NamedLoss extends ForwardingLoss {

  private final String name;

  NamedLoss(DistillationLoss delegate, String name) {
    super(delegate);
    checkArgument(!requireNonNull(name, "name").isBlank(), "name must not be blank");
    this.name = name;
  }

  @Override
  public DistillationLoss onLayers(LayerMapping mapping) {
    return new NamedLoss(delegate().onLayers(mapping), name);
  }

  @Override
  public DistillationLoss mapInnermost(UnaryOperator<DistillationLoss> operation) {
    return new NamedLoss(delegate().mapInnermost(operation), name);
  }

  @Override
  public String name() {
    return name;
  }
}
