package io.distill.losses;

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
import io.distill.mapping.LayerMapping;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What one loss sees of one batch, in host memory.
 *
 * @param kind the kind of signal on both sides
 * @param student the student's arrays: one, or one a layer
 * @param teacher the teacher's arrays; empty if the loss needs no teacher
 * @param labels class indices; null if there are none
 * @param mask the student's real tokens; null if there are no tokens
 * @param parameters learned parameters by name
 * @param temperature the softmax temperature
 * @param mapping the layer mapping
 */
record LossCase(
    SignalKind kind,
    List<Values> student,
    List<Values> teacher,
    @Nullable List<Integer> labels,
    @Nullable Values mask,
    Map<String, Values> parameters,
    double temperature,
    LayerMapping mapping) {

  /** The value of a loss and its gradients. */
  record Outcome(double value, List<Values> gradients, Map<String, Values> parameterGradients) {}

  static LossCase of(SignalKind kind, Values student, Values teacher) {
    return new LossCase(
        kind, List.of(student), List.of(teacher), null, null, Map.of(), 1, LayerMapping.uniform());
  }

  static LossCase layers(List<Values> student, List<Values> teacher, @Nullable Values mask) {
    return new LossCase(
        SignalKind.HIDDEN_STATES,
        student,
        teacher,
        null,
        mask,
        Map.of(),
        1,
        LayerMapping.uniform());
  }

  static LossCase labelled(Values student, Integer... labels) {
    return new LossCase(
        SignalKind.LOGITS,
        List.of(student),
        List.of(),
        List.of(labels),
        null,
        Map.of(),
        1,
        LayerMapping.uniform());
  }

  LossCase withStudent(List<Values> other) {
    return new LossCase(kind, other, teacher, labels, mask, parameters, temperature, mapping);
  }

  LossCase withTeacher(List<Values> other) {
    return new LossCase(kind, student, other, labels, mask, parameters, temperature, mapping);
  }

  LossCase withParameters(Map<String, Values> other) {
    return new LossCase(kind, student, teacher, labels, mask, other, temperature, mapping);
  }

  LossCase withMask(@Nullable Values other) {
    return new LossCase(kind, student, teacher, labels, other, parameters, temperature, mapping);
  }

  LossCase withMapping(LayerMapping other) {
    return new LossCase(kind, student, teacher, labels, mask, parameters, temperature, other);
  }

  LossCase atTemperature(double other) {
    return new LossCase(kind, student, teacher, labels, mask, parameters, other, mapping);
  }

  LossCase mapStudent(UnaryOperator<Values> operation) {
    return withStudent(student.stream().map(operation).toList());
  }

  LossCase mapTeacher(UnaryOperator<Values> operation) {
    return withTeacher(teacher.stream().map(operation).toList());
  }

  int size() {
    return student.get(0).rows();
  }

  LossCase rows(int... rows) {
    return new LossCase(
        kind,
        student.stream().map(values -> values.rows(rows)).toList(),
        teacher.stream().map(values -> values.rows(rows)).toList(),
        labels == null ? null : IntStream.of(rows).mapToObj(labels::get).toList(),
        mask == null ? null : mask.rows(rows),
        parameters,
        temperature,
        mapping);
  }

  /** What a step of exactly this batch holds, as the training loop counts it. */
  LossContext.StepCounts counts() {
    long labelled = labels == null ? 0 : labels.stream().filter(label -> label >= 0).count();
    long tokens = 0;
    if (mask != null) {
      for (float token : mask.numbers()) {
        tokens += token > 0 ? 1 : 0;
      }
    }
    return new LossContext.StepCounts(size(), labelled, tokens);
  }

  Outcome evaluate(DistillationLoss loss) {
    return evaluate(loss, null, 1);
  }

  /**
   * Computes value and gradients. Fails unless the value is a float32 scalar that is attached to
   * the student, and unless the teacher is left without gradients.
   *
   * @param step the counts of the whole step; null for this batch alone
   * @param share the share of the step's rows, by which value and gradients are weighted
   */
  @SuppressWarnings("try") // the memory scope only has to be open
  Outcome evaluate(DistillationLoss loss, LossContext.@Nullable StepCounts step, float share) {
    NativeEngine.prepareThread();
    JniUtils.setGradMode(true);
    try (NDManager manager = NativeEngine.newManager(Device.cpu());
        HostMemoryScope memory = new HostMemoryScope()) {
      List<NDArray> of = leaves(student, manager);
      List<NDArray> from = leaves(teacher, manager);
      Map<String, NDArray> learned = new LinkedHashMap<>();
      parameters.forEach((name, values) -> learned.put(name, leaf(values, manager)));
      LossContext.Builder context =
          LossContext.builder(
                  signals(of, mask == null ? null : mask.toArray(manager)), signals(from, null))
              .temperature(TemperatureSchedule.constant(temperature))
              .layerMapping(mapping)
              .parameters(learned);
      if (labels != null) {
        long[] indices = labels.stream().mapToLong(Integer::longValue).toArray();
        context.labels(manager.create(indices, new Shape(indices.length)));
      }
      if (step != null) {
        context.step(step);
      }
      NDArray value = loss.compute(context.build());
      if (value.getDataType() != DataType.FLOAT32 || value.getShape().dimension() != 0) {
        throw new AssertionError(
            "a loss must be a float32 scalar but was "
                + value.getDataType()
                + " "
                + value.getShape());
      }
      NDArray seed = manager.full(new Shape(), share, DataType.FLOAT32);
      // fails if the value is not attached to any leaf
      JniUtils.backward((PtNDArray) value, (PtNDArray) seed, false, false);
      for (NDArray array : from) {
        if (JniUtils.getGradient((PtNDArray) array) != null) {
          throw new AssertionError("a loss must give the teacher no gradient");
        }
      }
      Map<String, Values> parameterGradients = new LinkedHashMap<>();
      learned.forEach((name, array) -> parameterGradients.put(name, gradient(array)));
      return new Outcome(
          share * (double) value.getFloat(),
          of.stream().map(LossCase::gradient).toList(),
          parameterGradients);
    }
  }

  double value(DistillationLoss loss) {
    return evaluate(loss).value();
  }

  private static List<NDArray> leaves(List<Values> values, NDManager manager) {
    List<NDArray> leaves = new ArrayList<>();
    values.forEach(each -> leaves.add(leaf(each, manager)));
    return leaves;
  }

  private static NDArray leaf(Values values, NDManager manager) {
    NDArray array = values.toArray(manager);
    array.setRequiresGradient(true);
    return array;
  }

  private static Values gradient(NDArray leaf) {
    return new Values(leaf.getGradient().toFloatArray(), leaf.getShape().getShape());
  }

  private Signals signals(List<NDArray> arrays, @Nullable NDArray tokens) {
    if (arrays.isEmpty()) {
      return Signals.none();
    }
    Signals.Builder signals = Signals.builder();
    switch (kind) {
      case LOGITS -> signals.logits(arrays.get(0));
      case EMBEDDING -> signals.embedding(arrays.get(0));
      case HIDDEN_STATES -> signals.hiddenStates(arrays);
      case ATTENTION_SCORES -> signals.attentionScores(arrays);
    }
    if (tokens != null) {
      signals.mask(tokens);
    }
    return signals.build();
  }
}
