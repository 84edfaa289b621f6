package io.distill.training.internal;

import static java.util.Objects.requireNonNull;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.LengthGroupedSampler;
import io.distill.exception.DistillationException;
import io.distill.exception.NonFiniteLossException;
import io.distill.internal.HostMemoryScope;
import io.distill.internal.NativeEngine;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.loss.LossState;
import io.distill.loss.LossTerm;
import io.distill.loss.RowTemperature;
import io.distill.model.DeployableModel;
import io.distill.model.RowSignals;
import io.distill.model.SignalModel;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import io.distill.teacher.Teacher;
import io.distill.training.GradientScales;
import io.distill.training.TrainingListener;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way of a batch: rows, teacher (or what it said before), student, loss, backward, clip and
 * optimizer step, event.
 */
public final class TrainingLoop {

  /** Row signals of a teacher are remembered up to this size; larger ones are asked for again. */
  private static final long TEACHER_MEMORY_BYTES = 1L << 30;

  private static final double NANOS = 1e9;

  private static final Logger LOGGER = LoggerFactory.getLogger(GradientScales.class);

  /** libtorch has one random state a process; a draw must not mix with another run's. */
  private static final Object RANDOM_STATE = new Object();

  private final Recipe recipe;
  private final DistillationDataset dataset;
  private final Events events;
  private final List<LossTerm> terms;
  private long teacherNanos;

  private TrainingLoop(Recipe recipe, DistillationDataset dataset) {
    this.recipe = recipe;
    this.dataset = dataset;
    this.events = new Events(recipe.listeners());
    this.terms = recipe.terms();
  }

  /** Runs a recipe on data. */
  public static FinishedRun run(Recipe recipe, DistillationDataset dataset) {
    NativeEngine.prepareThread();
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(true);
    try {
      return new TrainingLoop(recipe, dataset).run();
    } finally {
      JniUtils.setGradMode(gradients);
    }
  }

  private FinishedRun run() {
    long start = System.nanoTime();
    PreFlight.Cleared cleared = PreFlight.check(recipe, dataset);
    DeployableModel student = cleared.student();
    boolean prepared = false;
    try (NDManager manager = NativeEngine.newManager(recipe.device())) {
      LossParameters lossParameters = cleared.declared().allocate(manager);
      recipe.teacher().prepare(recipe.teacherSetup(dataset));
      prepared = true;
      RowSignals remembered = rememberTeacher(cleared);
      RowSignals validationTeacher = validationTeacher();
      Map<String, NDArray> parameters = new LinkedHashMap<>(student.model().parameters());
      parameters.putAll(lossParameters.all());
      try (FusedOptimizer optimizer =
              new FusedOptimizer(recipe.optimizer(), parameters, recipe.device());
          GraphProbe graph = new GraphProbe()) {
        Steps steps =
            new Steps(
                cleared, remembered, lossParameters, optimizer, graph, manager, student.model());
        List<TrainingListener.Epoch> history = steps.train(validationTeacher);
        TrainingListener.RunEnd end =
            new TrainingListener.RunEnd(
                steps.taken,
                (System.nanoTime() - start) / NANOS,
                teacherNanos / NANOS,
                TrainingListener.EndReason.COMPLETED);
        events.tell(listener -> listener.onRunEnd(end));
        return new FinishedRun(student, history, steps.scales, end);
      }
    } catch (RuntimeException | Error e) {
      student.close();
      throw e;
    } finally {
      if (prepared) {
        recipe.teacher().finish();
      }
    }
  }

  private @Nullable RowSignals rememberTeacher(PreFlight.Cleared cleared) {
    Set<SignalKind> kinds = recipe.requiresOfTeacher();
    BatchSource inputs = cleared.teacherInputs();
    if (inputs == null
        || kinds.isEmpty()
        || recipe.teacher().changes()
        || !RowSignals.KINDS.containsAll(kinds)) {
      return null;
    }
    int rows = dataset.size();
    return askTeacher(
        inputs,
        kinds,
        done ->
            events.tell(
                listener -> listener.onTeacherPass(new TrainingListener.TeacherPass(done, rows))));
  }

