package io.distill.loss;

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
import java.util.List;
import java.util.Map;
import java.util.function.Function;
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
  private final Shared shared;
  private final List<String> sampleIds;
  private final @Nullable NDArray rowIndices;
  private final Temperatures temperatures;
  private final LayerMapping layerMapping;
  private final Progress progress;
  private final LossState state;
  private final NDManager manager;
  private final int rows;
  private final @Nullable Double rowWeight;
  private final StepCounts step;

  private LossContext(Builder builder, NDManager manager, int rows) {
    this.student = builder.student;
    this.teacher = builder.teacher;
    this.labels = builder.labels;
    this.shared = builder.shared;
    this.sampleIds = builder.sampleIds;
    this.rowIndices = builder.rowIndices;
    this.temperatures = builder.temperatures;
    this.layerMapping = builder.layerMapping;
    this.progress = builder.progress;
    this.state = builder.state;
    this.manager = manager;
    this.rows = rows;
    this.rowWeight = builder.rowWeight;
    this.step = builder.step == null ? StepCounts.UNKNOWN : builder.step;
  }

  /** What contexts on the same rows and labels make once, and only if a loss reads it. */
  private static final class Shared {
    private @Nullable NDArray labelled;
    private @Nullable NDArray tokenMask;
    private @Nullable NDArray rowShare;
    private @Nullable NDArray labelledRowShare;
    private @Nullable NDArray tokenShare;
  }

  /**
   * What one optimizer step holds in all, over its accumulated batches.
   *
   * @param rows the number of rows
   * @param labelledRows the number of rows that have a label
   * @param tokens the number of real student tokens; 0 for models without tokens
   * @param targets the number of tokens that a language model predicts; 0 for models without tokens
   */
  public record StepCounts(long rows, long labelledRows, long tokens, long targets) {
    static final StepCounts UNKNOWN = new StepCounts(-1, -1, -1, -1);
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
   * @return class indices, int64 {@code [N]}, or {@code [N, L]} token ids of a language model;
   *     negative where a row or token has none
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
   * Returns whether there are labels.
   *
   * @return whether {@link #labels()} gives them
   */
  public boolean hasLabels() {
    return labels != null;
  }

  /**
   * Returns which rows have a label.
   *
   * @return float32 {@code [N]}, 1 for a labelled row and 0 for another; with labels of tokens 1
   *     for a row that has one after its first token
   * @throws DistillationException if the data set has no labels at all
   */
  public NDArray labelled() {
    NDArray all = labels();
    if (shared.labelled == null) {
      NDArray has =
          all.getShape().dimension() < 2
              ? all.gte(0)
              : all.get(":, 1:").gte(0).toType(DataType.INT32, false).sum(new int[] {1}).gt(0);
      shared.labelled = has.toType(DataType.FLOAT32, false);
    }
    return shared.labelled;
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
   * Returns the positions of the rows in the training set: where a memory bank keeps them.
   *
   * @return indices from 0, int64 {@code [N]}
   * @throws DistillationException if they are unknown, as in a context made by hand
   */
  public NDArray rowIndices() {
    if (rowIndices == null) {
      throw new DistillationException(
          "row indices must be known but this context has none; give them to its builder");
    }
    return rowIndices;
  }

  /**
   * Returns the softmax temperatures of this step as an array to divide logits by.
   *
   * @return float32, one for all rows {@code []} or one a row {@code [N, 1]}; greater than 0;
   *     attached to the graph if the temperature is learned
   */
  public NDArray temperatures() {
    return temperatures.values(this);
  }

  /**
   * Returns the softmax temperature of this step.
   *
   * @return the temperature; finite and greater than 0
   * @throws DistillationException if the schedule returned something else, or if the temperature
   *     differs row by row
   */
  public double temperature() {
    return temperatures.single(this);
  }

  /**
   * Returns which student layers learn from which teacher layers.
   *
   * @return the pairs, checked against the layers that exist
   */
  public List<LayerPair> layerPairs() {
    return layerMapping.checkedPairs(student.layerNames(), teacher.layerNames(), progress);
  }

  /**
   * Averages a distance over the pairs of layers, as the layer mapping weights them: equally, by
   * learned shares, or by the flow of the earth mover's distance.
   *
   * @param distance gives the distance of a pair, a scalar
   * @return a scalar, differentiable in the distances and, if they are learned, in the shares
   * @throws IllegalArgumentException if the shares are learned but the loss did not call {@link
   *     LossSetup#layerPairs} in {@link DistillationLoss#prepare}
   */
  public NDArray overLayerPairs(Function<LayerPair, NDArray> distance) {
    List<LayerPair> pairs = layerPairs();
    return LayerAverage.of(
        this, layerMapping.weighting(), pairs, pairs.stream().map(distance).toList());
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
    return state.parameter(name);
  }

  /**
   * Returns whether the loss declared a parameter.
   *
   * @param name its name
   * @return whether it exists
   */
  public boolean hasParameter(String name) {
    return state.parameters().containsKey(name);
  }

  /**
   * Returns an array that the loss declared with {@link LossSetup#buffer}.
   *
   * @param name its name
   * @return the buffer as it was before this step, without gradients
   * @throws IllegalArgumentException if it was not declared
   */
  public NDArray buffer(String name) {
    return state.buffer(name);
  }

  /**
   * Asks for new values of a buffer. The change is made after the optimizer step, so that all
   * batches of a step see the same buffer.
   *
   * @param name the name of the buffer
   * @param value the new values, of the buffer's shape; gradients are cut off
   * @throws IllegalArgumentException if it was not declared, or the shape differs
   */
  public void update(String name, NDArray value) {
    state.update(name, null, value);
  }

  /**
   * Asks for new values of some rows of a buffer, to be written after the optimizer step.
   *
   * @param name the name of the buffer
   * @param indices the rows to write, int64 {@code [K]}
   * @param values the new rows, {@code [K, ...]}; gradients are cut off
   * @throws IllegalArgumentException if it was not declared, or the shape differs
   */
  public void updateRows(String name, NDArray indices, NDArray values) {
    state.update(name, requireNonNull(indices, "indices"), values);
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
    return perRow.sum().mul(rowShare());
  }

  /**
   * Returns the factor that makes the sum over the batch's rows what {@link #meanOverRows} gives,
   * for losses that take the sum themselves.
   *
   * @return the factor, float32 {@code []}, without gradients; made once for the batch
   */
  public NDArray rowShare() {
    if (shared.rowShare == null) {
      shared.rowShare = scalar(rowWeight == null ? 1.0 / Math.max(1, rows) : rowWeight);
    }
    return shared.rowShare;
  }

  /**
   * Returns the factor that makes the sum over the batch's labelled rows what {@link
   * #meanOverLabelledRows} gives, for losses that take the sum themselves.
   *
   * @return the factor, float32 {@code []}, without gradients; made once for the batch
   * @throws DistillationException if the data set has no labels at all
   */
  public NDArray labelledRowShare() {
    if (rowWeight != null) {
      // rows of their own, all of which have labels
      return rowShare();
    }
    if (shared.labelledRowShare == null) {
      shared.labelledRowShare =
          scalar(
              step.rows() < 0
                  ? 1.0 / Math.max(1f, labelled().sum().getFloat())
                  : stepShare(step.labelledRows()));
    }
    return shared.labelledRowShare;
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
    return perRow.mul(labelled()).sum().mul(labelledRowShare());
  }

  /**
   * Averages one value a token over the student's real tokens; padding does not count.
   *
   * @param perToken float32 {@code [N, L]}; values of padding are ignored but must be finite
   * @return a scalar; 0, still attached to the graph, if there is no token
   * @throws DistillationException if the shape is not that of the student's mask
   */
  public NDArray meanOverTokens(NDArray perToken) {
    checkRows("perToken", perToken, mask().getShape());
    return perToken.mul(tokenMask()).sum().mul(tokenShare());
  }

  /**
   * Returns the factor that makes the sum over the student's real tokens what {@link
   * #meanOverTokens} gives, for losses that take the sum themselves.
   *
   * @return the factor, float32 {@code []}, without gradients; made once for the batch
   * @throws DistillationException if the student gave no token mask
   */
  public NDArray tokenShare() {
    if (shared.tokenShare == null) {
      shared.tokenShare =
          scalar(
              uncounted(mask())
                  ? 1.0 / Math.max(1f, tokenMask().sum().getFloat())
                  : stepShare(step.tokens()));
    }
    return shared.tokenShare;
  }

  private NDArray tokenMask() {
    if (shared.tokenMask == null) {
      shared.tokenMask = mask().toType(DataType.FLOAT32, false);
    }
    return shared.tokenMask;
  }

  private NDArray mask() {
    return student
        .mask()
        .orElseThrow(
            () ->
                new DistillationException(
                    "student must give a token mask to average over tokens but gave none; use"
                        + " meanOverRows"));
  }

  /** An array of libtorch's own memory: the graph of gradients may point to it. */
  private NDArray scalar(double value) {
    return manager.full(new Shape(), (float) value, DataType.FLOAT32);
  }

  /**
   * Whoever counts a step gives arrays without a mask one token a row; where there is room for more
   * a batch must count its own.
   */
  private boolean uncounted(NDArray mask) {
    return step.rows() < 0 || (step.tokens() <= step.rows() && mask.getShape().get(1) > 1);
  }

  /**
   * The loop weights a batch by its share of the step's rows. A sum over labelled rows or tokens is
   * divided by their number in the whole step, and by that share, so that the weighted batches add
   * up to the mean over the step.
   */
  private double stepShare(long count) {
    return (double) step.rows() / rows / Math.max(1, count);
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

  /**
   * Returns this batch with other signals, as a loss that wraps another one gives it.
   *
   * @param changedStudent the student's signals, for the same rows
   * @param changedTeacher the teacher's signals, for the same rows
   * @return the context
   */
  public LossContext withSignals(Signals changedStudent, Signals changedTeacher) {
    Builder builder = new Builder(changedStudent, changedTeacher);
    builder.inherit(this);
    // the other student may count other tokens
    if (changedStudent.mask().orElse(null) != student.mask().orElse(null)) {
      builder.shared = new Shared();
    }
    return builder.build();
  }

  /**
   * Returns the tokens that a language model predicts as rows of their own, so that every loss on
   * rows is a loss on tokens.
   *
   * <p>The logits at one position predict the token at the next, so the last position of logits and
   * the first of labels and mask fall away: the one shift that is needed, done here. A token counts
   * if it has a label of at least 0; without labels, if the student's mask has it. Only tokens that
   * count are rows of the result, and means are taken over the tokens of the whole optimizer step.
   *
   * @return the context; logits {@code [M, V]} and labels {@code [M]} for {@code M} tokens
   * @throws DistillationException if the student's logits are not {@code [N, L, V]}, or labels and
   *     mask are missing
   */
  public LossContext tokens() {
    return TokenRows.of(this);
  }

  /**
   * Returns a builder of a context on other rows.
   *
   * @param changedTeacher what was made of this context's teacher, and so without gradients
   */
  Builder onRows(Signals changedStudent, Signals changedTeacher, double weight) {
    Builder builder = new Builder(this, changedStudent, changedTeacher);
    builder.labels = null;
    builder.shared = new Shared();
    builder.sampleIds = List.of();
    builder.rowIndices = null;
    builder.temperatures = temperatures.ofTokens();
    builder.rowWeight = weight;
    return builder;
  }

  /** Returns the factor of a sum over tokens that makes it the mean over those of the step. */
  double tokenWeight(long tokens) {
    // whoever counts the step may not know its tokens, as of arrays; one batch knows its own
    boolean whole = step.rows() == rows || step.targets() < tokens;
    return whole ? 1.0 / Math.max(1, tokens) : stepShare(step.targets());
  }

  LossContext scoped(@Nullable TemperatureSchedule own, @Nullable LayerMapping ownMapping) {
    Builder scoped = new Builder(this);
    if (own != null) {
      scoped.temperature(own);
    }
    if (ownMapping != null) {
      scoped.layerMapping(ownMapping);
    }
    return scoped.build();
  }

  LossContext at(Temperatures own) {
    Builder builder = new Builder(this);
    builder.temperatures = own;
    return builder.build();
  }

  /** Returns the number of rows of the batch. */
  int rows() {
    return rows;
  }

  /** Returns this context with the parameters and buffers whose names have a prefix, without it. */
  LossContext nested(String prefix) {
    return withState(state.nested(prefix));
  }

  /**
   * Returns this context with what one term owns; for the training loop.
   *
   * @param own the term's parameters and buffers by the names it declared
   * @return the context of the term
   */
  public LossContext withState(LossState own) {
    Builder builder = new Builder(this);
    builder.state = requireNonNull(own, "own");
    return builder.build();
  }

  /** Collects the parts of a {@link LossContext}. */
  public static final class Builder {
    private final Signals student;
    private final Signals teacher;
    private @Nullable NDArray labels;
    private Shared shared = new Shared();
    private List<String> sampleIds = List.of();
    private @Nullable NDArray rowIndices;
    private Temperatures temperatures = Temperatures.scheduled(TemperatureSchedule.constant(1));
    private @Nullable RowTemperature rowTemperature;
    private LossState rowState = LossState.none();
    private LayerMapping layerMapping = LayerMapping.uniform();
    private Progress progress = new Progress(0, 0, 1, 0);
    private LossState state = LossState.none();
    private @Nullable Double rowWeight;
    private @Nullable StepCounts step;

    private Builder(Signals student, Signals teacher) {
      this.student = requireNonNull(student, "student");
      // a loss that forgets to stop gradients must not reach the teacher
      this.teacher = requireNonNull(teacher, "teacher").map(NDArray::stopGradient);
    }

    private Builder(LossContext from) {
      this(from, from.student, from.teacher);
    }

    private Builder(LossContext from, Signals student, Signals teacher) {
      this.student = student;
      this.teacher = teacher;
      inherit(from);
    }

    private void inherit(LossContext from) {
      labels = from.labels;
      shared = from.shared;
      sampleIds = from.sampleIds;
      rowIndices = from.rowIndices;
      temperatures = from.temperatures;
      layerMapping = from.layerMapping;
      progress = from.progress;
      state = from.state;
      rowWeight = from.rowWeight;
      step = from.step;
    }

    /**
     * Sets the labels.
     *
     * @param labels class indices, int64 {@code [N]}, or {@code [N, L]} token ids of a language
     *     model; negative where a row or token has none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder labels(NDArray labels) {
      this.labels = requireNonNull(labels, "labels");
      this.shared = new Shared();
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
      this.temperatures = Temperatures.scheduled(requireNonNull(temperature, "temperature"));
      this.rowTemperature = null;
      return this;
    }

    /**
     * Sets temperatures that differ row by row or are learned.
     *
     * @param temperature the temperatures
     * @param state what the temperatures declared
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder temperature(RowTemperature temperature, LossState state) {
      this.rowTemperature = requireNonNull(temperature, "temperature");
      this.rowState = requireNonNull(state, "state");
      return this;
    }

    /**
     * Sets the positions of the rows in the training set.
     *
     * @param rowIndices indices from 0, int64 {@code [N]}; default unknown
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder rowIndices(NDArray rowIndices) {
      this.rowIndices = requireNonNull(rowIndices, "rowIndices");
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
      this.temperatures = temperatures.afresh();
      return this;
    }

    /**
     * Sets learned parameters, without buffers.
     *
     * @param parameters parameters by name; default none
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder parameters(Map<String, NDArray> parameters) {
      return state(new LossState(requireNonNull(parameters, "parameters"), Map.of()));
    }

    /**
     * Sets learned parameters and buffers.
     *
     * @param state what the loss declared
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder state(LossState state) {
      this.state = requireNonNull(state, "state");
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
      this.shared = new Shared();
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
      NDArray first = first(student);
      LossContext context =
          new LossContext(this, first.getManager(), Math.toIntExact(first.getShape().get(0)));
      if (rowTemperature == null) {
        return context;
      }
      LossContext rule = context.withState(rowState);
      return context.at(Temperatures.of(rowTemperature, () -> rule));
    }

    private static NDArray first(Signals signals) {
      SignalKind kind = signals.kinds().iterator().next();
      return switch (kind) {
        case LOGITS -> signals.logits();
        case EMBEDDING -> signals.embedding();
        case LOGIT_FACTORS -> signals.logitFactors().states();
        default -> signals.layers(kind).get(0);
      };
    }
  }
}
