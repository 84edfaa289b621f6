package io.distill.losses;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.internal.HostMemoryScope;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossState;
import io.distill.mapping.LayerMapping;
import io.distill.schedule.Progress;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.LogitFactors;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** What one loss sees of one batch, in host memory. Immutable. */
final class LossCase {

  /** One array of a model's signals; layers of a kind stand in their order. */
  record Part(SignalKind kind, Values values, boolean byRow) {
    static Part of(SignalKind kind, Values values) {
      return new Part(kind, values, true);
    }

    Part with(Values other) {
      return new Part(kind, other, byRow);
    }

    Part rows(int... rows) {
      return byRow ? with(values.rows(rows)) : this;
    }
  }

  /** The value of a loss, its gradients, and the changes of buffers that it asked for. */
  record Outcome(
      double value,
      List<Values> gradients,
      Map<String, Values> parameterGradients,
      List<Change> changes) {}

  /** A change of a buffer; rows are null for the whole buffer. */
  record Change(String buffer, @Nullable List<Long> rows, Values value) {}

  private List<Part> student = List.of();
  private List<Part> teacher = List.of();
  private @Nullable Values labels;
  private @Nullable Values mask;
  private @Nullable Values teacherMask;
  private @Nullable Values texts;
  private Values indices = new Values(new double[0], 0);
  private Map<String, Values> parameters = Map.of();
  private Map<String, Values> buffers = Map.of();
  private double temperature = 1;
  private LayerMapping mapping = LayerMapping.uniform();
  private Progress progress = new Progress(0, 0, 1, 0);
  private boolean inferred;

  private LossCase() {}

  private LossCase copy() {
    LossCase copy = new LossCase();
    copy.student = student;
    copy.teacher = teacher;
    copy.labels = labels;
    copy.mask = mask;
    copy.teacherMask = teacherMask;
    copy.texts = texts;
    copy.indices = indices;
    copy.parameters = parameters;
    copy.buffers = buffers;
    copy.temperature = temperature;
    copy.mapping = mapping;
    copy.progress = progress;
    copy.inferred = inferred;
    return copy;
  }

  static LossCase of(List<Part> student, List<Part> teacher) {
    LossCase made = new LossCase();
    made.student = List.copyOf(student);
    made.teacher = List.copyOf(teacher);
    made.indices =
        new Values(
            IntStream.range(0, student.get(0).values().rows()).asDoubleStream().toArray(),
            student.get(0).values().rows());
    return made;
  }

  static LossCase of(SignalKind kind, Values student, Values teacher) {
    return of(List.of(Part.of(kind, student)), List.of(Part.of(kind, teacher)));
  }

  static LossCase layers(List<Values> student, List<Values> teacher, @Nullable Values mask) {
    return layers(SignalKind.HIDDEN_STATES, student, teacher, mask);
  }

  static LossCase layers(
      SignalKind kind, List<Values> student, List<Values> teacher, @Nullable Values mask) {
    return of(parts(kind, student), parts(kind, teacher)).withMask(mask);
  }

  static LossCase labelled(Values student, Integer... labels) {
    return of(List.of(Part.of(SignalKind.LOGITS, student)), List.of()).withLabels(labels);
  }

  private static List<Part> parts(SignalKind kind, List<Values> values) {
    return values.stream().map(each -> Part.of(kind, each)).toList();
  }

  List<Values> student() {
    return student.stream().map(Part::values).toList();
  }

  List<Values> teacher() {
    return teacher.stream().map(Part::values).toList();
  }

  List<Part> studentParts() {
    return student;
  }

  List<Part> teacherParts() {
    return teacher;
  }

  Map<String, Values> parameters() {
    return parameters;
  }

  Map<String, Values> buffers() {
    return buffers;
  }

  Values indices() {
    return indices;
  }

  /** Replaces the student's arrays; their kinds stay. */
  LossCase withStudent(List<Values> other) {
    LossCase copy = copy();
    copy.student = replaced(student, other);
    return copy;
  }

  /** Replaces the teacher's arrays; kinds stay, or are the student's where there were none. */
  LossCase withTeacher(List<Values> other) {
    LossCase copy = copy();
    copy.teacher = replaced(teacher.size() == other.size() ? teacher : student, other);
    return copy;
  }

  private static List<Part> replaced(List<Part> parts, List<Values> values) {
    return IntStream.range(0, values.size())
        .mapToObj(i -> parts.get(i).with(values.get(i)))
        .toList();
  }

  LossCase withParameters(Map<String, Values> other) {
    LossCase copy = copy();
    copy.parameters = other;
    return copy;
  }

  LossCase withBuffers(Map<String, Values> other) {
    LossCase copy = copy();
    copy.buffers = other;
    return copy;
  }

