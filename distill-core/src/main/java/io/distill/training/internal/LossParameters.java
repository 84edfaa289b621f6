package io.distill.training.internal;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import com.google.common.collect.Sets;
import io.distill.exception.DistillationException;
import io.distill.loss.LossSetup;
import io.distill.loss.LossState;
import io.distill.loss.LossTerm;
import io.distill.loss.RowTemperature;
import io.distill.mapping.LayerMapping;
import io.distill.model.WeightInitializer;
import io.distill.signal.SignalWidths;
import io.distill.signal.Signals;
import io.distill.torchscript.HostTensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** The learned parameters that the terms of a loss declare; they live and die with the run. */
final class LossParameters {

  /** Owns what the run's temperature declares; no term has a blank name. */
  static final String RUN = "";

  private final Map<String, NDArray> parameters = new LinkedHashMap<>();
  private final Map<String, NDArray> buffers = new LinkedHashMap<>();
  private final Map<String, Map<String, NDArray>> parametersByTerm = new LinkedHashMap<>();
  private final Map<String, Map<String, NDArray>> buffersByTerm = new LinkedHashMap<>();

  private final List<LossState.Update> pending = new ArrayList<>();

  private LossParameters() {}

  /** What the terms of a loss, and the run's temperature, have declared; still in Java memory. */
  static final class Declared {
    private final Map<String, Declarations> byOwner = new LinkedHashMap<>();
    private final Map<String, List<String>> problems = new LinkedHashMap<>();
    private final List<DistillationException> causes = new ArrayList<>();

    /** Returns what terms cannot run with, by message: the names of the terms. */
    Map<String, List<String>> problems() {
      return problems;
    }

    /** Returns the exceptions behind the problems. */
    List<DistillationException> causes() {
      return causes;
    }

    /** Returns the bytes of what is learned. */
    long learnedBytes() {
      return bytes(each -> each.learned);
    }

    /** Returns the bytes of what is kept and not learned. */
    long keptBytes() {
      return bytes(each -> each.kept);
    }

    private long bytes(Function<Declarations, Map<String, HostTensor>> part) {
      return byOwner.values().stream()
          .flatMap(each -> part.apply(each).values().stream())
          .mapToLong(HostTensor::byteCount)
          .sum();
    }

    /** Makes the arrays. */
    LossParameters allocate(NDManager manager) {
      LossParameters all = new LossParameters();
      byOwner.forEach(
          (owner, declared) -> {
            all.parametersByTerm.put(owner, own(owner, declared.learned, all.parameters, manager));
            all.buffersByTerm.put(owner, own(owner, declared.kept, all.buffers, manager));
          });
      all.parameters.values().forEach(array -> array.setRequiresGradient(true));
      return all;
    }
  }

  /** What one owner has declared. */
  private static final class Declarations {
    private final Map<String, HostTensor> learned = new LinkedHashMap<>();
    private final Map<String, HostTensor> kept = new LinkedHashMap<>();
    private boolean ownLayers;
  }

  /**
   * Lets all terms declare what they need.
   *
   * @param temperature the run's temperature, if it declares something
   */
  static Declared declare(
      List<LossTerm> terms,
      @Nullable RowTemperature temperature,
      SignalWidths student,
      SignalWidths teacher,
      LayerMapping mapping,
      int rows,
      long seed) {
    Declared all = new Declared();
    WeightInitializer initializer = new WeightInitializer(seed);
    for (LossTerm term : terms) {
      Declarations own = new Declarations();
      all.byOwner.put(term.name(), own);
      try {
        term.loss()
            .prepare(new Setup(term.name(), student, teacher, mapping, rows, initializer, own));
        if (!own.ownLayers) {
          checkLayers(term, student, teacher, mapping);
        }
      } catch (DistillationException e) {
        all.problems
            .computeIfAbsent(requireNonNull(e.getMessage()), message -> new ArrayList<>())
            .add(term.name());
        all.causes.add(e);
      }
    }
    if (temperature != null) {
      Declarations own = new Declarations();
      all.byOwner.put(RUN, own);
      temperature.prepare(new Setup(RUN, student, teacher, mapping, rows, initializer, own));
    }
    return all;
  }

  /** Also for losses that declare nothing and so do not ask for their pairs. */
  private static void checkLayers(
      LossTerm term, SignalWidths student, SignalWidths teacher, LayerMapping mapping) {
    if (!Sets.intersection(term.loss().requires(), Signals.LAYERED).isEmpty()
        && !student.layerNames().isEmpty()
        && !teacher.layerNames().isEmpty()) {
      requireNonNull(mapping.checkedCandidates(student.layerNames(), teacher.layerNames()));
    }
  }

