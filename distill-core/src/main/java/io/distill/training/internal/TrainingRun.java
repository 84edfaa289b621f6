package io.distill.training.internal;

import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import io.distill.data.DistillationDataset;
import io.distill.data.LengthGroupedSampler;
import io.distill.exception.DistillationException;
import io.distill.exception.NonFiniteLossException;
import io.distill.huggingface.SafeTensors;
import io.distill.internal.AtomicFiles;
import io.distill.internal.NativeEngine;
import io.distill.loss.LossTerm;
import io.distill.model.DeployableModel;
import io.distill.provenance.RecipeDescription;
import io.distill.schedule.Progress;
import io.distill.teacher.StudentFollower;
import io.distill.teacher.Teacher;
import io.distill.torchscript.HostTensor;
import io.distill.training.EarlyStopping;
import io.distill.training.Every;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import io.distill.training.TrainingListener.EndReason;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A run from its first check to its result, one optimizer step at a time; all calls come from one
 * thread, whose gradient mode is on.
 *
 * <p>Between two steps its state is what {@link RunState} and the checkpointed arrays hold, and
 * nothing else: order of rows, dropout and schedules follow from the seed and the number of the
 * step.
 */
final class TrainingRun implements AutoCloseable {

  private static final String STUDENT = "student";
  private static final String BEST = "best";
  private static final String OPTIMIZER_FILE = "optimizer.safetensors";
  private static final String LOSS_FILE = "loss.safetensors";
  private static final String TEACHER_FILE = "teacher.safetensors";
  private static final double NANOS = 1e9;

  private static final Logger LOGGER = LoggerFactory.getLogger(GradientScales.class);

  private final Recipe recipe;
  private final DistillationDataset dataset;
  private final ProvenanceRecorder provenance;
  private final Events events;
  private final List<LossTerm> terms;
  private final long opened = System.nanoTime();

  // set up by open(), taken down by close(), in this order
  private final List<AutoCloseable> resources = new ArrayList<>();
  private final NDManager manager;
  private final PreFlight.Cleared cleared;
  private final @Nullable StudentFollower follower;
  private final TeacherAnswers answers;
  private final LossParameters lossParameters;
  private final FusedOptimizer optimizer;
  private final GradientPass gradients;
  private final @Nullable ValidationSet validation;
  private final @Nullable BestStudent best;
  private final @Nullable CheckpointStore checkpoints;
  private final RecipeDescription description;
  private final LengthGroupedSampler sampler;
  private final int stepsPerEpoch;
  private final long totalSteps;
  private final int epochs;

  private final List<TrainingListener.Epoch> history = new ArrayList<>();
  private final List<GradientScales> scales = new ArrayList<>();
  private Means means = Means.none();
  private long taken;
  private double learningRate;
  private double temperature;
  private double secondsBefore;
  private double teacherSecondsBefore;
  private boolean earlyStopped;
  private int batchesOfEpoch = -1;
  private List<int[]> batches = List.of();
  private long lastCheckpointStep = -1;
  private long lastCheckpointTime = System.nanoTime();
  private Map<String, Double> lastMetrics = Map.of();
  private long lastEvaluationStep = -1;
  private boolean handedOver;