  LossCase withLabels(Integer... other) {
    return withLabels(
        new Values(List.of(other).stream().mapToDouble(i -> i).toArray(), other.length));
  }

  /** Sets labels {@code [N]} or {@code [N, L]}. */
  LossCase withLabels(@Nullable Values other) {
    LossCase copy = copy();
    copy.labels = other;
    return copy;
  }

  LossCase withMask(@Nullable Values other) {
    LossCase copy = copy();
    copy.mask = other;
    return copy;
  }

  LossCase withTeacherMask(@Nullable Values other) {
    LossCase copy = copy();
    copy.teacherMask = other;
    return copy;
  }

  /** Makes the student a causal model that reads rows of several texts, 0 for padding. */
  LossCase withTexts(@Nullable Values other) {
    LossCase copy = copy();
    copy.texts = other;
    return copy;
  }

  LossCase withIndices(Values other) {
    LossCase copy = copy();
    copy.indices = other;
    return copy;
  }

  LossCase withMapping(LayerMapping other) {
    LossCase copy = copy();
    copy.mapping = other;
    return copy;
  }

  LossCase withProgress(Progress other) {
    LossCase copy = copy();
    copy.progress = other;
    return copy;
  }

  LossCase atTemperature(double other) {
    LossCase copy = copy();
    copy.temperature = other;
    return copy;
  }

  /** The teacher's arrays as a teacher gives them in a run: made in libtorch's inference mode. */
  LossCase inferred() {
    LossCase copy = copy();
    copy.inferred = true;
    return copy;
  }

  LossCase mapStudent(UnaryOperator<Values> operation) {
    return withStudent(student().stream().map(operation).toList());
  }

  LossCase mapTeacher(UnaryOperator<Values> operation) {
    return withTeacher(teacher().stream().map(operation).toList());
  }

  int size() {
    return student.get(0).values().rows();
  }

  LossCase rows(int... rows) {
    LossCase copy = copy();
    copy.student = student.stream().map(part -> part.rows(rows)).toList();
    copy.teacher = teacher.stream().map(part -> part.rows(rows)).toList();
    copy.labels = labels == null ? null : labels.rows(rows);
    copy.mask = mask == null ? null : mask.rows(rows);
    copy.teacherMask = teacherMask == null ? null : teacherMask.rows(rows);
    copy.texts = texts == null ? null : texts.rows(rows);
    copy.indices = indices.rows(rows);
    return copy;
  }

  /** What a step of exactly this batch holds, as the training loop counts it. */
  LossContext.StepCounts counts() {
    long labelled = 0;
    long targets = 0;
    if (labels != null) {
      long[] shape = labels.shape();
      double[] numbers = labels.doubles();
      for (int i = 0; i < numbers.length; i++) {
        labelled += numbers[i] >= 0 ? 1 : 0;
        targets += numbers[i] >= 0 && shape.length == 2 && i % shape[1] > 0 ? 1 : 0;
      }
    }
    long tokens = 0;
    if (mask != null) {
      double[] numbers = mask.doubles();
      long length = mask.shape()[1];
      for (int i = 0; i < numbers.length; i++) {
        tokens += numbers[i] > 0 ? 1 : 0;
        targets += labels == null && numbers[i] > 0 && i % length > 0 ? 1 : 0;
      }
    }
    return new LossContext.StepCounts(size(), labelled, tokens, targets);
  }

  Outcome evaluate(DistillationLoss loss) {
    return evaluate(loss, null, 1);
  }

  Outcome evaluate(DistillationLoss loss, LossContext.@Nullable StepCounts step, float share) {
    return evaluate(loss, step, share, DataType.FLOAT32);
  }

