package io.distill.examples.benchmark;

import static java.util.Objects.requireNonNull;

import ai.djl.Device;
import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.ParameterServer;
import ai.djl.training.tracker.Tracker;
import io.distill.model.Activation;
import io.distill.model.Pooling;
import io.distill.model.ScriptedModel;
import io.distill.model.TransformerEncoder;
import io.distill.training.Optimizer;
import io.distill.training.internal.FusedOptimizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * One AdamW step over the parameters of a small encoder: the library's fused step against DJL's.
 *
 * <p>The encoder has 2 layers, hidden size 128, 2 heads, feed-forward size 512, 2,000 word pieces,
 * 64 positions and 12 classes: 39 parameter arrays. With {@code arrays=26} the step goes over the
 * first 26 of them: all embeddings, all of the first layer, and the first five arrays of the
 * second.
 *
 * <p>All gradients are filled before each step, outside the measured time. The library's step also
 * takes the norm of all gradients, which DJL's does not. Two things of DJL are timed: what its
 * {@code Trainer.step()} does for each parameter (the update of its engine's {@link
 * ParameterServer}, which fetches and copies the gradient first), and {@link
 * ai.djl.training.optimizer.AdamW} alone, with gradients at hand. Both update and zero. libtorch
 * works on one thread.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 2)
@Fork(1)
public class OptimizerBenchmark {

  private static final float GRADIENT = 1e-3f;
  private static final double LEARNING_RATE = 1e-3;

  /** How many parameter arrays are updated. */
  @Param({"26", "39"})
  public int arrays;

  private @Nullable Setting setting;

  /** Creates the state; JMH does. */
  public OptimizerBenchmark() {}

  /** Opens the encoder and both optimizers. */
  @Setup(Level.Trial)
  public void open() {
    setting = new Setting(arrays);
  }

  /** Fills the gradients, as a backward pass would. */
  @Setup(Level.Invocation)
  public void fillGradients() {
    for (NDArray gradient : setting().gradients) {
      gradient.addi(GRADIENT);
    }
  }

  /** Closes everything. */
  @TearDown(Level.Trial)
  public void close() {
    setting().close();
  }

  /**
   * Takes the library's step.
   *
   * @return the norm of the gradients
   */
  @Benchmark
  public double fused() {
    return setting().fused.step(LEARNING_RATE, Double.POSITIVE_INFINITY);
  }

  /** Takes the step of DJL's trainer. */
  @Benchmark
  public void djlTrainer() {
    Setting current = setting();
    current.parameters.forEach((name, array) -> current.server.update(name, new NDArray[] {array}));
  }

  /** Takes the step of DJL's optimizer alone. */
  @Benchmark
  public void djlOptimizer() {
    Setting current = setting();
    int i = 0;
    for (Map.Entry<String, NDArray> parameter : current.parameters.entrySet()) {
      current.optimizer.update(
          parameter.getKey(), parameter.getValue(), current.gradients.get(i++));
    }
  }

  private Setting setting() {
    return requireNonNull(setting, "setting");
  }

  private static final class Setting implements AutoCloseable {
    final ScriptedModel model;
    final FusedOptimizer fused;
    final ai.djl.training.optimizer.AdamW optimizer;
    final ParameterServer server;
    final Map<String, NDArray> parameters = new LinkedHashMap<>();
    final List<NDArray> gradients = new ArrayList<>();
    final int threads;

    Setting(int arrays) {
      TransformerEncoder encoder =
          new TransformerEncoder(
              2_000, 64, 1, 128, 2, 2, 512, Activation.GELU, 1e-12, 0.1, Pooling.MEAN, false, 12);
      model = ScriptedModel.open(encoder, encoder.initialWeights(1), Device.cpu(), true);
      threads = JniUtils.getNumThreads();
      JniUtils.setNumThreads(1);
      encoder.initialWeights(1).keySet().stream()
          .limit(arrays)
          .forEach(name -> parameters.put(name, requireNonNull(model.parameters().get(name))));
      // makes the gradients as well
      fused = new FusedOptimizer(Optimizer.adamW(), parameters, Device.cpu());
      parameters.values().forEach(array -> gradients.add(array.getGradient()));
      optimizer =
          ai.djl.training.optimizer.AdamW.builder()
              .optLearningRateTracker(Tracker.fixed((float) LEARNING_RATE))
              .build();
      server = Engine.getEngine("PyTorch").newParameterServer(optimizer);
    }

    @Override
    public void close() {
      JniUtils.setNumThreads(threads);
      server.close();
      fused.close();
      model.close();
    }
  }
}
