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
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.exception.NonFiniteLossException;
import io.distill.internal.HostMemoryScope;
import io.distill.loss.LossContext;
import io.distill.loss.LossState;
import io.distill.loss.LossTerm;
import io.distill.loss.RowTemperature;
import io.distill.model.SignalModel;
import io.distill.model.TrainingPass;
import io.distill.schedule.Progress;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/** The way from the rows of a step to gradients: teacher, student, loss, backward. */
final class GradientPass {

  /** libtorch has one random state a process; a draw must not mix with another run's. */
  private static final Object RANDOM_STATE = new Object();

  private final Recipe recipe;
  private final DistillationDataset dataset;
  private final PreFlight.Cleared cleared;
  private final TeacherAnswers answers;
  private final List<LossTerm> terms;
  private final LossParameters lossParameters;
  private final FusedOptimizer optimizer;
  private final GraphProbe graph;
  private final SignalModel model;
  private final @Nullable WatchedTemperature temperature;
  private double meanTemperature;
  private boolean attached;

  GradientPass(
      Recipe recipe,
      DistillationDataset dataset,
      PreFlight.Cleared cleared,
      TeacherAnswers answers,
      LossParameters lossParameters,
      FusedOptimizer optimizer,
      GraphProbe graph) {
    this.recipe = recipe;
    this.dataset = dataset;
    this.cleared = cleared;
    this.answers = answers;
    this.terms = recipe.terms();
    this.lossParameters = lossParameters;
    this.optimizer = optimizer;
    this.graph = graph;
    this.model = cleared.student().model();
    RowTemperature rule = recipe.rowTemperature();
    this.temperature = rule == null ? null : new WatchedTemperature(rule);
  }

  /** What a step's loss was. */
  record Outcome(
      long rows,
      double loss,
      Map<String, Double> values,
      Map<String, Double> weights,
      Map<String, Double> norms,
      double temperature) {}

  /**
   * Adds up the gradients of all batches of a step.
   *
   * @param measured whether the gradients of the terms are compared on the first batch
   * @param afterStep owns what the loss wants changed after the step
   */
  @SuppressWarnings("try") // the memory scope only has to be open
  Outcome run(
      Progress progress,
      List<int[]> batches,
      boolean measured,
      NDManager manager,
      NDManager afterStep) {
    LossContext.StepCounts counts = counts(batches);
    Map<String, Double> values = new LinkedHashMap<>();
    Map<String, Double> norms = new LinkedHashMap<>();
    Map<String, Double> weights = new LinkedHashMap<>();
    terms.forEach(term -> weights.put(term.name(), term.weightAt(progress)));
    meanTemperature = temperature == null ? recipe.temperature().at(progress) : 0;
    double loss = 0;
    for (int i = 0; i < batches.size(); i++) {
      double share = (double) batches.get(i).length / counts.rows();
      try (NDManager step = manager.newSubManager();
          HostMemoryScope memory = new HostMemoryScope()) {
        MicroBatch batch =
            new MicroBatch(batches.get(i), i, share, progress, counts, weights, step, afterStep);
        loss += share * batch.backward(values, measured && i == 0 ? norms : null);
      }
    }
    // attached once is attached always, in practice; the answer costs a native call
    attached = true;
    return new Outcome(counts.rows(), loss, values, weights, norms, meanTemperature);
  }

  /** One of the batches of a step, on its way from rows to gradients. */
  private final class MicroBatch {
    private final int[] rows;
    private final int index;
    private final double share;
    private final Progress progress;
    private final LossContext.StepCounts counts;
    private final Map<String, Double> weights;
    private final NDManager step;
    private final NDManager afterStep;
    private @Nullable TrainingPass pass;

    MicroBatch(
        int[] rows,
        int index,
        double share,
        Progress progress,
        LossContext.StepCounts counts,
        Map<String, Double> weights,
        NDManager step,
        NDManager afterStep) {
      this.rows = rows;
      this.index = index;
      this.share = share;
      this.progress = progress;
      this.counts = counts;
      this.weights = weights;
      this.step = step;
      this.afterStep = afterStep;
    }

    /**
     * Adds the batch's gradients to those of the step and returns its loss; adds its terms to
     * {@code values}, and the norms of their gradients to {@code norms} if it is present.
     */
    double backward(Map<String, Double> values, @Nullable Map<String, Double> norms) {
      Batch batch = cleared.studentInputs().batch(step, rows);
      Signals teacher = answers.of(rows, step);
      Map<String, NDArray> weighted = new LinkedHashMap<>();
      double loss = 0;
      synchronized (RANDOM_STATE) {
        long seed = stepSeed(progress.step(), index);
        JniUtils.setSeed(seed);
        pass = model.trainingPass(batch.inputs(), recipe.requiresOfStudent(), seed);
        Signals student = pass.signals();
        LossContext context = context(batch, student, teacher);
        for (LossTerm term : terms) {
          NDArray value = compute(term, context);
          double number = value.getFloat();
          if (!Double.isFinite(number)) {
            throw new NonFiniteLossException(
                term.name(), number, progress.epoch() + 1, progress.step() + 1);
          }
          double weight = requireNonNull(weights.get(term.name()));
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
        synchronized (RANDOM_STATE) {
          requireNonNull(pass).backward();
        }
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
      if (!attached && !graph.attached(value)) {
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
}