  /**
   * Computes value and gradients. Fails unless the value is a scalar of the type that is attached
   * to the student, and unless the teacher is left without gradients.
   *
   * @param step the counts of the whole step; null for this batch alone
   * @param share the share of the step's rows, by which value and gradients are weighted
   * @param type float32, as in a run, or float64, for finite differences
   */
  @SuppressWarnings("try") // the memory scope only has to be open
  Outcome evaluate(
      DistillationLoss loss, LossContext.@Nullable StepCounts step, float share, DataType type) {
    NativeEngine.prepareThread();
    JniUtils.setGradMode(true);
    try (NDManager manager = NativeEngine.newManager(Device.cpu());
        HostMemoryScope memory = new HostMemoryScope()) {
      List<NDArray> of = leaves(student, manager, type);
      List<NDArray> from =
          inferred
              ? teacher.stream().map(part -> inferred(part.values(), manager, type)).toList()
              : leaves(teacher, manager, type);
      Map<String, NDArray> learned = new LinkedHashMap<>();
      parameters.forEach((name, values) -> learned.put(name, leaf(values, manager, type)));
      Map<String, NDArray> kept = new LinkedHashMap<>();
      buffers.forEach((name, values) -> kept.put(name, values.toArray(manager, type)));
      LossState state = new LossState(learned, kept);
      LossContext.Builder context =
          LossContext.builder(
                  marked(
                      signals(student, of, mask == null ? null : mask.toArray(manager, type)),
                      manager),
                  signals(
                      teacher,
                      from,
                      teacherMask == null ? null : teacherMask.toArray(manager, type)))
              .temperature(TemperatureSchedule.constant(temperature))
              .layerMapping(mapping)
              .progress(progress)
              .rowIndices(manager.create(indices.longs(), new Shape(indices.shape())))
              .state(state);
      if (labels != null) {
        context.labels(manager.create(labels.longs(), new Shape(labels.shape())));
      }
      if (step != null) {
        context.step(step);
      }
      NDArray value = loss.compute(context.build());
      if (value.getDataType() != type || value.getShape().dimension() != 0) {
        throw new AssertionError(
            "a loss must be a "
                + type
                + " scalar but was "
                + value.getDataType()
                + " "
                + value.getShape());
      }
      NDArray seed = manager.full(new Shape(), share, type);
      // fails if the value is not attached to any leaf
      JniUtils.backward((PtNDArray) value, (PtNDArray) seed, false, false);
      for (NDArray array : from) {
        if (JniUtils.getGradient((PtNDArray) array) != null) {
          throw new AssertionError("a loss must give the teacher no gradient");
        }
      }
      Map<String, Values> parameterGradients = new LinkedHashMap<>();
      learned.forEach((name, array) -> parameterGradients.put(name, gradient(array)));
      List<Change> changes =
          state.updates().stream()
              .map(
                  update ->
                      new Change(
                          update.buffer(),
                          update.rows() == null
                              ? null
                              : Arrays.stream(update.rows().toLongArray()).boxed().toList(),
                          values(update.value())))
              .toList();
      double number = type == DataType.FLOAT64 ? value.getDouble() : value.getFloat();
      return new Outcome(
          share * number,
          of.stream().map(LossCase::gradient).toList(),
          parameterGradients,
          changes);
    }
  }

  double value(DistillationLoss loss) {
    return evaluate(loss).value();
  }

  private static List<NDArray> leaves(List<Part> parts, NDManager manager, DataType type) {
    List<NDArray> leaves = new ArrayList<>();
    parts.forEach(each -> leaves.add(leaf(each.values(), manager, type)));
    return leaves;
  }

  private static NDArray leaf(Values values, NDManager manager, DataType type) {
    NDArray array = values.toArray(manager, type);
    array.setRequiresGradient(true);
    return array;
  }

  private static NDArray inferred(Values values, NDManager manager, DataType type) {
    return Teacher.MODEL.call("copy", new NDList(values.toArray(manager, type)), false).get(0);
  }

  /** A model whose outputs libtorch refuses to keep for a backward pass. */
  private static final class Teacher {
    static final LoadedModule MODEL =
        LoadedModule.load(
            ScriptModule.builder("Teacher")
                .method("def copy(self, x: Tensor) -> Tensor:\n  return torch.clone(x)")
                .build(),
            Device.cpu(),
            false);
  }

  /** A part that the loss does not read has no gradient: zeros. */
  private static Values gradient(NDArray leaf) {
    return JniUtils.getGradient((PtNDArray) leaf) == null
        ? Values.zeros(leaf.getShape().getShape())
        : values(leaf.getGradient());
  }

  private static Values values(NDArray array) {
    long[] shape = array.getShape().getShape();
    return array.getDataType() == DataType.FLOAT64
        ? new Values(array.toDoubleArray(), shape)
        : new Values(array.toFloatArray(), shape);
  }

  private Signals marked(Signals signals, NDManager manager) {
    return texts == null
        ? signals
        : signals.toBuilder()
            .texts(manager.create(texts.longs(), new Shape(texts.shape())))
            .build();
  }

  private static Signals signals(List<Part> parts, List<NDArray> arrays, @Nullable NDArray tokens) {
    Signals.Builder signals = Signals.builder();
    Map<SignalKind, List<NDArray>> byKind = new LinkedHashMap<>();
    for (int i = 0; i < parts.size(); i++) {
      byKind.computeIfAbsent(parts.get(i).kind(), kind -> new ArrayList<>()).add(arrays.get(i));
    }
    byKind.forEach(
        (kind, own) -> {
          switch (kind) {
            case LOGITS -> signals.logits(own.get(0));
            case EMBEDDING -> signals.embedding(own.get(0));
            case LOGIT_FACTORS -> signals.logitFactors(new LogitFactors(own.get(0), own.get(1)));
            default -> signals.layers(kind, own);
          }
        });
    if (tokens != null) {
      signals.mask(tokens);
    }
    return signals.build();
  }
}