  /** Returns what the teacher says of each row, or null if that cannot be kept. */
  private @Nullable RowSignals askTeacher(
      BatchSource inputs, Set<SignalKind> kinds, LongConsumer done) {
    try {
      return RowSignals.collect(
          inputs,
          recipe.teacher().device(),
          (batch, asked) -> keepable(timedTeacher(batch, asked), inputs.size()),
          kinds,
          done);
    } catch (NotKeepable e) {
      return null;
    }
  }

  /** A language model says something of each token, which would fill the memory. */
  private static Signals keepable(Signals signals, int rows) {
    long bytes = 0;
    for (SignalKind kind : RowSignals.KINDS) {
      if (signals.kinds().contains(kind)) {
        Shape shape =
            (kind == SignalKind.LOGITS ? signals.logits() : signals.embedding()).getShape();
        bytes += shape.size() / shape.get(0) * rows * Float.BYTES;
        if (shape.dimension() != 2) {
          throw new NotKeepable();
        }
      }
    }
    if (bytes > TEACHER_MEMORY_BYTES) {
      throw new NotKeepable();
    }
    return signals;
  }

  /** What a teacher says is asked for in each step instead. */
  private static final class NotKeepable extends RuntimeException {
    private static final long serialVersionUID = 1L;

    NotKeepable() {
      super(null, null, false, false);
    }
  }

  private Signals timedTeacher(Batch batch, Set<SignalKind> kinds) {
    long start = System.nanoTime();
    Signals signals = recipe.teacher().signals(batch, kinds);
    teacherNanos += System.nanoTime() - start;
    return signals;
  }

  private @Nullable RowSignals validationTeacher() {
    DistillationDataset validation = recipe.validation();
    if (validation == null || !recipe.teacher().provides().contains(SignalKind.LOGITS)) {
      return null;
    }
    return askTeacher(
        validation.inputs(recipe.teacher().tokenizer().orElse(null)),
        Set.of(SignalKind.LOGITS),
        done -> {});
  }

  /** The steps of one run and the state that only they need. */
  private final class Steps {
    private final PreFlight.Cleared cleared;
    private final @Nullable RowSignals remembered;
    private final LossParameters lossParameters;
    private final FusedOptimizer optimizer;
    private final GraphProbe graph;
    private final NDManager manager;
    private final SignalModel model;
    private final LengthGroupedSampler sampler;
    private final long totalSteps;
    private final int epochs;
    private final @Nullable WatchedTemperature temperature;
    private final List<GradientScales> scales = new ArrayList<>();
    private long taken;
    private double learningRate;
    private double meanTemperature;

    Steps(
        PreFlight.Cleared cleared,
        @Nullable RowSignals remembered,
        LossParameters lossParameters,
        FusedOptimizer optimizer,
        GraphProbe graph,
        NDManager manager,
        SignalModel model) {
      this.cleared = cleared;
      this.remembered = remembered;
      this.lossParameters = lossParameters;
      this.optimizer = optimizer;
      this.graph = graph;
      this.manager = manager;
      this.model = model;
      this.sampler =
          LengthGroupedSampler.of(cleared.studentInputs(), recipe.batchSize(), recipe.seed());
      RowTemperature rule = recipe.rowTemperature();
      this.temperature = rule == null ? null : new WatchedTemperature(rule);
      int perEpoch =
          (sampler.batchesPerEpoch() + recipe.gradientAccumulation() - 1)
              / recipe.gradientAccumulation();
      this.totalSteps = recipe.steps().orElse((long) perEpoch * recipe.epochs().orElse(1));
      this.epochs = Math.toIntExact((totalSteps + perEpoch - 1) / perEpoch);
    }

    List<TrainingListener.Epoch> train(@Nullable RowSignals validationTeacher) {
      events.tell(
          listener ->
              listener.onRunStart(
                  new TrainingListener.RunStart(
                      dataset.size(), epochs, totalSteps, 0, model.parameterCount())));
      long start = System.nanoTime();
      List<TrainingListener.Epoch> history = new ArrayList<>();
      for (int epoch = 0; epoch < epochs; epoch++) {
        Means means = new Means();
        List<int[]> batches = sampler.epoch(epoch);
        for (int i = 0; i < batches.size() && taken < totalSteps; ) {
          int end = Math.min(batches.size(), i + recipe.gradientAccumulation());
          step(epoch, i == 0, batches.subList(i, end), means);
          i = end;
        }
        TrainingListener.Epoch event =
            new TrainingListener.Epoch(
                epoch + 1,
                epochs,
                means.loss(),
                means.terms(),
                learningRate,
                meanTemperature,
                validate(validationTeacher),
                (System.nanoTime() - start) / NANOS);
        history.add(event);
        events.tell(listener -> listener.onEpoch(event));
      }
      return history;
    }

