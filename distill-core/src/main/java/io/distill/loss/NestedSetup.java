package io.distill.loss;

import ai.djl.ndarray.types.Shape;
import io.distill.mapping.LayerMapping;
import io.distill.signal.SignalWidths;

/** The set-up of a term inside a sum that is one term itself: names get a prefix. */
record NestedSetup(LossSetup outer, String prefix) implements LossSetup {

  @Override
  public SignalWidths student() {
    return outer.student();
  }

  @Override
  public SignalWidths teacher() {
    return outer.teacher();
  }

  @Override
  public int rows() {
    return outer.rows();
  }

  @Override
  public LayerMapping layerMapping() {
    return outer.layerMapping();
  }

  @Override
  public LossSetup onLayers(LayerMapping mapping) {
    return new NestedSetup(outer.onLayers(mapping), prefix);
  }

  @Override
  public void parameter(String name, Shape shape) {
    outer.parameter(prefix + name, shape);
  }

  @Override
  public void parameter(String name, Shape shape, float value) {
    outer.parameter(prefix + name, shape, value);
  }

  @Override
  public void buffer(String name, Shape shape) {
    outer.buffer(prefix + name, shape);
  }

  @Override
  public void buffer(String name, Shape shape, float value) {
    outer.buffer(prefix + name, shape, value);
  }
}
