package io.distill.examples.benchmark;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.internal.HostMemoryScope;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.LossState;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.Progress;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.SignalWidths;
import io.distill.signal.Signals;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Signals of the sizes that the benchmark promises, and one loss on them, forward and backward, as
 * the training loop does it.
 *
 * <p>Logits are {@code (128, 100)}, those of language models {@code (1, 129, 100)}, which is 128
 * predicted tokens; hidden states {@code (32, 128, 312)} or as a map {@code (32, 312, 8, 16)};
 * attention scores {@code (32, 12, 128, 128)} with queries, keys and values {@code (32, 12, 128,
 * 26)}; embeddings {@code (128, 312)}. Where a loss reads several, they have as many rows as the
 * largest. Student and teacher have the same widths and two layers each.
 */
final class LossSignals implements AutoCloseable {

  /** What a hidden state looks like. */
  enum Layout {
    /** One row of logits, tokens of hidden states. */
    ROWS,
    /** Maps of a convolution. */
    MAPS,
    /** Logits and labels of each token. */
    TOKENS
  }

  private static final int ROWS = 128;
  private static final int LARGE_ROWS = 32;
  private static final int CLASSES = 100;
  private static final int TOKENS = 128;
  private static final int WIDTH = 312;
  private static final int HEADS = 12;
  private static final int LAYERS = 2;
  private static final int DATA_ROWS = 4096;
  private static final int SEED = 5;

  private final NDManager manager = NativeEngine.newManager(Device.cpu());
  private final DistillationLoss loss;
  private final Layout layout;
  private final long rows;
  private final Signals student;
  private final Signals teacher;
  private final NDArray labels;
  private final NDArray rowIndices;
  private final Map<String, NDArray> parameters = new HashMap<>();
  private final Map<String, NDArray> buffers = new HashMap<>();
  private final Progress progress = new Progress(1, 100, 1000, SEED);

  LossSignals(DistillationLoss loss, Layout layout) {
    NativeEngine.prepareThread();
    NativeEngine.engine().setRandomSeed(SEED);
    JniUtils.setGradMode(true);
    this.loss = loss;
    this.layout = layout;
    Set<SignalKind> all = EnumSet.noneOf(SignalKind.class);
    all.addAll(loss.requiresOfStudent());
    all.addAll(loss.requiresOfTeacher());
    this.rows =
        layout == Layout.TOKENS
            ? 1
            : Collections.disjoint(all, Signals.LAYERED) ? ROWS : LARGE_ROWS;
    student = signals(kindsOf(loss.requiresOfStudent()), true);
    teacher = signals(loss.requiresOfTeacher(), false);
    labels =
        layout == Layout.TOKENS
            ? manager.randomInteger(0, CLASSES, new Shape(1, TOKENS + 1), DataType.INT64)
            : manager.randomInteger(0, CLASSES, new Shape(rows), DataType.INT64);
    rowIndices = manager.arange(0, Math.toIntExact(rows), 1, DataType.INT64);
    loss.prepare(new Declared(LayerMapping.uniform()));
  }

  /** A loss that only reads the teacher still needs a student to count rows by. */
  private static Set<SignalKind> kindsOf(Set<SignalKind> kinds) {
    return kinds.isEmpty() ? Set.of(SignalKind.LOGITS) : kinds;
  }

  private Signals signals(Collection<SignalKind> kinds, boolean trained) {
    Signals.Builder signals = Signals.builder();
    for (SignalKind kind : kinds) {
      switch (kind) {
        case LOGITS -> signals.logits(drawn(trained, logits()));
        case EMBEDDING -> signals.embedding(drawn(trained, new Shape(rows, WIDTH)));
        case LOGIT_FACTORS ->
            signals.logitFactors(
                new LogitFactors(
                    drawn(trained, new Shape(rows, TOKENS + 1, WIDTH)),
                    drawn(trained, new Shape(CLASSES, WIDTH))));
        default -> {
          List<NDArray> layers = new ArrayList<>();
          for (int i = 0; i < LAYERS; i++) {
            layers.add(drawn(trained, layer(kind)));
          }
          signals.layers(kind, layers);
        }
      }
    }
    if (layout == Layout.TOKENS) {
      signals.mask(manager.ones(new Shape(1, TOKENS + 1), DataType.INT64));
    } else if (layout == Layout.ROWS && !Collections.disjoint(kinds, Signals.LAYERED)) {
      signals.mask(manager.ones(new Shape(rows, TOKENS), DataType.INT64));
    }
    return signals.build();
  }

