package io.distill.loss;

import ai.djl.ndarray.types.Shape;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalWidths;
import java.util.List;

/**
 * What a loss learns about a run before its first step, and where it declares learned parameters.
 * Implemented by the library alone, so it may grow.
 *
 * <p>Declared parameters are trained and kept with the run and never reach the saved student. Two
 * terms may use the same name: each sees its own.
 */
public interface LossSetup {

  /**
   * Returns the widths of the student's signals.
   *
   * @return the widths
   */
  SignalWidths student();

  /**
   * Returns the widths of the teacher's signals.
   *
   * @return the widths
   */
  SignalWidths teacher();

  /**
   * Returns which student layers learn from which teacher layers.
   *
   * @return the pairs of the run's layer mapping
   */
  List<LayerPair> layerPairs();

  /**
   * Returns this set-up with another layer mapping.
   *
   * @param mapping the mapping
   * @return the set-up, declaring to the same run
   */
  LossSetup onLayers(LayerMapping mapping);

  /**
   * Declares a learned parameter, drawn uniformly from {@code ±1/√fanIn} where fan-in is the last
   * dimension.
   *
   * @param name its name, by which {@link LossContext#parameter} finds it
   * @param shape its shape
   * @throws IllegalArgumentException if the term declared the name before with another shape
   */
  void parameter(String name, Shape shape);

  /**
   * Declares a learned parameter that starts at a constant.
   *
   * @param name its name, by which {@link LossContext#parameter} finds it
   * @param shape its shape
   * @param value the value of all elements at the start; finite
   * @throws IllegalArgumentException if the term declared the name before with another shape
   */
  void parameter(String name, Shape shape, float value);
}
