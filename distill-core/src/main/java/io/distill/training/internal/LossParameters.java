package io.distill.training.internal;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.LossSetup;
import io.distill.loss.LossTerm;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.model.WeightInitializer;
import io.distill.signal.SignalWidths;
import io.distill.torchscript.HostTensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** The learned parameters that the terms of a loss declare; they live and die with the run. */
final class LossParameters {

  private final Map<String, NDArray> arrays = new LinkedHashMap<>();
  private final Map<String, Map<String, NDArray>> byTerm = new LinkedHashMap<>();

  private LossParameters() {}

  static LossParameters declare(
      List<LossTerm> terms,
      SignalWidths student,
      SignalWidths teacher,
      LayerMapping mapping,
      long seed,
      NDManager manager) {
    LossParameters parameters = new LossParameters();
    WeightInitializer initializer = new WeightInitializer(seed);
    for (LossTerm term : terms) {
      Map<String, HostTensor> declared = new LinkedHashMap<>();
      term.loss().prepare(new Setup(term.name(), student, teacher, mapping, initializer, declared));
      Map<String, NDArray> own = new LinkedHashMap<>();
      declared.forEach(
          (name, tensor) -> {
            NDArray array = tensor.toArray(manager);
            array.setRequiresGradient(true);
            own.put(name, array);
            parameters.arrays.put("loss." + term.name() + "." + name, array);
          });
      parameters.byTerm.put(term.name(), own);
    }
    return parameters;
  }

  /** Returns all parameters by a name that no student parameter has. */
  Map<String, NDArray> all() {
    return arrays;
  }

  /**
   * Returns the parameters of a term as views that belong to a step: what a loss computes from them
   * is then closed with the step.
   */
  Map<String, NDArray> of(String term, NDManager step) {
    Map<String, NDArray> views = new LinkedHashMap<>();
    byTerm
        .getOrDefault(term, Map.of())
        .forEach(
            (name, array) -> {
              NDArray view = array.reshape(array.getShape());
              view.attach(step);
              views.put(name, view);
            });
    return views;
  }

  private record Setup(
      String term,
      SignalWidths student,
      SignalWidths teacher,
      LayerMapping mapping,
      WeightInitializer initializer,
      Map<String, HostTensor> declared)
      implements LossSetup {

    @Override
    public List<LayerPair> layerPairs() {
      return mapping.checkedPairs(student.layers(), teacher.layers());
    }

    @Override
    public LossSetup onLayers(LayerMapping other) {
      return new Setup(term, student, teacher, other, initializer, declared);
    }

    @Override
    public void parameter(String name, Shape shape) {
      checkArgument(shape.dimension() > 0, "shape of %s must have a dimension to draw from", name);
      double bound = 1 / Math.sqrt((double) shape.get(shape.dimension() - 1));
      declare(
          name,
          shape,
          () -> initializer.uniform("loss." + term + "." + name, bound, shape.getShape()));
    }

    @Override
    public void parameter(String name, Shape shape, float value) {
      checkArgument(Float.isFinite(value), "value of %s must be finite but was %s", name, value);
      declare(name, shape, () -> initializer.constant(value, shape.getShape()));
    }

    private void declare(String name, Shape shape, Supplier<HostTensor> tensor) {
      HostTensor before = declared.get(name);
      checkArgument(
          before == null || before.shape().equals(shape),
          "parameter %s was declared before with another shape than %s",
          name,
          shape);
      if (before == null) {
        declared.put(name, tensor.get());
      }
    }
  }
}