  private static Map<String, NDArray> own(
      String owner, Map<String, HostTensor> declared, Map<String, NDArray> all, NDManager manager) {
    Map<String, NDArray> own = new LinkedHashMap<>();
    declared.forEach(
        (name, tensor) -> {
          NDArray array = tensor.toArray(manager);
          own.put(name, array);
          all.put(qualified(owner, name), array);
        });
    return own;
  }

  private static String qualified(String owner, String name) {
    return owner.equals(RUN) ? "run.temperature." + name : "loss." + owner + "." + name;
  }

  /** Returns all parameters by a name that no student parameter has. */
  Map<String, NDArray> all() {
    return parameters;
  }

  /** Returns all buffers by their qualified names: what a checkpoint keeps beside parameters. */
  Map<String, NDArray> buffers() {
    return buffers;
  }

  /** Takes over parameters and buffers that {@link #all} and {@link #buffers} gave, bit for bit. */
  void restore(Map<String, HostTensor> saved) {
    Map<String, NDArray> present = new LinkedHashMap<>(parameters);
    present.putAll(buffers);
    if (!present.isEmpty() || !saved.isEmpty()) {
      Restoring.copy("loss state", saved, present);
    }
  }

  /**
   * Returns what a term owns as views that belong to a step: what a loss computes from them is then
   * closed with the step.
   */
  LossState of(String term, NDManager step) {
    return new LossState(
        views(parametersByTerm.getOrDefault(term, Map.of()), step),
        views(buffersByTerm.getOrDefault(term, Map.of()), step));
  }

  private static Map<String, NDArray> views(Map<String, NDArray> arrays, NDManager step) {
    Map<String, NDArray> views = new LinkedHashMap<>();
    arrays.forEach(
        (name, array) -> {
          NDArray view = array.reshape(array.getShape());
          view.attach(step);
          views.put(name, view);
        });
    return views;
  }

  /** Keeps the changes that a term asked for beyond the batch, until {@link #apply}. */
  void collect(String term, LossState state, NDManager kept) {
    for (LossState.Update update : state.updates()) {
      NDArray value = update.value().duplicate();
      value.attach(kept);
      NDArray rows = update.rows() == null ? null : update.rows().duplicate();
      if (rows != null) {
        rows.attach(kept);
      }
      pending.add(new LossState.Update(qualified(term, update.buffer()), rows, value));
    }
  }

  /** Makes the collected changes, oldest first. */
  void apply() {
    for (LossState.Update update : pending) {
      NDArray buffer = requireNonNull(buffers.get(update.buffer()));
      NDArray rows = update.rows();
      if (rows == null) {
        update.value().copyTo(buffer);
      } else {
        buffer.set(new NDIndex("{}", rows), update.value());
      }
    }
    pending.clear();
  }

  private record Setup(
      String term,
      SignalWidths student,
      SignalWidths teacher,
      LayerMapping layerMapping,
      int rows,
      WeightInitializer initializer,
      Declarations declarations)
      implements LossSetup {

    @Override
    public LossSetup onLayers(LayerMapping other) {
      declarations.ownLayers = true;
      return new Setup(term, student, teacher, other, rows, initializer, declarations);
    }

    @Override
    public void parameter(String name, Shape shape) {
      declare(declarations.learned, name, shape, drawn(name, shape));
    }

    @Override
    public void parameter(String name, Shape shape, float value) {
      declare(declarations.learned, name, shape, constant(name, shape, value));
    }

    @Override
    public void buffer(String name, Shape shape) {
      declare(declarations.kept, name, shape, drawn(name, shape));
    }

    @Override
    public void buffer(String name, Shape shape, float value) {
      declare(declarations.kept, name, shape, constant(name, shape, value));
    }

    private Supplier<HostTensor> drawn(String name, Shape shape) {
      checkArgument(shape.dimension() > 0, "shape of %s must have a dimension to draw from", name);
      double bound = 1 / Math.sqrt((double) shape.get(shape.dimension() - 1));
      return () -> initializer.uniform(qualified(term, name), bound, shape.getShape());
    }

    private Supplier<HostTensor> constant(String name, Shape shape, float value) {
      checkArgument(Float.isFinite(value), "value of %s must be finite but was %s", name, value);
      return () -> initializer.constant(value, shape.getShape());
    }

    private void declare(
        Map<String, HostTensor> declared, String name, Shape shape, Supplier<HostTensor> tensor) {
      HostTensor before = declared.get(name);
      checkArgument(
          before == null || before.shape().equals(shape),
          "%s was declared before with another shape than %s",
          name,
          shape);
      checkArgument(
          !(declared == declarations.kept ? declarations.learned : declarations.kept)
              .containsKey(name),
          "%s must be a parameter or a buffer but was declared as both",
          name);
      if (before == null) {
        declared.put(name, tensor.get());
      }
    }
  }
}