    @SuppressWarnings("try") // the memory scope only has to be open
    private void step(int epoch, boolean firstOfEpoch, List<int[]> batches, Means means) {
      Progress progress = new Progress(epoch, taken, totalSteps, recipe.seed());
      LossContext.StepCounts counts = counts(batches);
      Map<String, Double> values = new LinkedHashMap<>();
      boolean measured = measures(firstOfEpoch);
      Map<String, Double> norms = new LinkedHashMap<>();
      meanTemperature = temperature == null ? recipe.temperature().at(progress) : 0;
      double loss = 0;
      double norm;
      try (NDManager afterStep = manager.newSubManager()) {
        for (int i = 0; i < batches.size(); i++) {
          double share = (double) batches.get(i).length / counts.rows();
          try (NDManager step = manager.newSubManager();
              HostMemoryScope memory = new HostMemoryScope()) {
            MicroBatch batch =
                new MicroBatch(batches.get(i), i, share, progress, counts, step, afterStep);
            loss += share * batch.backward(values, measured && i == 0 ? norms : null);
          }
        }
        learningRate = recipe.optimizer().learningRate() * factor(progress);
        norm = optimizer.step(learningRate, recipe.gradientClipping());
        if (!Double.isFinite(norm)) {
          throw new NonFiniteLossException("gradient", norm, epoch + 1, taken + 1);
        }
        lossParameters.apply();
      }
      if (measured) {
        compared(new GradientScales(progress, norms), firstOfEpoch);
      }
      taken++;
      means.add(counts.rows(), loss, values);
      TrainingListener.Step event =
          new TrainingListener.Step(
              progress,
              loss,
              values,
              learningRate,
              meanTemperature,
              norm,
              norms,
              Math.toIntExact(counts.rows()));
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
          && (every.isEmpty()
              ? firstOfEpoch
              : every.getAsInt() > 0 && taken % every.getAsInt() == 0);
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

    /** One of the batches of a step, on its way from rows to gradients. */
    private final class MicroBatch {
      private final int[] rows;
      private final int index;
      private final double share;
      private final Progress progress;
      private final LossContext.StepCounts counts;
      private final NDManager step;
      private final NDManager afterStep;

      MicroBatch(
          int[] rows,
          int index,
          double share,
          Progress progress,
          LossContext.StepCounts counts,
          NDManager step,
          NDManager afterStep) {
        this.rows = rows;
        this.index = index;
        this.share = share;
        this.progress = progress;
        this.counts = counts;
        this.step = step;
        this.afterStep = afterStep;
      }

      /**
       * Adds the batch's gradients to those of the step and returns its loss; adds its terms to
       * {@code values}, and the norms of their gradients to {@code norms} if it is present.
       */
      double backward(Map<String, Double> values, @Nullable Map<String, Double> norms) {
        Batch batch = cleared.studentInputs().batch(step, rows);
        Signals teacher = teacherSignals(rows, step);
        Map<String, NDArray> weighted = new LinkedHashMap<>();
        double loss = 0;
        synchronized (RANDOM_STATE) {
          JniUtils.setSeed(stepSeed(progress.step(), index));
          Signals student = model.forward(batch.inputs(), recipe.requiresOfStudent(), true);
          LossContext context = context(batch, student, teacher);
          for (LossTerm term : terms) {
            NDArray value = compute(term, context);
            double number = value.getFloat();
            if (!Double.isFinite(number)) {
              throw new NonFiniteLossException(
                  term.name(), number, progress.epoch() + 1, progress.step() + 1);
            }
            double weight = term.weightAt(progress);
            values.merge(term.name(), share * number, Double::sum);
            loss += weight * number;
            weighted.put(term.name(), weight == 1 ? value : value.mul((float) weight));
          }
        }
        if (temperature != null) {
          meanTemperature += share * temperature.mean();
        }
        if (norms != null) {
          measure(weighted, norms);
        }
        backward(sum(weighted), share, false);
        return loss;
      }

      private NDArray sum(Map<String, NDArray> weighted) {
        NDArray total = null;
        for (NDArray value : weighted.values()) {
          total = total == null ? value : total.add(value);
        }
        return requireNonNull(total);
      }

      /**
       * Follows each term back on its own, with the graph kept, and takes the gradients away again:
       * the backward pass of the run finds everything as if this had not been.
       */
      private void measure(Map<String, NDArray> weighted, Map<String, Double> norms) {
        Set<String> parameters = model.parameters().keySet();
        weighted.forEach(
            (name, value) -> {
              if (graph.attached(value)) {
                backward(value, 1, true);
                norms.put(name, optimizer.measure(parameters));
              } else {
                norms.put(name, 0.0);
              }
            });
      }

      private void backward(NDArray value, double gradient, boolean keepGraph) {
        try {
          JniUtils.backward(
              (PtNDArray) value,
              (PtNDArray) step.full(value.getShape(), (float) gradient, DataType.FLOAT32),
              keepGraph,
              false);
        } catch (EngineException e) {
          throw new DistillationException(
              "loss must lead back to the student's parameters but the backward pass failed at"
                  + " epoch "
                  + (progress.epoch() + 1)
                  + ", step "
                  + (progress.step() + 1)
                  + "; compute every term from context.student() without in-place operators",
              e);
        }
      }

      private NDArray compute(LossTerm term, LossContext context) {
        LossState state = lossParameters.of(term.name(), step);
        NDArray value = term.loss().compute(context.withState(state));
        lossParameters.collect(term.name(), state, afterStep);
        if (value == null || value.size() != 1 || !value.getDataType().isFloating()) {
          throw new DistillationException(
              "loss term '"
                  + term.name()
                  + "' must be a floating-point scalar but was "
                  + (value == null ? "null" : value.getDataType() + " " + value.getShape())
                  + "; take a mean, for example with context.meanOverRows(...)");
        }
        // attached once is attached always, in practice; the answer costs a native call
        if (taken == 0 && !graph.attached(value)) {
          throw new DistillationException(
              "loss term '"
                  + term.name()
                  + "' must depend on the student's signals but no gradient leads there; compute it"
                  + " from context.student() without stopGradient(), toType(...) or toFloatArray()");
        }
        return float32(value);
      }

      /**
       * DJL makes float64 of a scalar times a Java double, and its {@code toType} would cut the
       * graph; a scalar without dimensions takes the type of what it is multiplied with.
       */
      private NDArray float32(NDArray value) {
        return value.getDataType() == DataType.FLOAT32
            ? value
            : value.reshape(new Shape()).mul(step.ones(new Shape(1), DataType.FLOAT32));
      }

      private LossContext context(Batch batch, Signals student, Signals teacher) {
        LossContext.Builder context =
            LossContext.builder(student, teacher)
                .sampleIds(batch.ids())
                .rowIndices(
                    step.create(
                        Arrays.stream(batch.rows()).asLongStream().toArray(),
                        new Shape(batch.rows().length)))
                .temperature(recipe.temperature())
                .layerMapping(recipe.layerMapping())
                .progress(progress)
                .step(counts);
        if (temperature != null) {
          context.temperature(temperature, lossParameters.of(LossParameters.RUN, step));
        }
        TokenLabels ofTokens = cleared.tokenLabels();
        if (ofTokens != null) {
          context.labels(ofTokens.array(step, batch.rows(), tokens(batch, student)));
        } else if (!dataset.classNames().isEmpty()) {
          long[] labels = Arrays.stream(batch.rows()).mapToLong(dataset::label).toArray();
          context.labels(step.create(labels, new Shape(labels.length)));
        }
        return context.build();
      }

      /** Returns the number of positions of the rows, of which the longest row fills all. */
      private static int tokens(Batch batch, Signals student) {
        Shape shape =
            student.kinds().contains(SignalKind.LOGITS)
                ? student.logits().getShape()
                : student.kinds().contains(SignalKind.LOGIT_FACTORS)
                    ? student.logitFactors().states().getShape()
                    : new Shape();
        if (shape.dimension() != 3 && !batch.inputs().isEmpty()) {
          shape = batch.inputs().get(0).getShape();
        }
        return shape.dimension() < 2 ? 1 : Math.toIntExact(shape.get(1));
      }
    }

    private Signals teacherSignals(int[] rows, NDManager step) {
      if (remembered != null) {
        return remembered.signals(step, rows);
      }
      BatchSource inputs = cleared.teacherInputs();
      if (inputs == null) {
        return Signals.none();
      }
      Teacher teacher = recipe.teacher();
      if (teacher.device().equals(recipe.device())) {
        return timedTeacher(inputs.batch(step, rows), recipe.requiresOfTeacher());
      }
      try (NDManager elsewhere = NativeEngine.newManager(teacher.device())) {
        return timedTeacher(inputs.batch(elsewhere, rows), recipe.requiresOfTeacher())
            .map(
                array -> {
                  NDArray moved = array.toDevice(recipe.device(), true);
                  moved.attach(step);
                  return moved;
                });
      }
    }

    private LossContext.StepCounts counts(List<int[]> batches) {
      long rows = 0;
      long labelled = 0;
      long tokens = 0;
      long targets = 0;
      TokenLabels ofTokens = cleared.tokenLabels();
      for (int[] batch : batches) {
        rows += batch.length;
        for (int row : batch) {
          int length = cleared.studentInputs().length(row);
          tokens += length;
          if (ofTokens != null) {
            labelled += ofTokens.targets(row) > 0 ? 1 : 0;
            targets += ofTokens.targets(row);
          } else {
            labelled += dataset.label(row) == DistillationDataset.NO_LABEL ? 0 : 1;
            // a language model predicts each token but the first
            targets += Math.max(0, length - 1);
          }
        }
      }
      return new LossContext.StepCounts(rows, labelled, tokens, targets);
    }

    private long stepSeed(long step, int index) {
      // a stream of its own for each batch of each step, so that a run can be resumed anywhere
      SplittableRandom mixed = new SplittableRandom(recipe.seed() ^ (step * 0x9E3779B97F4A7C15L));
      return mixed.nextLong() + index;
    }

    private Map<String, Double> validate(@Nullable RowSignals validationTeacher) {
      DistillationDataset validation = recipe.validation();
      if (validation == null
          || !model.provides().contains(SignalKind.LOGITS)
          || !cleared.studentLogitsAreRows()) {
        return Map.of();
      }
      int[] predicted = cleared.student().predict(validation);
      Map<String, Double> metrics = new LinkedHashMap<>();
      int labelled = 0;
      int right = 0;
      for (int row = 0; row < predicted.length; row++) {
        if (validation.label(row) != DistillationDataset.NO_LABEL) {
          labelled++;
          right += predicted[row] == validation.label(row) ? 1 : 0;
        }
      }
      if (labelled > 0) {
        metrics.put("accuracy", (double) right / labelled);
      }
      if (validationTeacher != null) {
        float[][] logits = validationTeacher.values(SignalKind.LOGITS);
        int same = 0;
        for (int row = 0; row < predicted.length; row++) {
          same += predicted[row] == DeployableModel.indexOfMaximum(logits[row]) ? 1 : 0;
        }
        metrics.put("agreement", (double) same / predicted.length);
      }
      return metrics;
    }
  }

