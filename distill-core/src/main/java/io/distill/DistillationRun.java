package io.distill;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.training.internal.Recipe;
import io.distill.training.internal.StopSignal;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;

/** A run on a thread of its own; {@link Distiller#start} starts one. Thread-safe. */
public final class DistillationRun {

  private static final AtomicInteger NUMBER = new AtomicInteger();

  private final StopSignal stop = new StopSignal();
  private final CompletableFuture<DistillationResult> result = new CompletableFuture<>();

  private DistillationRun() {}

  static DistillationRun start(Recipe recipe, DistillationDataset dataset) {
    DistillationRun run = new DistillationRun();
    Thread thread =
        new Thread(() -> run.train(recipe, dataset), "distill-run-" + NUMBER.incrementAndGet());
    thread.start();
    return run;
  }

  private void train(Recipe recipe, DistillationDataset dataset) {
    try {
      result.complete(DistillationResult.of(recipe, dataset, stop));
    } catch (RuntimeException | Error e) {
      result.completeExceptionally(e);
    }
  }

  /**
   * Asks the run to end after its present step, with a last checkpoint if it has any. Returns at
   * once; a run that is over is left alone.
   *
   * @return this run
   */
  @CanIgnoreReturnValue
  public DistillationRun stop() {
    stop.request();
    return this;
  }

  /**
   * Returns whether the run is over, well or not.
   *
   * @return whether {@link #result()} would return or throw at once
   */
  public boolean isDone() {
    return result.isDone();
  }

  /**
   * Waits for the end of the run.
   *
   * @return the student and how it came about; of a run that was stopped the student as it stood.
   *     Each call returns the same object; close it once
   * @throws DistillationException what the run threw, as {@link Distiller#fit}; or if this thread
   *     is interrupted while it waits: the run then goes on, and the interrupt stays set
   */
  public DistillationResult result() {
    try {
      return result.get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new DistillationException(
          "thread must not be interrupted while it waits for a run but was; the run goes on: call"
              + " stop() to end it",
          e);
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException failure) {
        throw failure;
      }
      if (e.getCause() instanceof Error error) {
        throw error;
      }
      throw new CompletionException(e.getCause());
    }
  }
}
