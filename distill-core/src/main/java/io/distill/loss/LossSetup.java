package io.distill.loss;

import ai.djl.ndarray.types.Shape;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.mapping.LayerWeighting;
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

  /** The name of the learned layer weights, {@code [student layers, teacher layers]}. */
  String LAYER_WEIGHTS = "layerWeights";

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
   * Returns the number of rows of the training set.
   *
   * @return the number of rows; {@link LossContext#rowIndices} are below it
   */
  int rows();

  /**
   * Returns the layer mapping.
   *
   * @return the run's layer mapping, or the loss's own
   */
  LayerMapping layerMapping();

  /**
   * Returns all pairs of layers that may come up, and declares the layer weights if the mapping
   * learns them. A loss that calls {@link LossContext#overLayerPairs} must call this in {@link
   * DistillationLoss#prepare}.
   *
   * @return the candidate pairs of the layer mapping, checked against the layers that exist
   */
  default List<LayerPair> layerPairs() {
    List<String> students = student().layerNames();
    List<String> teachers = teacher().layerNames();
    List<LayerPair> pairs = layerMapping().checkedCandidates(students, teachers);
    if (layerMapping().weighting() == LayerWeighting.LEARNED) {
      parameter(LAYER_WEIGHTS, new Shape(students.size(), teachers.size()), 0f);
    }
    return pairs;
  }

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

  /**
   * Declares an array that is kept with the run but not learned, such as a memory bank; drawn
   * uniformly from {@code ±1/√width} where width is the last dimension.
   *
   * @param name its name, by which {@link LossContext#buffer} finds it
   * @param shape its shape
   * @throws IllegalArgumentException if the term declared the name before with another shape
   */
  void buffer(String name, Shape shape);

  /**
   * Declares an array that is kept with the run but not learned and starts at a constant.
   *
   * @param name its name, by which {@link LossContext#buffer} finds it
   * @param shape its shape
   * @param value the value of all elements at the start; finite
   * @throws IllegalArgumentException if the term declared the name before with another shape
   */
  void buffer(String name, Shape shape, float value);
}
