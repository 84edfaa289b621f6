package io.distill.examples.benchmark;

import static java.util.Objects.requireNonNull;

import ai.djl.pytorch.jni.JniUtils;
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
 * One loss, forward and backward, on signals of the sizes that {@link LossSignals} names; libtorch
 * works on one thread.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 3, time = 1)
@Fork(1)
public class LossBenchmark {

  /** The factory call. */
  @Param({"softTargets()"})
  public String loss = "";

  private @Nullable LossSignals signals;
  private int threads;

  /** Creates the state; JMH does. */
  public LossBenchmark() {}

  /** Makes the signals. */
  @Setup(Level.Trial)
  public void open() {
    signals = BenchmarkedLoss.named(loss).open();
    threads = JniUtils.getNumThreads();
    JniUtils.setNumThreads(1);
  }

  /** Frees the signals. */
  @TearDown(Level.Trial)
  public void close() {
    JniUtils.setNumThreads(threads);
    requireNonNull(signals, "signals").close();
  }

  /**
   * Computes value and gradients.
   *
   * @return the value
   */
  @Benchmark
  public float forwardAndBackward() {
    return requireNonNull(signals, "signals").evaluate();
  }
}
