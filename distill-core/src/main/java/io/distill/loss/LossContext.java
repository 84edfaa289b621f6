package io.distill.loss;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.exception.DistillationException;
import io.distill.mapping.LayerMapping;
import io.distill.mapping.LayerPair;
import io.distill.schedule.Progress;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Everything a loss may look at for one batch. Made by the library, so it may grow; tests of a
 * custom loss make one with {@link #builder}.
 *
 * <p>All arrays belong to the step and die with it.
 */
public final class LossContext {

  private final Signals student;
  private final Signals teacher;
  private final @Nullable NDArray labels;
  private final @Nullable NDArray labelled;
  private final List<String> sampleIds;
  private final TemperatureSchedule temperature;
  private final LayerMapping layerMapping;
  private final Progress progress;
  private final Map<String, NDArray> parameters;
  private final NDManager manager;
  private final int rows;
  private final StepCounts step;

  private LossContext(Builder builder, NDManager manager, int rows) {
    this.student = builder.student;
    this.teacher = builder.teacher;
    this.labels = builder.labels;
    this.labelled = builder.labels == null ? null : labelledRows(builder.labels);
    this.sampleIds = builder.sampleIds;
    this.temperature = builder.temperature;
    this.layerMapping = builder.layerMapping;
    this.progress = builder.progress;
    this.parameters = builder.parameters;
    this.manager = manager;
    this.rows = rows;
    this.step = builder.step == null ? StepCounts.UNKNOWN : builder.step;
  }

  private LossContext(
      LossContext base,
      TemperatureSchedule temperature,
      LayerMapping layerMapping,
      Map<String, NDArray> parameters) {
    this.student = base.student;
    this.teacher = base.teacher;
    this.labels = base.labels;
    this.labelled = base.labelled;
    this.sampleIds = base.sampleIds;
    this.temperature = temperature;
    this.layerMapping = layerMapping;
    this.progress = base.progress;
    this.parameters = parameters;
    this.manager = base.manager;
    this.rows = base.rows;
    this.step = base.step;
  }

  /**
   * What one optimizer step holds in all, over its accumulated batches.
   *
   * @param rows the number of rows
   * @param labelledRows the number of rows that have a label
   * @param tokens the number of real student tokens; 0 for models without tokens
   */
  public record StepCounts(long rows, long labelledRows, long tokens) {
    static final StepCounts UNKNOWN = new StepCounts(-1, -1, -1);
  }

  /**
   * Starts a context by hand, as tests of a loss do.
   *
   * @param student the student's signals
   * @param teacher the teacher's signals; {@link Signals#none()} if there is no teacher
   * @return a builder
   */
  public static Builder builder(Signals student, Signals teacher) {
    return new Builder(student, teacher);
  }

  /**
   * Returns what the student says about the batch.
   *
   * @return signals, attached to the graph of the student's parameters
   */
  public Signals student() {
    return student;
  }

  /**
   * Returns what the teacher says about the batch.
   *
   * @return signals, without gradients
   */
  public Signals teacher() {
    return teacher;
  }

  /**
   * Returns the labels.
   *
   * @return class indices, int64 {@code [N]}; -1 where a row has none
   * @throws DistillationException if the data set has no labels at all
   */
  public NDArray labels() {
    if (labels == null) {
      throw new DistillationException(
          "labels must be present but the data set has none; a loss that reads labels must return"
              + " true from requiresLabels()");
    }
    return labels;
  }

  /**
   * Returns which rows have a label.
   *
   * @return float32 {@code [N]}, 1 for a labelled row and 0 for another
   * @throws DistillationException if the data set has no labels at all
   */
  public NDArray labelled() {
    NDArray all = labels();
    return labelled == null ? labelledRows(all) : labelled;
  }

  /**
   * Returns the ids of the rows.
   *
   * @return one stable id a row
   */
  public List<String> sampleIds() {
    return sampleIds;
  }

  /**
   * Returns the softmax temperature of this step.
   *
   * @return the temperature; finite and greater than 0
   * @throws DistillationException if the schedule returned something else
   */
  public double temperature() {
    double value = temperature.at(progress);
    if (!(Double.isFinite(value) && value > 0)) {
      throw new DistillationException(
          "temperature must be finite and greater than 0 but was "
              + value
              + " at step "
              + (progress.step() + 1)
              + "; correct the temperature schedule");
    }
    return value;
  }

  /**
   * Returns which student layers learn from which teacher layers.
   *
   * @return the pairs, checked against the layers that exist
   */
  public List<LayerPair> layerPairs() {
    return layerMapping.checkedPairs(layers(student), layers(teacher));
  }

  private static int layers(Signals signals) {
    return signals.kinds().contains(SignalKind.ATTENTION_SCORES)
            && !signals.kinds().contains(SignalKind.HIDDEN_STATES)
        ? signals.attentionScores().size()
        : signals.hiddenStates().size();
  }

  /**
   * Returns where the run stands.
   *
   * @return the progress
   */
  public Progress progress() {
    return progress;
  }

  /**
   * Returns a learned parameter that the loss declared in {@link DistillationLoss#prepare}.
   *
   * @param name its name
   * @return the parameter
   * @throws IllegalArgumentException if it was not declared
   */
  public NDArray parameter(String name) {
    NDArray parameter = parameters.get(name);
    checkArgument(
        parameter != null,
        "parameter %s must be declared in prepare(LossSetup) but only %s are",
        name,
        parameters.keySet());
    return requireNonNull(parameter);
  }

  /**
   * Returns whether the loss declared a parameter.
   *
   * @param name its name
   * @return whether it exists
   */
  public boolean hasParameter(String name) {
    return parameters.containsKey(name);
  }

  /**
   * Returns the owner of arrays that a loss creates.
   *
   * @return the step's manager
   */
  public NDManager manager() {
    return manager;
  }

  /**
   * Averages one value a row over the batch.
   *
   * @param perRow float32 {@code [N]}
   * @return a scalar
   * @throws DistillationException if the shape is not {@code [N]}
   */
  public NDArray meanOverRows(NDArray perRow) {
    checkRows("perRow", perRow, new Shape(rows));
    return perRow.sum().div(rows);
  }

  /**
   * Averages one value a row over the labelled rows; rows without a label do not count.
   *
   * @param perRow float32 {@code [N]}; values of unlabelled rows are ignored but must be finite
   * @return a scalar; 0, still attached to the graph, if no row has a label
   * @throws DistillationException if the shape is not {@code [N]} or there are no labels
   */
  public NDArray meanOverLabelledRows(NDArray perRow) {
    checkRows("perRow", perRow, new Shape(rows));
    NDArray sum = perRow.mul(labelled()).sum();
    if (step.rows() < 0) {
      return sum.div(Math.max(1f, labelled().sum().getFloat()));
    }
    return sum.mul(stepShare(step.labelledRows()));
  }

  /**
   * Averages one value a token over the student's real tokens; padding does not count.
   *
   * @param perToken float32 {@code [N, L]}; values of padding are ignored but must be finite
   * @return a scalar; 0, still attached to the graph, if there is no token
   * @throws DistillationException if the shape is not that of the student's mask
   */
  public NDArray meanOverTokens(NDArray perToken) {
    NDArray mask =
        student
            .mask()
            .orElseThrow(
                () ->
                    new DistillationException(
                        "student must give a token mask to average over tokens but gave none; use"
                            + " meanOverRows"));
    checkRows("perToken", perToken, mask.getShape());
    NDArray weights = mask.toType(DataType.FLOAT32, false);
    NDArray sum = perToken.mul(weights).sum();
    if (step.rows() < 0) {
      return sum.div(Math.max(1f, weights.sum().getFloat()));
    }
    return sum.mul(stepShare(step.tokens()));
  }

  /**
   * The loop weights a batch by its share of the step's rows. A sum over labelled rows or tokens is
   * divided by their number in the whole step, and by that share, so that the weighted batches add
   * up to the mean over the step.
   */
  private float stepShare(long count) {
    return (float) ((double) step.rows() / rows / Math.max(1, count));
  }

  private static void checkRows(String name, NDArray values, Shape expected) {
    if (!values.getShape().equals(expected)) {
      throw new DistillationException(
          name
              + " must have shape "
              + expected
              + " but had "
              + values.getShape()
              + "; reduce the other dimensions first");
    }
  }

  private static NDArray labelledRows(NDArray labels) {
    return labels.gte(0).toType(DataType.FLOAT32, false);
  }

  LossContext scoped(@Nullable TemperatureSchedule own, @Nullable LayerMapping ownMapping) {
    return new LossContext(
        this,
        own == null ? temperature : own,
        ownMapping == null ? layerMapping : ownMapping,
        parameters);
  }

  /** Returns this context with the parameters whose names have a prefix, without it. */
  LossContext nested(String prefix) {
    Map<String, NDArray> own = new HashMap<>();
    parameters.forEach(
        (name, array) -> {
          if (name.startsWith(prefix)) {
            own.put(name.substring(prefix.length()), array);
          }
        });
    return withParameters(own);
  }

  /**
   * Returns this context with the parameters of one term; for the training loop.
   *
   * @param own the term's parameters by the names it declared
   * @return the context of the term
   */
  public LossContext withParameters(Map<String, NDArray> own) {
    return new LossContext(this, temperature, layerMapping, Map.copyOf(own));
  }

  /** Collects the parts of a {@link LossContext}. */
  public static final class Builder {
    private final Signals student;
    private final Signals teacher;
    private @Nullable NDArray labels;
    private List<String> sampleIds = List.of();
    private TemperatureSchedule temperature = TemperatureSchedule.constant(1);
    private LayerMapping layerMapping = LayerMapping.uniform();
    private Progress progress = new Progress(0, 0, 1, 0);
    private Map<String, NDArray> parameters = Map.of();
    private @Nullable StepCounts step;

    private Builder(Signals student, Signals teacher) {
      this.student = requireNonNull(student, "student");
      // a loss that forgets to stop gradients must not reach the teacher
      this.teacher = requireNonNull(teacher, "teacher").map(NDArray::stopGradient);
    }

    /**
     * Sets the labels.
     *
     * @param labels class indices, int64 {@code [N]}; -1 where a row has none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder labels(NDArray labels) {
      this.labels = requireNonNull(labels, "labels");
      return this;
    }

    /**
     * Sets the ids of the rows.
     *
     * @param sampleIds one id a row; default none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder sampleIds(List<String> sampleIds) {
      this.sampleIds = List.copyOf(requireNonNull(sampleIds, "sampleIds"));
      return this;
    }

    /**
     * Sets the temperature.
     *
     * @param temperature the schedule; default constant 1
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder temperature(TemperatureSchedule temperature) {
      this.temperature = requireNonNull(temperature, "temperature");
      return this;
    }

    /**
     * Sets the layer mapping.
     *
     * @param layerMapping the mapping; default uniform
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder layerMapping(LayerMapping layerMapping) {
      this.layerMapping = requireNonNull(layerMapping, "layerMapping");
      return this;
    }

    /**
     * Sets where the run stands.
     *
     * @param progress the progress; default the only step of a run
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder progress(Progress progress) {
      this.progress = requireNonNull(progress, "progress");
      return this;
    }

    /**
     * Sets learned parameters.
     *
     * @param parameters parameters by name; default none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder parameters(Map<String, NDArray> parameters) {
      this.parameters = Map.copyOf(requireNonNull(parameters, "parameters"));
      return this;
    }

    /**
     * Sets what the whole optimizer step holds, when this batch is only a part of it.
     *
     * @param step the counts; default this batch alone
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder step(StepCounts step) {
      this.step = requireNonNull(step, "step");
      return this;
    }

    /**
     * Builds the context.
     *
     * @return the context
     * @throws IllegalStateException if the student has no signals
     */
    public LossContext build() {
      checkState(!student.kinds().isEmpty(), "student must give at least one kind of signal");
      NDArray first =
          student.kinds().contains(SignalKind.LOGITS)
              ? student.logits()
              : student.kinds().contains(SignalKind.EMBEDDING)
                  ? student.embedding()
                  : student.kinds().contains(SignalKind.HIDDEN_STATES)
                      ? student.hiddenStates().get(0)
                      : student.attentionScores().get(0);
      return new LossContext(this, first.getManager(), Math.toIntExact(first.getShape().get(0)));
    }
  }
}