  private TrainingRun(Recipe given, DistillationDataset dataset) {
    Teacher teacher = given.teacher().forRun();
    if (teacher != given.teacher()) {
      resources.add(teacher);
    }
    this.recipe = given.withTeacher(teacher);
    this.follower = teacher.follower().orElse(null);
    this.dataset = dataset;
    this.events = new Events(recipe.listeners());
    this.terms = recipe.terms();
    boolean complete = false;
    try {
      MemoryCheck.of(recipe, dataset).beforeLoading();
      CheckpointPlan plan = recipe.checkpoints();
      // before anything is loaded: a directory that cannot be used is a cheap thing to find out
      checkpoints = plan == null ? null : own(CheckpointStore.open(plan.directory()));
      // before the first step: a DJL model that is trained in place is another one afterwards
      description = RecipeDescriber.describe(recipe, dataset);
      provenance = ProvenanceRecorder.begin(recipe, description, dataset);
      @Nullable Resumed resumed = resumed();
      cleared = PreFlight.check(recipe, dataset);
      DeployableModel student = cleared.student();
      resources.add(() -> closeUnlessHandedOver(student));
      if (resumed != null) {
        student.model().readFrom(resumed.path().resolve(STUDENT));
        if (follower != null) {
          follower.start(student);
        }
      }
      manager = own(NativeEngine.newManager(recipe.device()));
      lossParameters = cleared.declared().allocate(manager);
      recipe.teacher().prepare(recipe.teacherSetup(dataset));
      resources.add(recipe.teacher()::finish);
      answers = new TeacherAnswers(recipe, cleared.teacherInputs());
      answers.collect(dataset.size(), events);
      Map<String, NDArray> parameters = new LinkedHashMap<>(student.model().parameters());
      parameters.putAll(lossParameters.all());
      optimizer = own(new FusedOptimizer(recipe.optimizer(), parameters, recipe.device()));
      GraphProbe graph = own(new GraphProbe());
      gradients =
          new GradientPass(recipe, dataset, cleared, answers, lossParameters, optimizer, graph);
      validation = ValidationSet.of(recipe, cleared, answers);
      EarlyStopping rule = recipe.earlyStopping();
      best = rule == null ? null : own(new BestStudent(rule));
      sampler = LengthGroupedSampler.of(cleared.studentInputs(), recipe.batchSize(), recipe.seed());
      stepsPerEpoch =
          (sampler.batchesPerEpoch() + recipe.gradientAccumulation() - 1)
              / recipe.gradientAccumulation();
      totalSteps = recipe.steps().orElse((long) stepsPerEpoch * recipe.epochs().orElse(1));
      epochs = Math.toIntExact((totalSteps + stepsPerEpoch - 1) / stepsPerEpoch);
      if (resumed != null) {
        resume(resumed);
      }
      complete = true;
    } catch (RuntimeException | Error e) {
      fail(e);
      throw e;
    } catch (IOException e) {
      throw new DistillationException(
          "checkpoint must stay readable while a run resumes but was not (" + e + ")", e);
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  /** Checks everything, asks the teacher what can be asked before, and takes up a checkpoint. */
  static TrainingRun open(Recipe recipe, DistillationDataset dataset) {
    TrainingRun run = new TrainingRun(recipe, dataset);
    run.start();
    return run;
  }

  private <T extends AutoCloseable> T own(T resource) {
    resources.add(resource);
    return resource;
  }

  private void start() {
    TrainingListener.RunStart event =
        new TrainingListener.RunStart(
            dataset.size(), epochs, totalSteps, taken, student().parameterCount());
    events.tell(listener -> listener.onRunStart(event));
  }

  /** Returns the student that learns. */
  DeployableModel student() {
    return cleared.student();
  }

  /** Returns the number of steps taken so far. */
  long taken() {
    return taken;
  }

  /** Returns whether no step is left to take. */
  boolean over() {
    return earlyStopped || taken >= totalSteps;
  }

  /** Returns whether the present state is safe on disk. */
  boolean isKept() {
    return checkpoints != null && lastCheckpointStep == taken;
  }

  /** Takes one optimizer step, and does what is due after it. */
  void advance() {
    int epoch = (int) (taken / stepsPerEpoch);
    int index = (int) (taken % stepsPerEpoch);
    if (batchesOfEpoch != epoch) {
      batches = sampler.epoch(epoch);
      batchesOfEpoch = epoch;
    }
    int first = index * recipe.gradientAccumulation();
    int end = Math.min(batches.size(), first + recipe.gradientAccumulation());
    step(epoch, index == 0, batches.subList(first, end));
    boolean endOfEpoch = index == stepsPerEpoch - 1 || taken == totalSteps;
    if (evaluationIsDue(epoch, endOfEpoch)) {
      evaluate(epoch);
    }
    if (endOfEpoch) {
      endEpoch(epoch);
    }
    if (checkpointIsDue(epoch, endOfEpoch)) {
      checkpoint();
    }
  }

  private void step(int epoch, boolean firstOfEpoch, List<int[]> stepBatches) {
    Progress progress = new Progress(epoch, taken, totalSteps, recipe.seed());
    boolean measured = measures(firstOfEpoch);
    GradientPass.Outcome outcome;
    double norm;
    try (NDManager afterStep = manager.newSubManager()) {
      outcome = gradients.run(progress, stepBatches, measured, manager, afterStep);
      learningRate = recipe.optimizer().learningRate() * factor(progress);
      norm = optimizer.step(learningRate, recipe.gradientClipping());
      if (!Double.isFinite(norm)) {
        throw new NonFiniteLossException("gradient", norm, epoch + 1, taken + 1);
      }
      lossParameters.apply();
    }
    if (measured) {
      compared(new GradientScales(progress, outcome.norms()), firstOfEpoch);
    }
    taken++;
    if (follower != null) {
      follower.afterStep(taken);
    }
    temperature = outcome.temperature();
    means = means.plus(outcome.rows(), outcome.loss(), outcome.values());
    TrainingListener.Step event =
        new TrainingListener.Step(
            progress,
            outcome.loss(),
            outcome.values(),
            outcome.weights(),
            learningRate,
            temperature,
            norm,
            outcome.norms(),
            Math.toIntExact(outcome.rows()));
    events.tell(listener -> listener.onStep(event));
  }

  private double factor(Progress progress) {
    double factor = recipe.learningRateSchedule().factor(progress);
    if (!(Double.isFinite(factor) && factor >= 0)) {
      throw new DistillationException(
          "learningRateSchedule must give a finite factor of at least 0 but gave "
              + factor
              + " at step "
              + (progress.step() + 1)
              + "; correct the schedule");
    }
    return factor;
  }

  /** Returns whether the gradients of the terms are compared in the step that comes. */
  private boolean measures(boolean firstOfEpoch) {
    OptionalInt every = recipe.gradientNormSteps();
    return terms.size() > 1
        && (every.isEmpty() ? firstOfEpoch : every.getAsInt() > 0 && taken % every.getAsInt() == 0);
  }

  private void compared(GradientScales comparison, boolean firstOfEpoch) {
    if (scales.isEmpty()) {
      if (comparison.unbalanced()) {
        LOGGER.warn("{}; the weaker one hardly counts: adjust their weights", comparison);
      } else {
        LOGGER.info("{}", comparison);
      }
    }
    // a long run that compares often must not fill the memory
    if (firstOfEpoch || scales.isEmpty()) {
      scales.add(comparison);
    }
    events.tell(listener -> listener.onGradientScales(comparison));
  }

  private boolean evaluationIsDue(int epoch, boolean endOfEpoch) {
    return recipe.evaluations().stream()
        .anyMatch(
            every ->
                every.unit() == Every.Unit.STEPS
                    ? taken % every.count() == 0
                    : endOfEpoch && ((epoch + 1) % every.count() == 0 || taken == totalSteps));
  }

  private void evaluate(int epoch) {
    long start = System.nanoTime();
    Map<String, Double> metrics = validation == null ? Map.of() : validation.metrics();
    boolean improved = best != null && look(metrics, best);
    lastMetrics = metrics;
    lastEvaluationStep = taken;
    if (validation != null || best != null) {
      TrainingListener.Evaluation event =
          new TrainingListener.Evaluation(
              new Progress(epoch, taken, totalSteps, recipe.seed()),
              metrics,
              improved,
              (System.nanoTime() - start) / NANOS);
      events.tell(listener -> listener.onEvaluation(event));
    }
  }

  private boolean look(Map<String, Double> metrics, BestStudent keeper) {
    EarlyStopping rule = requireNonNull(recipe.earlyStopping());
    Double value =
        rule.metric().equals(EarlyStopping.TRAINING_LOSS)
            ? Double.valueOf(means.meanLoss())
            : metrics.get(rule.metric());
    if (value == null) {
      throw new DistillationException(
          "earlyStopping must watch a metric that the run reports but '"
              + rule.metric()
              + "' is none of "
              + metrics.keySet()
              + " and "
              + EarlyStopping.TRAINING_LOSS
              + "; name one of them");
    }
    boolean improved = keeper.look(value, taken, student().model());
    earlyStopped = keeper.exhausted();
    return improved;
  }

  private void endEpoch(int epoch) {
    TrainingListener.Epoch event =
        new TrainingListener.Epoch(
            epoch + 1,
            epochs,
            means.meanLoss(),
            means.meanTerms(),
            learningRate,
            temperature,
            lastEvaluationStep == taken ? lastMetrics : Map.of(),
            seconds());
    means = Means.none();
    history.add(event);
    events.tell(listener -> listener.onEpoch(event));
  }

  private boolean checkpointIsDue(int epoch, boolean endOfEpoch) {
    CheckpointPlan plan = recipe.checkpoints();
    return plan != null
        && plan.every().stream()
            .anyMatch(
                every ->
                    switch (every.unit()) {
                      case STEPS -> taken % every.count() == 0;
                      case EPOCHS -> endOfEpoch && (epoch + 1) % every.count() == 0;
                      case MILLISECONDS ->
                          (System.nanoTime() - lastCheckpointTime) / 1_000_000 >= every.count();
                    });
  }

  /** Writes a checkpoint unless the present state is safe already. */
  void checkpoint() {
    if (checkpoints == null || lastCheckpointStep == taken) {
      return;
    }
    long start = System.nanoTime();
    Path path =
        checkpoints.write(taken, requireNonNull(recipe.checkpoints()).kept(), this::writeTo);
    lastCheckpointStep = taken;
    lastCheckpointTime = System.nanoTime();
    TrainingListener.Checkpoint event =
        new TrainingListener.Checkpoint(
            path, taken, CheckpointStore.bytes(path), (lastCheckpointTime - start) / NANOS);
    events.tell(listener -> listener.onCheckpoint(event));
  }

  private void writeTo(Path directory) throws IOException {
    // where a student started from is not where it stands; and in the form of another library its
    // weights might be rounded
    student().withProvenance(null).withWriter(null).save(directory.resolve(STUDENT));
    SafeTensors.write(directory.resolve(OPTIMIZER_FILE), host(optimizer.state()), Map.of());
    Map<String, NDArray> ofLoss = new LinkedHashMap<>(lossParameters.all());
    ofLoss.putAll(lossParameters.buffers());
    SafeTensors.write(directory.resolve(LOSS_FILE), host(ofLoss), Map.of());
    if (follower != null) {
      SafeTensors.write(directory.resolve(TEACHER_FILE), host(follower.state()), Map.of());
    }
    if (best != null) {
      best.save(directory.resolve(BEST));
    }
    RunState state =
        new RunState(
            taken,
            totalSteps,
            seconds(),
            teacherSeconds(),
            learningRate,
            temperature,
            means,
            history,
            scales,
            best == null ? null : best.best(),
            best == null ? 0 : best.withoutImprovement(),
            earlyStopped);
    AtomicFiles.write(directory.resolve(CheckpointStore.MANIFEST), state.toJson(description));
  }

  private static Map<String, HostTensor> host(Map<String, NDArray> arrays) {
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    arrays.forEach((name, array) -> tensors.put(name, HostTensor.of(array)));
    return tensors;
  }

  /** A checkpoint that this run goes on from. */
  private record Resumed(Path path, RunState state) {}

  private @Nullable Resumed resumed() {
    ResumePlan plan = recipe.resume();
    Path directory = plan == null ? null : plan.directory();
    CheckpointStore.Found found =
        plan == null ? null : CheckpointStore.newest(plan.directory(), plan.atMost()).orElse(null);
    if (plan != null && plan.required() && found == null) {
      throw new DistillationException(
          "resumeFrom must name a directory with checkpoints but "
              + directory
              + " has none; check the path, or call resumeIfPresent(...) to start afresh without");
    }
    refuseForeignCheckpoints(directory);
    if (found == null) {
      return null;
    }
    RunState.Manifest manifest = RunState.read(found.path().resolve(CheckpointStore.MANIFEST));
    List<String> differences =
        withoutWeights(manifest.recipe()).differences(withoutWeights(description));
    if (!differences.isEmpty()) {
      throw new DistillationException(
          "resumed run must have the recipe and data of checkpoint "
              + found.path()
              + " but differs:\n- "
              + String.join("\n- ", differences)
              + "\nrestore them, or start a run of its own in another directory");
    }
    if (manifest.state().step() != found.step()) {
      throw new DistillationException(
          "checkpoint "
              + found.path()
              + " must be of step "
              + found.step()
              + " but says "
              + manifest.state().step()
              + "; restore its name");
    }
    provenance.resumed(manifest.recipe());
    return new Resumed(found.path(), manifest.state());
  }

  /** What a student that is trained further was before does not count: the checkpoint knows it. */
  private static RecipeDescription withoutWeights(RecipeDescription description) {
    JsonObject json = description.json();
    removeWeights(json.get("student"));
    return RecipeDescription.of(json);
  }

  private static void removeWeights(@Nullable JsonElement element) {
    if (element instanceof JsonObject object) {
      object.remove("weights");
      object.asMap().values().forEach(TrainingRun::removeWeights);
    }
  }

  /** Checkpoints of another run would be mixed with those of this one, and pushed out by number. */
  private void refuseForeignCheckpoints(@Nullable Path resumedFrom) {
    CheckpointPlan plan = recipe.checkpoints();
    if (plan == null
        || (resumedFrom != null
            && resumedFrom
                .toAbsolutePath()
                .normalize()
                .equals(plan.directory().toAbsolutePath().normalize()))) {
      return;
    }
    List<CheckpointStore.Found> present = CheckpointStore.list(plan.directory());
    if (!present.isEmpty()) {
      throw new DistillationException(
          "checkpoint directory of a new run must have no checkpoints but "
              + plan.directory()
              + " has "
              + present.size()
              + "; call resumeFrom with this directory to go on, or choose another");
    }
  }

  private void resume(Resumed resumed) throws IOException {
    RunState state = resumed.state();
    try {
      optimizer.restore(SafeTensors.open(resumed.path().resolve(OPTIMIZER_FILE)).tensors());
      lossParameters.restore(SafeTensors.open(resumed.path().resolve(LOSS_FILE)).tensors());
      if (follower != null) {
        Restoring.copy(
            "teacher state",
            SafeTensors.open(resumed.path().resolve(TEACHER_FILE)).tensors(),
            follower.state());
      }
    } catch (DistillationException e) {
      throw new DistillationException(
          "run cannot go on from checkpoint " + resumed.path() + ": " + e.getMessage(), e);
    }
    if (best != null) {
      best.resume(state, resumed.path().resolve(BEST));
    }
    taken = state.step();
    secondsBefore = state.seconds();
    teacherSecondsBefore = state.teacherSeconds();
    learningRate = state.learningRate();
    temperature = state.temperature();
    means = state.epoch();
    history.addAll(state.history());
    scales.addAll(state.gradientScales());
    earlyStopped = state.earlyStopped();
    CheckpointPlan plan = recipe.checkpoints();
    if (plan != null && resumed.path().startsWith(plan.directory())) {
      lastCheckpointStep = taken;
      if (checkpoints != null && requireNonNull(recipe.resume()).atMost().isPresent()) {
        checkpoints.discardAfter(taken);
      }
    }
  }

  private double seconds() {
    return secondsBefore + (System.nanoTime() - opened) / NANOS;
  }

  private double teacherSeconds() {
    return teacherSecondsBefore + answers.nanos() / NANOS;
  }

  /** Ends the run as it stands; its student is handed over. */
  FinishedRun finish() {
    EndReason reason =
        earlyStopped
            ? EndReason.EARLY_STOPPED
            : taken >= totalSteps ? EndReason.COMPLETED : EndReason.STOPPED;
    checkpoint();
    TrainingListener.RunEnd end =
        new TrainingListener.RunEnd(taken, seconds(), teacherSeconds(), reason);
    if (best != null && reason != EndReason.STOPPED) {
      best.restore(student().model());
    }
    DeployableModel trained =
        student().withProvenance(provenance.end(student(), finalMetrics(), end));
    events.tell(listener -> listener.onRunEnd(end));
    handedOver = true;
    return new FinishedRun(trained, history, scales, end);
  }

  /** What is known of the student that is handed over. */
  private Map<String, Double> finalMetrics() {
    return best != null && best.best() != null
        ? Map.of(requireNonNull(recipe.earlyStopping()).metric(), best.best().value())
        : lastMetrics;
  }

  /** Tells of an exception that ends the run. */
  void fail(Throwable cause) {
    if (events.told()) {
      TrainingListener.RunFailure event = new TrainingListener.RunFailure(taken, cause);
      events.tell(listener -> listener.onRunFailure(event));
    }
  }

  private void closeUnlessHandedOver(DeployableModel student) {
    if (!handedOver) {
      student.close();
    }
  }

  @Override
  public void close() {
    RuntimeException first = null;
    for (int i = resources.size() - 1; i >= 0; i--) {
      try {
        resources.get(i).close();
      } catch (RuntimeException e) {
        if (first == null) {
          first = e;
        } else {
          first.addSuppressed(e);
        }
      } catch (Exception e) {
        LOGGER.warn("A part of the run could not be closed", e);
      }
    }
    resources.clear();
    if (first != null) {
      throw first;
    }
  }
}
