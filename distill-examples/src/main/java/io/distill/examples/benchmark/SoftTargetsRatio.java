package io.distill.examples.benchmark;

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
import io.distill.losses.Losses;
import io.distill.schedule.TemperatureSchedule;
import io.distill.signal.Signals;
import io.distill.torchscript.LoadedModule;
import io.distill.torchscript.ScriptModule;
import java.util.Arrays;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * The library's soft targets against one TorchScript method that does the same, mean included, with
 * its temperature as a constant: forward and backward on logits {@code (128, 100)}. The two take
 * turns, so that both meet the same machine.
 */
final class SoftTargetsRatio implements AutoCloseable {

  private static final int ROWS = 128;
  private static final int CLASSES = 100;
  private static final double TEMPERATURE = 2;
  private static final int WARM_UP = 3_000;
  private static final int ROUNDS = 400;
  private static final int TURNS = 25;
  private static final double NANOS = 1e3;

  private final NDManager manager = NativeEngine.newManager(Device.cpu());
  private final NDArray student = manager.randomNormal(new Shape(ROWS, CLASSES));
  private final NDArray teacher = manager.randomNormal(new Shape(ROWS, CLASSES));
  private final DistillationLoss loss = Losses.softTargets();
  private final LoadedModule plain =
      LoadedModule.load(
          ScriptModule.builder("Plain")
              .constant("temperature", TEMPERATURE)
              .method(
                  """
                  def soft_targets(self, student: Tensor, teacher: Tensor) -> Tensor:
                    log_q = torch.log_softmax(student / self.temperature, -1)
                    log_p = torch.log_softmax(teacher / self.temperature, -1)
                    p = torch.exp(log_p)
                    divergence = torch.sum(torch.where(p > 0., p * (log_p - log_q), 0.), [-1])
                    return torch.mean(divergence * (self.temperature * self.temperature))
                  """)
              .build(),
          Device.cpu(),
          false);

  private long nanos;

  private SoftTargetsRatio() {
    student.setRequiresGradient(true);
  }

  /** Medians in microseconds. */
  record Medians(double library, double plain) {
    double ratio() {
      return library / plain;
    }
  }

  static Medians measure() {
    NativeEngine.prepareThread();
    JniUtils.setGradMode(true);
    int threads = JniUtils.getNumThreads();
    JniUtils.setNumThreads(1);
    try (SoftTargetsRatio ratio = new SoftTargetsRatio()) {
      return ratio.run();
    } finally {
      JniUtils.setNumThreads(threads);
    }
  }

  private Medians run() {
    double difference = evaluate(this::library) - evaluate(this::plain);
    if (!(Math.abs(difference) < 1e-5)) {
      throw new IllegalStateException("both must be equal but differ by " + difference);
    }
    for (int i = 0; i < WARM_UP; i++) {
      evaluate(this::library);
      evaluate(this::plain);
    }
    double[] libraryTimes = new double[ROUNDS];
    double[] plainTimes = new double[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
      libraryTimes[i] = time(this::library);
      plainTimes[i] = time(this::plain);
    }
    return new Medians(median(libraryTimes), median(plainTimes));
  }

  private double time(Function<NDManager, Supplier<NDArray>> value) {
    long start = nanos;
    for (int i = 0; i < TURNS; i++) {
      evaluate(value);
    }
    return (nanos - start) / NANOS / TURNS;
  }

  private static double median(double[] times) {
    Arrays.sort(times);
    return times[times.length / 2];
  }

  /** Only the value and its gradients are timed, not what the loop does around a loss. */
  @SuppressWarnings("try") // the memory scope only has to be open
  private float evaluate(Function<NDManager, Supplier<NDArray>> prepared) {
    try (NDManager step = NativeEngine.newManager(Device.cpu());
        HostMemoryScope memory = new HostMemoryScope()) {
      Supplier<NDArray> value = prepared.apply(step);
      PtNDArray seed = (PtNDArray) step.full(new Shape(), 1f, DataType.FLOAT32);
      long start = System.nanoTime();
      PtNDArray result = (PtNDArray) value.get();
      JniUtils.backward(result, seed, false, false);
      nanos += System.nanoTime() - start;
      return result.getFloat();
    }
  }

  private static NDArray viewed(NDArray array, NDManager step) {
    NDArray view = array.reshape(array.getShape());
    view.attach(step);
    return view;
  }

  private Supplier<NDArray> library(NDManager step) {
    LossContext context =
        LossContext.builder(
                Signals.builder().logits(viewed(student, step)).build(),
                Signals.builder().logits(viewed(teacher, step)).build())
            .temperature(TemperatureSchedule.constant(TEMPERATURE))
            .build();
    return () -> loss.compute(context);
  }

  /** Gets views and a teacher without gradients, as the loop gives them to a loss. */
  private Supplier<NDArray> plain(NDManager step) {
    NDArray of = viewed(student, step);
    NDArray from = viewed(teacher, step).stopGradient();
    return () -> plain.call("soft_targets", new NDList(of, from), true).head();
  }

  @Override
  public void close() {
    plain.close();
    manager.close();
  }
}