  private Shape logits() {
    return layout == Layout.TOKENS ? new Shape(1, TOKENS + 1, CLASSES) : new Shape(rows, CLASSES);
  }

  private Shape layer(SignalKind kind) {
    return switch (kind) {
      case HIDDEN_STATES ->
          layout == Layout.MAPS
              ? new Shape(rows, WIDTH, TOKENS / 16, 16)
              : new Shape(rows, TOKENS, WIDTH);
      case ATTENTION_SCORES -> new Shape(rows, HEADS, TOKENS, TOKENS);
      default -> new Shape(rows, HEADS, TOKENS, WIDTH / HEADS);
    };
  }

  private NDArray drawn(boolean trained, Shape shape) {
    NDArray array = manager.randomNormal(shape);
    if (trained) {
      array.setRequiresGradient(true);
    }
    return array;
  }

  /** Computes value and gradients once. */
  float evaluate() {
    return evaluate(() -> {}, () -> {});
  }

  /** Computes value and gradients once; the two are told when the loss starts and is done. */
  @SuppressWarnings("try") // the memory scope only has to be open
  float evaluate(Runnable before, Runnable after) {
    try (NDManager step = manager.newSubManager();
        HostMemoryScope memory = new HostMemoryScope()) {
      LossContext context =
          LossContext.builder(viewed(student, step), teacher)
              .labels(labels)
              .rowIndices(rowIndices)
              .temperature(TemperatureSchedule.constant(2))
              .progress(progress)
              .state(new LossState(parameters, buffers))
              .step(
                  new LossContext.StepCounts(
                      rows, rows, rows * TOKENS, layout == Layout.TOKENS ? TOKENS : 0))
              .build();
      before.run();
      NDArray value = loss.compute(context);
      after.run();
      JniUtils.backward(
          (PtNDArray) value,
          (PtNDArray) step.full(value.getShape(), 1f, DataType.FLOAT32),
          false,
          false);
      return value.getFloat();
    }
  }

  /** Arrays that a loss makes belong to the manager of its inputs: let that be the step's. */
  private static Signals viewed(Signals signals, NDManager step) {
    return signals.map(
        array -> {
          NDArray view = array.reshape(array.getShape());
          view.attach(step);
          return view;
        });
  }

  @Override
  public void close() {
    manager.close();
  }

  /** Makes what a loss declares. */
  private final class Declared implements LossSetup {
    private final LayerMapping mapping;

    Declared(LayerMapping mapping) {
      this.mapping = mapping;
    }

    @Override
    public SignalWidths student() {
      return SignalWidths.of(student);
    }

    @Override
    public SignalWidths teacher() {
      return SignalWidths.of(teacher);
    }

    @Override
    public int rows() {
      return DATA_ROWS;
    }

    @Override
    public LayerMapping layerMapping() {
      return mapping;
    }

    @Override
    public LossSetup onLayers(LayerMapping other) {
      return new Declared(other);
    }

    @Override
    public void parameter(String name, Shape shape) {
      parameters.computeIfAbsent(name, key -> trained(manager.randomUniform(-0.05f, 0.05f, shape)));
    }

    @Override
    public void parameter(String name, Shape shape, float value) {
      parameters.computeIfAbsent(
          name, key -> trained(manager.full(shape, value, DataType.FLOAT32)));
    }

    private NDArray trained(NDArray array) {
      array.setRequiresGradient(true);
      return array;
    }

    @Override
    public void buffer(String name, Shape shape) {
      buffers.computeIfAbsent(name, key -> manager.randomUniform(-0.05f, 0.05f, shape));
    }

    @Override
    public void buffer(String name, Shape shape, float value) {
      buffers.computeIfAbsent(name, key -> manager.full(shape, value, DataType.FLOAT32));
    }
  }
}
