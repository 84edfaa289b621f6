package io.distill.trace;

import static java.util.Objects.requireNonNull;

import com.google.common.base.Throwables;
import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.distill.exception.DistillationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicBoolean;

/** A pipeline that runs on a thread of its own. */
public final class TraceRun {

  private final AtomicBoolean stopped;
  private final FutureTask<TraceResult> task;

  private TraceRun(AtomicBoolean stopped, FutureTask<TraceResult> task) {
    this.stopped = stopped;
    this.task = task;
  }

  static TraceRun start(TracePipeline pipeline) {
    AtomicBoolean stopped = new AtomicBoolean();
    FutureTask<TraceResult> task = new FutureTask<>(() -> pipeline.run(stopped::get));
    new Thread(task, "distill-traces").start();
    return new TraceRun(stopped, task);
  }

  /**
   * Asks the run to end after the answers that are under way; the same pipeline goes on later.
   *
   * @return this run
   */
  @CanIgnoreReturnValue
  public TraceRun stop() {
    stopped.set(true);
    return this;
  }

  /**
   * Waits for the end.
   *
   * @return what there is; {@link TraceReport#complete()} tells whether it is all
   * @throws DistillationException if the run failed, or the waiting thread was interrupted
   */
  public TraceResult await() {
    try {
      return task.get();
    } catch (ExecutionException e) {
      Throwables.throwIfUnchecked(requireNonNull(e.getCause()));
      throw new DistillationException("traces could not be made", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new DistillationException("waiting for traces was interrupted; the run goes on", e);
    }
  }
}
