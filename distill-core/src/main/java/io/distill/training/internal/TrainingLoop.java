package io.distill.training.internal;

import ai.djl.pytorch.jni.JniUtils;
import com.google.common.io.Closer;
import io.distill.data.DistillationDataset;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.internal.ProcessEnd;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.ClosedByInterruptException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Function;

/** Runs recipes: step after step, until the run is over or someone asks it to stop. */
public final class TrainingLoop {

  private TrainingLoop() {}

  /**
   * Runs a recipe on data, on this thread. An interrupt of the thread asks the run to stop, as the
   * signal does; it stays set.
   */
  public static FinishedRun run(Recipe recipe, DistillationDataset dataset, StopSignal stop) {
    return watched(
            stop,
            interrupts -> {
              try (TrainingRun run = TrainingRun.open(recipe, dataset)) {
                return run(List.of(run), stop, interrupts);
              }
            })
        .get(0);
  }

  /**
   * Runs recipes on the same data, on this thread, which take turns: one step each, in their order.
   * A signal or an interrupt stops all of them after a whole round.
   */
  public static List<FinishedRun> runTogether(
      List<Recipe> recipes, DistillationDataset dataset, StopSignal stop) {
    return watched(
        stop,
        interrupts -> {
          try (Closer all = Closer.create()) {
            List<TrainingRun> runs = new ArrayList<>();
            for (Recipe recipe : CommonCheckpoint.resumed(recipes)) {
              try {
                runs.add(TrainingRun.open(recipe, dataset));
              } catch (RuntimeException | Error e) {
                runs.forEach(run -> run.fail(e));
                throw e;
              }
              all.register(runs.get(runs.size() - 1)::close);
            }
            return run(runs, stop, interrupts);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }

  @SuppressWarnings("try") // the end of the process only has to be watched
  private static List<FinishedRun> watched(
      StopSignal stop, Function<Interrupts, List<FinishedRun>> action) {
    NativeEngine.prepareThread();
    boolean gradients = JniUtils.isGradMode();
    JniUtils.setGradMode(true);
    CountDownLatch ended = new CountDownLatch(1);
    Interrupts interrupts = new Interrupts(stop);
    // native code that is still running when the process takes the library down would crash it
    try (ProcessEnd.Registration watched = ProcessEnd.before(stop::request, ended)) {
      return action.apply(interrupts);
    } finally {
      ended.countDown();
      ProcessEnd.restIfEnding();
      JniUtils.setGradMode(gradients);
      interrupts.restore();
    }
  }

  private static List<FinishedRun> run(
      List<TrainingRun> runs, StopSignal stop, Interrupts interrupts) {
    List<FinishedRun> finished = new ArrayList<>();
    try {
      while (!stop.requested() && !runs.stream().allMatch(TrainingRun::over)) {
        interrupts.check();
        boolean kept = false;
        for (TrainingRun run : runs) {
          if (!run.over()) {
            interrupts.guard(run::advance, run::checkpoint);
            kept |= run.isKept();
          }
        }
        if (kept && runs.size() > 1) {
          // what learns from each other goes on only together
          runs.forEach(run -> interrupts.guard(run::checkpoint, run::checkpoint));
        }
        interrupts.check();
      }
      runs.forEach(run -> finished.add(run.finish()));
      return finished;
    } catch (RuntimeException | Error e) {
      runs.subList(finished.size(), runs.size()).forEach(run -> run.fail(e));
      throw e;
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
