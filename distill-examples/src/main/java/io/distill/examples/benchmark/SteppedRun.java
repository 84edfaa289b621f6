package io.distill.examples.benchmark;

import ai.djl.pytorch.jni.JniUtils;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.DistillationDataset;
import io.distill.training.TrainingListener;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.SynchronousQueue;
import java.util.function.Function;

/**
 * A real run of a recipe that goes on for as many steps as it is told, so that steps can be timed
 * without the checks, the teacher's pass and the start of a run.
 *
 * <p>The run is held by a listener at the end of each step.
 */
final class SteppedRun implements AutoCloseable {

  private static final int STOP = -1;
  private static final String DONE = "";

  private final BlockingQueue<Integer> orders = new ArrayBlockingQueue<>(1);
  private final BlockingQueue<String> answers = new SynchronousQueue<>();
  private final Thread thread;

  // both are the training thread's
  private int remaining;
  private boolean stopped;

  /**
   * Starts a run and waits until it stands at the end of its first step.
   *
   * @param recipe makes the recipe with the listener that holds the run
   * @param dataset the data
   * @param threads the number of threads of libtorch
   */
  SteppedRun(
      Function<TrainingListener, Distiller> recipe, DistillationDataset dataset, int threads) {
    Distiller distiller =
        recipe.apply(
            new TrainingListener() {
              @Override
              public void onStep(Step event) {
                pass();
              }
            });
    thread = new Thread(() -> run(distiller, dataset, threads), "benchmarked run");
    thread.setDaemon(true);
    thread.start();
    awaitAnswer();
  }

  private void run(Distiller distiller, DistillationDataset dataset, int threads) {
    String end = "the run ended before it was stopped";
    try {
      JniUtils.setNumThreads(threads);
      try (DistillationResult result = distiller.fit(dataset)) {
        end += " after " + result.steps() + " steps";
      }
      if (stopped) {
        return;
      }
    } catch (RuntimeException | Error e) {
      end = e.toString();
    }
    answer(end);
  }

  /** Holds the run at the end of a step until more are wanted, or it is to stop. */
  private void pass() {
    if (remaining == 0) {
      answer(DONE);
      remaining = order();
      if (remaining == STOP) {
        stopped = true;
        Thread.currentThread().interrupt();
        return;
      }
    }
    remaining--;
  }

  /**
   * Takes some steps.
   *
   * @param count how many, at least 1
   */
  void steps(int count) {
    orders.add(count);
    awaitAnswer();
  }

  private void awaitAnswer() {
    try {
      String answer = answers.take();
      if (!answer.equals(DONE)) {
        throw new IllegalStateException("benchmarked run must go on but stopped: " + answer);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while a benchmark waited for its run", e);
    }
  }

  private void answer(String answer) {
    try {
      answers.put(answer);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private int order() {
    try {
      return orders.take();
    } catch (InterruptedException e) {
      return STOP;
    }
  }

  @Override
  public void close() {
    orders.add(STOP);
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
