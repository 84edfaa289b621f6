package io.distill.training.internal;

import ai.djl.pytorch.jni.JniUtils;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.internal.ProcessEnd;
import java.nio.channels.ClosedByInterruptException;
import java.util.concurrent.CountDownLatch;

/** Runs recipes: step after step, until the run is over or someone asks it to stop. */
public final class TrainingLoop {

  private TrainingLoop() {}

  /**
   * Runs a recipe on data, on this thread. An interrupt of the thread asks the run to stop, as the
   * signal does; it stays set.
   */
  @SuppressWarnings("try") // the end of the process only has to be watched
  public static FinishedRun run(Recipe recipe, DistillationDataset dataset, StopSignal stop) {
    NativeEngine.prepareThread();
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(true);
    CountDownLatch ended = new CountDownLatch(1);
    Interrupts interrupts = new Interrupts(stop);
    // native code that is still running when the process takes the library down would crash it
    try (ProcessEnd.Registration watched = ProcessEnd.before(stop::request, ended)) {
      return run(TrainingRun.open(recipe, dataset), stop, interrupts);
    } finally {
      ended.countDown();
      ProcessEnd.restIfEnding();
      JniUtils.setGradMode(gradients);
      interrupts.restore();
    }
  }

  private static FinishedRun run(TrainingRun opened, StopSignal stop, Interrupts interrupts) {
    try (TrainingRun run = opened) {
      try {
        while (!run.over() && !stop.requested()) {
          interrupts.check();
          interrupts.guard(run::advance, run::checkpoint);
          interrupts.check();
        }
        return run.finish();
      } catch (RuntimeException | Error e) {
        run.fail(e);
        throw e;
      }
    }
  }

  /**
   * An interrupt closes the file that is being written, which would make a failure of a wish to
   * stop. So it is taken note of, cleared while the run ends in order, and set again for the
   * caller.
   */
  private static final class Interrupts {
    private final StopSignal stop;
    private boolean seen;

    Interrupts(StopSignal stop) {
      this.stop = stop;
    }

    void check() {
      if (Thread.interrupted()) {
        seen = true;
        stop.request();
      }
    }

    /** Runs an action; if an interrupt came in the middle of writing, writes again. */
    void guard(Runnable action, Runnable again) {
      try {
        action.run();
      } catch (DistillationException e) {
        if (!(e.getCause() instanceof ClosedByInterruptException)) {
          throw e;
        }
        check();
        again.run();
      }
    }

    void restore() {
      if (seen) {
        Thread.currentThread().interrupt();
      }
    }
  }
}
