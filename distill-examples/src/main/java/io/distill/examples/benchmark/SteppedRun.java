package io.distill.examples.benchmark;

import ai.djl.pytorch.jni.JniUtils;
import io.distill.DistillationResult;
import io.distill.Distiller;
import io.distill.data.DistillationDataset;
import io.distill.schedule.LearningRateSchedule;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.SynchronousQueue;
import java.util.function.Function;

/**
 * A real run of a recipe that goes on for as many steps as it is told, so that steps can be timed
 * without the checks, the teacher's pass and the start of a run.
 *
 * <p>The run is held in its learning-rate schedule, which the loop asks once a step.
 */
final class SteppedRun implements AutoCloseable {

  private static final int STOP = -1;
  private static final String DONE = "";

  private final BlockingQueue<Integer> orders = new ArrayBlockingQueue<>(1);
  private final BlockingQueue<String> answers = new SynchronousQueue<>();
  private final Thread thread;

  /** Only the training thread reads and writes it. */
  private int remaining;

  /**
   * Starts a run and waits until it stands in its first step.
   *
   * @param recipe makes the recipe around the schedule that holds the run
   * @param dataset the data
   * @param threads the number of threads of libtorch
   */
  SteppedRun(
      Function<LearningRateSchedule, Distiller> recipe, DistillationDataset dataset, int threads) {
    Distiller distiller = recipe.apply(progress -> pass());
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
    } catch (CancellationException e) {
      return;
    } catch (RuntimeException | Error e) {
      end = e.toString();
    }
    answer(end);
  }

  private double pass() {
    if (remaining == 0) {
      answer(DONE);
      remaining = order();
      if (remaining == STOP) {
        throw new CancellationException("stopped");
      }
    }
    remaining--;
    return 1;
  }

  /**
   * Takes some steps: from the middle of one to the middle of another.
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
      throw cancelled(e);
    }
  }

  private int order() {
    try {
      return orders.take();
    } catch (InterruptedException e) {
      throw cancelled(e);
    }
  }

  private static CancellationException cancelled(InterruptedException cause) {
    Thread.currentThread().interrupt();
    CancellationException cancelled = new CancellationException("interrupted");
    cancelled.initCause(cause);
    return cancelled;
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
