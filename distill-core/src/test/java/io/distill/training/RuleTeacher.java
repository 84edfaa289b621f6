package io.distill.training;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.distill.data.Batch;
import io.distill.data.Tokenizer;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.teacher.Teacher;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.UnaryOperator;

/** A teacher for rows of numbers whose logits are a function of the row, written in Java. */
public final class RuleTeacher implements Teacher {

  private final UnaryOperator<float[]> rule;
  private final Set<SignalKind> kinds;
  private final List<String> classNames;

  /** How many rows were asked about. */
  public final AtomicInteger rowsAsked = new AtomicInteger();

  public RuleTeacher(UnaryOperator<float[]> rule, Set<SignalKind> kinds, List<String> classNames) {
    this.rule = rule;
    this.kinds = kinds;
    this.classNames = classNames;
  }

  /** Gives the row itself as logits. */
  public static RuleTeacher echo() {
    return of(row -> row);
  }

  public static RuleTeacher of(UnaryOperator<float[]> rule) {
    return new RuleTeacher(rule, Set.of(SignalKind.LOGITS), List.of());
  }

  @Override
  public Signals signals(Batch batch, Set<SignalKind> asked) {
    rowsAsked.addAndGet(batch.size());
    NDArray inputs = batch.inputs().get(0);
    NDManager manager = inputs.getManager();
    float[] values = inputs.toFloatArray();
    int width = values.length / batch.size();
    float[][] answers = new float[batch.size()][];
    for (int i = 0; i < answers.length; i++) {
      answers[i] = rule.apply(Arrays.copyOfRange(values, i * width, (i + 1) * width));
    }
    Signals.Builder signals = Signals.builder();
    Shape shape = new Shape(answers.length, answers[0].length);
    float[] flat = new float[(int) shape.size()];
    for (int i = 0; i < answers.length; i++) {
      System.arraycopy(answers[i], 0, flat, i * answers[0].length, answers[0].length);
    }
    if (kinds.contains(SignalKind.LOGITS)) {
      signals.logits(manager.create(flat, shape));
    }
    if (kinds.contains(SignalKind.EMBEDDING)) {
      signals.embedding(manager.create(flat, shape));
    }
    if (kinds.contains(SignalKind.HIDDEN_STATES)) {
      signals.hiddenStates(
          List.of(
              manager.create(flat, shape),
              manager.create(flat, shape),
              manager.create(flat, shape)));
    }
    return signals.build();
  }

  @Override
  public Set<SignalKind> provides() {
    return kinds;
  }

  @Override
  public Optional<Tokenizer> tokenizer() {
    return Optional.empty();
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  @Override
  public Device device() {
    return Device.cpu();
  }
}