  /** The run's temperature; remembers what it said last, for the events. */
  private static final class WatchedTemperature implements RowTemperature {
    private final RowTemperature inside;
    private @Nullable NDArray last;

    WatchedTemperature(RowTemperature inside) {
      this.inside = inside;
    }

    @Override
    public void prepare(LossSetup setup) {
      inside.prepare(setup);
    }

    @Override
    public NDArray of(LossContext context) {
      NDArray values = inside.of(context);
      last = values;
      return values;
    }

    /** Returns the mean over the rows of the batch, NaN if nobody asked. */
    double mean() {
      NDArray values = last;
      last = null;
      return values == null ? Double.NaN : values.mean().getFloat();
    }
  }

  /** Means over the rows of an epoch. */
  private static final class Means {
    private long rows;
    private double loss;
    private final Map<String, Double> terms = new LinkedHashMap<>();

    void add(long count, double stepLoss, Map<String, Double> values) {
      rows += count;
      loss += count * stepLoss;
      values.forEach((name, value) -> terms.merge(name, count * value, Double::sum));
    }

    double loss() {
      return rows == 0 ? 0 : loss / rows;
    }

    Map<String, Double> terms() {
      Map<String, Double> means = new LinkedHashMap<>();
      terms.forEach((name, sum) -> means.put(name, sum / rows));
      return means;
    }
  }
}
