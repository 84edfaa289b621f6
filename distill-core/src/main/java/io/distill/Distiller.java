package io.distill;

import static com.google.common.base.Preconditions.checkArgument;
import static com.google.common.base.Preconditions.checkState;
import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.Model;
import ai.djl.training.dataset.RandomAccessDataset;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.exception.NonFiniteLossException;
import io.distill.internal.NativeEngine;
import io.distill.loss.DistillationLoss;
import io.distill.loss.RowTemperature;
import io.distill.mapping.LayerMapping;
import io.distill.model.Precision;
import io.distill.provenance.Environment;
import io.distill.provenance.Provenance;
import io.distill.provenance.RecipeDescription;
import io.distill.provenance.Terms;
import io.distill.provenance.TermsPolicy;
import io.distill.schedule.LearningRateSchedule;
import io.distill.schedule.TemperatureSchedule;
import io.distill.student.Student;
import io.distill.teacher.Teacher;
import io.distill.training.EarlyStopping;
import io.distill.training.Every;
import io.distill.training.Optimizer;
import io.distill.training.TrainingListener;
import io.distill.training.internal.CheckpointPlan;
import io.distill.training.internal.Declarations;
import io.distill.training.internal.Recipe;
import io.distill.training.internal.RecipeDescriber;
import io.distill.training.internal.ResumePlan;
import io.distill.training.internal.StopSignal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.LongUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * An immutable recipe for teaching a student what a teacher knows; {@link #fit} runs it.
 *
 * <pre>{@code
 * DistillationResult result = Distiller.builder()
 *     .teacher(teacher)
 *     .student(Student.encoder().layers(2).hiddenSize(128).build())
 *     .loss(softTargets().weighted(0.9).plus(hardLabels().weighted(0.1)))
 *     .temperature(TemperatureSchedule.cosine(6, 1))
 *     .epochs(10).batchSize(32).seed(42)
 *     .fit(dataset);
 * }</pre>
 *
 * <p>The same recipe on the same data gives the same weights, bit for bit on CPU. A recipe holds no
 * state of a run; it may be run many times, and by several threads at once.
 */
public final class Distiller {

  private final Recipe recipe;

  private Distiller(Recipe recipe) {
    this.recipe = recipe;
  }

  Recipe recipe() {
    return recipe;
  }

  /**
   * Starts a recipe.
   *
   * @return a builder; teacher, student and loss must be set
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * Starts a recipe that repeats a recorded one: everything that a file can hold is set, and a run
   * on the same teacher and data gives the same weights, bit for bit on the same versions, device
   * and number of threads.
   *
   * <p>What no file can hold must be set again: the teacher, and losses, schedules and students of
   * the user's own; {@link Builder#missing} names them. The run is refused, and told what differs,
   * if one of them, the data, or anything that is set otherwise is not what was recorded; {@link
   * Builder#allowDifferences} lets it differ where that is meant.
   *
   * @param provenance what {@link DistillationResult#provenance()} gave, or {@link Provenance#read}
   *     reads
   * @return a builder
   * @throws DistillationException if the recorded recipe is damaged, or needs a module that is not
   *     on the class path
   */
  public static Builder from(Provenance provenance) {
    Builder builder = new Builder();
    builder.repeat(provenance);
    return builder;
  }

  /**
   * Trains the student, on this thread.
   *
   * <p>An interrupt of the thread ends the run after its present step, as {@link
   * DistillationRun#stop()} does, with a last checkpoint if there are any; the result then is the
   * student as it stands, and the interrupt stays set. So does the end of the process (Ctrl-C),
   * which waits for the step and the last checkpoint; this method then does not return.
   *
   * @param dataset the rows to learn from; labels are only needed by losses that read them
   * @return the trained student and how it came about; close it
   * @throws DistillationException if the parts do not fit each other (all problems in one message),
   *     or a model fails
   * @throws NonFiniteLossException if a loss term or the gradient stops being finite
   */
  public DistillationResult fit(DistillationDataset dataset) {
    return DistillationResult.of(recipe, requireNonNull(dataset, "dataset"), new StopSignal());
  }

  /**
   * Trains the student on a DJL data set.
   *
   * @param dataset the rows to learn from
   * @return the trained student and how it came about; close it
   * @throws DistillationException as {@link #fit(DistillationDataset)}
   */
  public DistillationResult fit(RandomAccessDataset dataset) {
    return fit(DistillationDataset.of(dataset));
  }

  /**
   * Starts to train the student on a thread of its own.
   *
   * @param dataset the rows to learn from; labels are only needed by losses that read them
   * @return the run: stop it, or wait for its result
   */
  public DistillationRun start(DistillationDataset dataset) {
    return DistillationRun.start(recipe, requireNonNull(dataset, "dataset"));
  }

  /**
   * Starts to train the student on a DJL data set, on a thread of its own.
   *
   * @param dataset the rows to learn from
   * @return the run: stop it, or wait for its result
   */
  public DistillationRun start(RandomAccessDataset dataset) {
    return start(DistillationDataset.of(dataset));
  }

  /**
   * Collects the parts of a recipe.
   *
   * <p>Each part may be set once; listeners add up. {@link #build} leaves the builder unchanged.
   */
  public static final class Builder {

    /** The default number of passes over the data. */
    public static final int DEFAULT_EPOCHS = 10;

    /** The default number of rows of a batch. */
    public static final int DEFAULT_BATCH_SIZE = 32;

    /** The default seed. */
    public static final long DEFAULT_SEED = 42;

    /** The default number of checkpoints that are kept. */
    public static final int DEFAULT_KEPT_CHECKPOINTS = 3;

    private static final String ONLY_ONCE = "%s must be set only once but was already set";

    private @Nullable Teacher teacher;
    private @Nullable Student student;
    private @Nullable DistillationLoss loss;
    private @Nullable TemperatureSchedule temperature;
    private @Nullable RowTemperature rowTemperature;
    private @Nullable LayerMapping layerMapping;
    private @Nullable Integer epochs;
    private @Nullable Long steps;
    private @Nullable Integer batchSize;
    private @Nullable Integer gradientAccumulation;
    private @Nullable Double gradientClipping;
    private @Nullable Optimizer optimizer;
    private @Nullable LearningRateSchedule learningRateSchedule;
    private @Nullable Long seed;
    private @Nullable Device device;
    private @Nullable Precision precision;
    private @Nullable Boolean activationCheckpointing;
    private @Nullable Long memoryLimit;
    private @Nullable DistillationDataset validation;
    private @Nullable Integer gradientNorms;
    private @Nullable List<Every> evaluations;
    private @Nullable EarlyStopping earlyStopping;
    private @Nullable Path checkpointDirectory;
    private List<Every> checkpointIntervals = List.of();
    private @Nullable Integer keptCheckpoints;
    private @Nullable ResumePlan resume;
    private @Nullable TermsPolicy termsPolicy;
    private @Nullable String allowReason;
    private @Nullable String dataName;
    private @Nullable String dataLicence;
    private @Nullable String studentLicence;
    private final List<TrainingListener> listeners = new ArrayList<>();
    private @Nullable RecipeDescription recorded;
    private @Nullable Environment recordedOn;
    private Map<String, String> missingOfRecorded = Map.of();
    private final Set<String> mayDiffer = new LinkedHashSet<>();

    /** What a recorded recipe has set, and the user may still set otherwise. */
    private final Set<String> preset = new HashSet<>();

    private Builder() {}

    private void repeat(Provenance provenance) {
      RecipeDescriber.Parts parts = RecipeDescriber.restore(provenance.recipe());
      recorded = provenance.recipe();
      recordedOn = provenance.environment();
      missingOfRecorded = parts.missing();
      teacher = parts.withoutTeacher() ? Teacher.none() : null;
      student = parts.student();
      loss = parts.loss();
      temperature = parts.temperature();
      rowTemperature = parts.rowTemperature();
      layerMapping = parts.layerMapping();
      epochs = parts.epochs();
      steps = parts.steps();
      batchSize = parts.batchSize();
      gradientAccumulation = parts.gradientAccumulation();
      gradientClipping = parts.gradientClipping();
      optimizer = parts.optimizer();
      learningRateSchedule = parts.learningRateSchedule();
      seed = parts.seed();
      device = parts.device();
      precision = parts.precision();
      activationCheckpointing = parts.activationCheckpointing();
      gradientNorms = parts.gradientNormSteps();
      evaluations = parts.evaluations().isEmpty() ? null : parts.evaluations();
      earlyStopping = parts.earlyStopping();
      preset.addAll(
          List.of(
              "teacher",
              "student",
              "loss",
              "temperature",
              "layerMapping",
              "epochs",
              "steps",
              "batchSize",
              "gradientAccumulation",
              "gradientClipping",
              "optimizer",
              "learningRateSchedule",
              "seed",
              "device",
              "gradientNorms",
              "evaluateEvery",
              "earlyStopping"));
    }

    /**
     * Sets who teaches. Required.
     *
     * @param teacher the teacher; it stays the caller's to close. {@link Teacher#none()} for a
     *     student that learns from labels alone
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder teacher(Teacher teacher) {
      this.teacher = once("teacher", this.teacher, teacher);
      return this;
    }

    /**
     * Sets a DJL model as the teacher.
     *
     * @param model a model on the PyTorch engine whose block is initialised; it stays the caller's
     *     to close
     * @return this builder
     * @throws IllegalStateException if a teacher was set before
     */
    @CanIgnoreReturnValue
    public Builder teacher(Model model) {
      return teacher(Teacher.of(model));
    }

    /**
     * Sets who learns. Required.
     *
     * @param student the student
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder student(Student student) {
      this.student = once("student", this.student, student);
      return this;
    }

    /**
     * Sets a DJL model as the student; its parameters are trained in place.
     *
     * @param model a model on the PyTorch engine whose block is initialised; it stays the caller's
     *     to close
     * @return this builder
     * @throws IllegalStateException if a student was set before
     */
    @CanIgnoreReturnValue
    public Builder student(Model model) {
      return student(Student.of(model));
    }

    /**
     * Sets what is made small. Required.
     *
     * @param loss the loss; a lambda is one
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder loss(DistillationLoss loss) {
      this.loss = once("loss", this.loss, loss);
      return this;
    }

    /**
     * Sets one softmax temperature for the whole run.
     *
     * @param temperature the temperature; finite and greater than 0; default 1; usual range 1 to 10
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder temperature(double temperature) {
      return temperature(TemperatureSchedule.constant(temperature));
    }

    /**
     * Sets the softmax temperature of losses that have none of their own.
     *
     * @param temperature the schedule; a lambda is one; default constant 1
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder temperature(TemperatureSchedule temperature) {
      rowTemperature = unlessPreset("temperature", rowTemperature);
      checkState(rowTemperature == null, ONLY_ONCE, "temperature");
      this.temperature = once("temperature", this.temperature, temperature);
      return this;
    }

    /**
     * Sets a temperature that differs row by row or is learned, for losses that have none of their
     * own; they share it, and what it learns.
     *
     * @param temperature the temperature, such as {@link RowTemperature#learned()}
     * @return this builder
     * @throws IllegalStateException if a temperature was set before
     */
    @CanIgnoreReturnValue
    public Builder temperature(RowTemperature temperature) {
      this.temperature = unlessPreset("temperature", this.temperature);
      checkState(this.temperature == null, ONLY_ONCE, "temperature");
      this.rowTemperature = once("temperature", this.rowTemperature, temperature);
      return this;
    }

    /**
     * Sets which student layer learns from which teacher layer, for losses that have no mapping of
     * their own.
     *
     * @param layerMapping the mapping; a lambda is one; default {@link LayerMapping#uniform()}
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder layerMapping(LayerMapping layerMapping) {
      this.layerMapping = once("layerMapping", this.layerMapping, layerMapping);
      return this;
    }

    /**
     * Sets how often all rows are seen.
     *
     * @param epochs the number of passes; at least 1; default 10
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder epochs(int epochs) {
      checkArgument(epochs >= 1, "epochs must be at least 1 but was %s", epochs);
      this.steps = unlessPreset("steps", this.steps);
      this.epochs = once("epochs", this.epochs, epochs);
      return this;
    }

    /**
     * Sets the length of the run in optimizer steps instead of epochs.
     *
     * @param steps the number of optimizer steps; at least 1
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder steps(long steps) {
      checkArgument(steps >= 1, "steps must be at least 1 but was %s", steps);
      this.epochs = unlessPreset("epochs", this.epochs);
      this.steps = once("steps", this.steps, steps);
      return this;
    }

    /**
     * Sets the number of rows of a batch.
     *
     * @param batchSize the number of rows; at least 1; default 32
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder batchSize(int batchSize) {
      checkArgument(batchSize >= 1, "batchSize must be at least 1 but was %s", batchSize);
      this.batchSize = once("batchSize", this.batchSize, batchSize);
      return this;
    }

    /**
     * Sets how many batches one optimizer step adds up. Means are taken over the rows (or tokens)
     * of the whole step, so 4 batches of 8 equal one of 32.
     *
     * @param batches the number of batches; at least 1; default 1
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder gradientAccumulation(int batches) {
      checkArgument(batches >= 1, "gradientAccumulation must be at least 1 but was %s", batches);
      this.gradientAccumulation = once("gradientAccumulation", this.gradientAccumulation, batches);
      return this;
    }

    /**
     * Sets the L2 norm to which the gradients of a step are scaled down, all together.
     *
     * @param maxNorm the norm; greater than 0; default infinite, which is no clipping
     * @return this builder
     * @throws IllegalArgumentException if it is out of range
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder gradientClipping(double maxNorm) {
      checkArgument(maxNorm > 0, "gradientClipping must be greater than 0 but was %s", maxNorm);
      this.gradientClipping = once("gradientClipping", this.gradientClipping, maxNorm);
      return this;
    }

    /**
     * Sets how gradients change weights.
     *
     * @param optimizer the optimizer; default {@link Optimizer#adamW()}
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder optimizer(Optimizer optimizer) {
      this.optimizer = once("optimizer", this.optimizer, optimizer);
      return this;
    }

    /**
     * Sets how the learning rate changes over the run.
     *
     * @param schedule the factor of the optimizer's rate; default constant
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder learningRateSchedule(LearningRateSchedule schedule) {
      this.learningRateSchedule = once("learningRateSchedule", this.learningRateSchedule, schedule);
      return this;
    }

    /**
     * Sets what all randomness is made from: initial weights, the order of rows, dropout.
     *
     * @param seed the seed; default 42
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder seed(long seed) {
      this.seed = once("seed", this.seed, seed);
      return this;
    }

    /** Makes another seed of the one that was set, or of the default. */
    Builder reseeded(LongUnaryOperator change) {
      seed = change.applyAsLong(seed == null ? DEFAULT_SEED : seed);
      return this;
    }

    /**
     * Sets where the student lives and learns. A teacher may live elsewhere.
     *
     * @param device the device; default the first GPU, else the CPU
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder device(Device device) {
      this.device = once("device", this.device, device);
      return this;
    }

    /**
     * Sets the precision in which the student is trained. Weights, gradients, optimizer and losses
     * are float32 in either; so are the answers of the student, live or saved.
     *
     * <p>{@link Precision#BFLOAT16} is for this library's own students and pays where the processor
     * multiplies bfloat16 in hardware; measure it.
     *
     * @param precision the precision; default {@link Precision#FLOAT32}
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder precision(Precision precision) {
      this.precision = once("precision", this.precision, precision);
      return this;
    }

    /**
     * Sets whether a training step keeps of each layer only what goes into it and computes the rest
     * again in the backward pass, which saves most of the memory for activations and costs about a
     * third more time. For this library's transformer students.
     *
     * <p>Gradients are the same, up to the order in which a hidden state's own loss is added;
     * dropout is drawn layer by layer, so a run with dropout differs from one without checkpointing
     * as it does from one with another seed.
     *
     * @param activationCheckpointing whether to compute activations again; default false
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder activationCheckpointing(boolean activationCheckpointing) {
      this.activationCheckpointing =
          once("activationCheckpointing", this.activationCheckpointing, activationCheckpointing);
      return this;
    }

    /**
     * Sets how much of the machine's memory the run may take. Before anything is loaded, a run
     * whose weights, gradients and optimizer state alone need more is refused with a table of what
     * needs how much; before the first step, a warning is logged if what is estimated with
     * activations exceeds what is free. The limit is for this estimate only; nothing enforces it
     * later.
     *
     * @param bytes the bytes; at least 1; default what the machine, or the container, has. {@link
     *     Long#MAX_VALUE} leaves out the check, also that of GPUs
     * @return this builder
     * @throws IllegalArgumentException if it is below 1
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder memoryLimit(long bytes) {
      checkArgument(bytes >= 1, "memoryLimit must be at least 1 but was %s", bytes);
      this.memoryLimit = once("memoryLimit", this.memoryLimit, bytes);
      return this;
    }

    /**
     * Sets how often the gradients of the terms of the loss are compared: how strongly each
     * weighted term pulls at the student. A comparison costs one more backward pass a term and
     * changes nothing of the run. The first one is logged; a loss of one term has nothing to
     * compare.
     *
     * @param everySteps the number of optimizer steps from one comparison to the next, the first
     *     step included; 0 for none; default at the first step of each epoch
     * @return this builder
     * @throws IllegalArgumentException if it is negative
     * @throws IllegalStateException if it was set before
     * @see TrainingListener#onGradientScales
     * @see DistillationResult#gradientScales
     */
    @CanIgnoreReturnValue
    public Builder gradientNorms(int everySteps) {
      checkArgument(everySteps >= 0, "gradientNorms must be at least 0 but was %s", everySteps);
      this.gradientNorms = once("gradientNorms", this.gradientNorms, everySteps);
      return this;
    }

    /**
     * Adds someone who is told what happens.
     *
     * @param listener the listener
     * @return this builder
     */
    @CanIgnoreReturnValue
    public Builder listener(TrainingListener listener) {
      listeners.add(requireNonNull(listener, "listener"));
      return this;
    }

    /**
     * Sets rows on which the student is tried after each epoch, or as {@link #evaluateEvery} says;
     * it does not learn from them. Reported are {@code accuracy} and {@code crossEntropy} on the
     * rows that have labels, of language models on the tokens that have labels and with {@code
     * perplexity}; and {@code agreement} and {@code kl} with a teacher that gives logits, of a
     * language model at the same tokens.
     *
     * @param validation the rows; default none
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder validation(DistillationDataset validation) {
      this.validation = once("validation", this.validation, validation);
      return this;
    }

    /**
     * Sets when the student is tried on the validation set.
     *
     * @param every one or more intervals in epochs or steps; default each epoch. The last step of
     *     the run counts as the end of an epoch
     * @return this builder
     * @throws IllegalArgumentException if there is none, or one is a time: the outcome of a run
     *     with early stopping would depend on the speed of the machine
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder evaluateEvery(Every... every) {
      List<Every> intervals = intervals("evaluateEvery", every);
      checkArgument(
          intervals.stream().noneMatch(each -> each.unit() == Every.Unit.MILLISECONDS),
          "evaluateEvery must count epochs or steps but was %s",
          intervals);
      this.evaluations = once("evaluateEvery", this.evaluations, intervals);
      return this;
    }

    /**
     * Ends the run when it does not get better any more. The result then has the best student that
     * was seen, also if the run took all its steps.
     *
     * @param earlyStopping which metric to watch, and how patiently
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder earlyStopping(EarlyStopping earlyStopping) {
      this.earlyStopping = once("earlyStopping", this.earlyStopping, earlyStopping);
      return this;
    }

    /**
     * Keeps the state of the run on disk, so that a run that stops for any reason can go on with
     * {@link #resumeFrom} and ends in the same weights, bit for bit on CPU.
     *
     * <p>A checkpoint holds the student (a directory that {@link
     * io.distill.model.DeployableModel#load} reads), the loss's learned parameters and buffers, the
     * optimizer's state, the history, the best student so far, and a description of recipe and
     * data; all files are covered by checksums. It appears whole or not at all. The last one is
     * written when the run ends.
     *
     * @param directory where; used by one run at a time
     * @param every one or more intervals; none means each epoch
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder checkpoint(Path directory, Every... every) {
      this.checkpointDirectory = once("checkpoint", this.checkpointDirectory, directory);
      this.checkpointIntervals =
          every.length == 0 ? List.of(Every.epochs(1)) : intervals("checkpoint", every);
      return this;
    }

    /**
     * Sets how many of the newest checkpoints stay.
     *
     * @param kept the number; at least 1; default 3
     * @return this builder
     * @throws IllegalArgumentException if it is below 1
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder keepCheckpoints(int kept) {
      checkArgument(kept >= 1, "keepCheckpoints must be at least 1 but was %s", kept);
      this.keptCheckpoints = once("keepCheckpoints", this.keptCheckpoints, kept);
      return this;
    }

    /**
     * Lets the run go on from the newest whole checkpoint in a directory. Another recipe or other
     * data are refused, and the message says what differs.
     *
     * @param directory a directory that {@link #checkpoint} wrote to
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder resumeFrom(Path directory) {
      this.resume =
          once(
              "resumeFrom",
              this.resume,
              new ResumePlan(requireNonNull(directory, "directory"), true));
      return this;
    }

    /**
     * Lets the run go on from the newest whole checkpoint in a directory, or start afresh if there
     * is none: for programs that are simply started again.
     *
     * @param directory a directory that {@link #checkpoint} wrote to; it need not exist
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder resumeIfPresent(Path directory) {
      this.resume =
          once(
              "resumeFrom",
              this.resume,
              new ResumePlan(requireNonNull(directory, "directory"), false));
      return this;
    }

    /**
     * Sets who decides whether the teacher may be learned from, by the terms that it declares.
     *
     * @param policy the policy; a lambda is one; default {@link TermsPolicy#standard()}, which
     *     refuses teachers whose terms forbid it
     * @return this builder
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder termsPolicy(TermsPolicy policy) {
      this.termsPolicy = once("termsPolicy", this.termsPolicy, policy);
      return this;
    }

    /**
     * Learns from a teacher that the policy refuses. The reason is recorded in the provenance of
     * the student, and of all students that it teaches.
     *
     * @param reason why this is allowed here, such as a contract; not blank
     * @return this builder
     * @throws IllegalArgumentException if it is blank or longer than 1000 characters
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder allowTerms(String reason) {
      this.allowReason = once("allowTerms", this.allowReason, text("reason", reason));
      return this;
    }

    /**
     * Says what the training data are called, for provenance and model card.
     *
     * @param name the name; not blank
     * @return this builder
     * @throws IllegalArgumentException if it is blank or longer than 1000 characters
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder dataName(String name) {
      this.dataName = once("dataName", this.dataName, text("dataName", name));
      return this;
    }

    /**
     * Says under which licence the training data are, for provenance and model card.
     *
     * @param licence an SPDX id such as {@code CC-BY-4.0}, or words; not blank
     * @return this builder
     * @throws IllegalArgumentException if it is blank or longer than 1000 characters
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder dataLicence(String licence) {
      this.dataLicence = once("dataLicence", this.dataLicence, text("dataLicence", licence));
      return this;
    }

    /**
     * Says under which licence the student will be passed on, for provenance and model card.
     *
     * @param licence an SPDX id such as {@code Apache-2.0}; not blank; default none
     * @return this builder
     * @throws IllegalArgumentException if it is blank or longer than 1000 characters
     * @throws IllegalStateException if it was set before
     */
    @CanIgnoreReturnValue
    public Builder studentLicence(String licence) {
      this.studentLicence =
          once("studentLicence", this.studentLicence, text("studentLicence", licence));
      return this;
    }

    private static String text(String name, String text) {
      checkArgument(!requireNonNull(text, name).isBlank(), "%s must not be blank", name);
      checkArgument(
          text.length() <= Terms.MAXIMUM_LENGTH,
          "%s must have at most %s characters but has %s",
          name,
          Terms.MAXIMUM_LENGTH,
          text.length());
      return text;
    }

    /**
     * Lets a repeated run differ from the recorded one where that is meant.
     *
     * @param members the names of what may differ: {@code data}, {@code teacher}, or a method of
     *     this builder such as {@code seed}
     * @return this builder
     * @throws IllegalStateException if the builder does not come from {@link Distiller#from}
     */
    @CanIgnoreReturnValue
    public Builder allowDifferences(String... members) {
      checkState(
          recorded != null,
          "allowDifferences must be called on Distiller.from(provenance) but nothing is recorded");
      mayDiffer.addAll(List.of(members));
      return this;
    }

    /**
     * Returns what of a recorded recipe must still be set.
     *
     * @return the place in the recipe, and the class of what was there; empty if all is set, or the
     *     builder does not come from {@link Distiller#from}
     */
    public Map<String, String> missing() {
      Map<String, String> missing = new LinkedHashMap<>(missingOfRecorded);
      missing.keySet().removeIf(this::isSet);
      return missing;
    }

    private boolean isSet(String place) {
      String member = place.split("[.\\[]", 2)[0];
      return switch (member) {
        case "teacher" -> teacher != null;
        case "student" -> student != null;
        case "loss" -> loss != null;
        case "temperature", "rowTemperature" -> temperature != null || rowTemperature != null;
        case "layerMapping" -> layerMapping != null;
        case "learningRateSchedule" -> learningRateSchedule != null;
        case "validation" -> validation != null;
        default -> false;
      };
    }

    private static List<Every> intervals(String name, Every... every) {
      checkArgument(every.length > 0, "%s must have at least one interval but has none", name);
      return List.of(every);
    }

    /**
     * Builds the recipe.
     *
     * @return the recipe
     * @throws IllegalStateException if required parts are missing, all named, or both epochs and
     *     steps are set
     */
    public Distiller build() {
      List<String> missing = new ArrayList<>();
      missing().forEach((place, what) -> missing.add(place + " (" + what + ")"));
      if (teacher == null && recorded == null) {
        missing.add("teacher");
      }
      if (student == null && recorded == null) {
        missing.add("student");
      }
      if (loss == null && recorded == null) {
        missing.add("loss");
      }
      checkState(missing.isEmpty(), "recipe must have all required parts but lacks %s", missing);
      checkState(
          epochs == null || steps == null,
          "epochs and steps must not both be set but were %s and %s",
          epochs,
          steps);
      checkState(
          keptCheckpoints == null || checkpointDirectory != null,
          "keepCheckpoints must come with checkpoint(directory) but that is not set");
      return new Distiller(
          new Recipe(
              requireNonNull(teacher),
              requireNonNull(student),
              requireNonNull(loss),
              temperature == null ? TemperatureSchedule.constant(1) : temperature,
              rowTemperature,
              layerMapping == null ? LayerMapping.uniform() : layerMapping,
              steps == null
                  ? OptionalInt.of(epochs == null ? DEFAULT_EPOCHS : epochs)
                  : OptionalInt.empty(),
              steps == null ? OptionalLong.empty() : OptionalLong.of(steps),
              batchSize == null ? DEFAULT_BATCH_SIZE : batchSize,
              gradientAccumulation == null ? 1 : gradientAccumulation,
              gradientClipping == null ? Double.POSITIVE_INFINITY : gradientClipping,
              optimizer == null ? Optimizer.adamW() : optimizer,
              learningRateSchedule == null ? LearningRateSchedule.constant() : learningRateSchedule,
              seed == null ? DEFAULT_SEED : seed,
              device == null ? NativeEngine.defaultDevice() : device,
              precision == null ? Precision.FLOAT32 : precision,
              activationCheckpointing != null && activationCheckpointing,
              memoryLimit == null ? OptionalLong.empty() : OptionalLong.of(memoryLimit),
              gradientNorms == null ? OptionalInt.empty() : OptionalInt.of(gradientNorms),
              listeners,
              validation,
              evaluations == null ? List.of(Every.epochs(1)) : evaluations,
              earlyStopping,
              checkpointDirectory == null
                  ? null
                  : new CheckpointPlan(
                      checkpointDirectory,
                      checkpointIntervals,
                      keptCheckpoints == null ? DEFAULT_KEPT_CHECKPOINTS : keptCheckpoints),
              resume,
              new Declarations(
                  termsPolicy == null ? TermsPolicy.standard() : termsPolicy,
                  allowReason,
                  dataName,
                  dataLicence,
                  studentLicence,
                  recorded,
                  recordedOn,
                  mayDiffer)));
    }

    /**
     * Builds the recipe and runs it: {@code build().fit(dataset)}.
     *
     * @param dataset the rows to learn from
     * @return the trained student and how it came about; close it
     * @see Distiller#fit(DistillationDataset)
     */
    public DistillationResult fit(DistillationDataset dataset) {
      return build().fit(dataset);
    }

    /**
     * Builds the recipe and runs it on a DJL data set.
     *
     * @param dataset the rows to learn from
     * @return the trained student and how it came about; close it
     * @see Distiller#fit(RandomAccessDataset)
     */
    public DistillationResult fit(RandomAccessDataset dataset) {
      return build().fit(dataset);
    }

    private <T> T once(String name, @Nullable T before, T value) {
      requireNonNull(value, name);
      boolean recordedBefore = preset.remove(name);
      checkState(before == null || recordedBefore, ONLY_ONCE, name);
      return value;
    }

    /** Returns nothing for what only the recorded recipe has set: another part takes its place. */
    private <T> @Nullable T unlessPreset(String name, @Nullable T value) {
      return preset.contains(name) ? null : value;
    }
  }
}
