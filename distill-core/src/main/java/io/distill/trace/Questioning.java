package io.distill.trace;

import com.google.common.base.Throwables;
import com.google.common.util.concurrent.Uninterruptibles;
import io.distill.exception.DistillationException;
import java.io.Closeable;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Asks the teacher what is not known yet, and writes each answer when it arrives. Workers go on
 * with later batches while an earlier one takes its time; how far is for whoever submits them.
 */
final class Questioning implements Closeable {

  private static final long POLL_MILLIS = 50;

  private final AnswerSource source;
  private final AnswerLog answers;
  private final Retries retries;
  private final BooleanSupplier stopped;
  private final ExecutorService threads;
  private final AtomicLong asked = new AtomicLong();
  private final AtomicLong retried = new AtomicLong();
  private volatile boolean over;

  /** Batches that were submitted and are not done, calls among them that are under way. */
  private int open;

  private int underWay;
  private long since;
  private long nanos;
  private @Nullable Throwable failure;

  /** One answer that is wanted. */
  record Item(Prompt prompt, int index, long seed) {

    Question question() {
      return new Question(prompt.id(), prompt.text(), prompt.messages(), index, seed);
    }
  }

  Questioning(
      AnswerSource source,
      AnswerLog answers,
      Retries retries,
      int concurrency,
      BooleanSupplier stopped) {
    this.source = source;
    this.answers = answers;
    this.retries = retries;
    this.stopped = stopped;
    this.threads =
        Executors.newFixedThreadPool(
            concurrency,
            task -> {
              Thread thread = new Thread(task, "distill-teacher");
              thread.setDaemon(true);
              return thread;
            });
  }

  long asked() {
    return asked.get();
  }

  long retried() {
    return retried.get();
  }

  /** Returns how long at least one call was under way. */
  synchronized double seconds() {
    return (nanos + (underWay > 0 ? System.nanoTime() - since : 0)) / 1e9;
  }

  /** Returns whether nothing more is asked: someone wishes the end, or the source failed. */
  boolean ending() {
    return over || stopped.getAsBoolean();
  }

  /** Begins to ask for those of some answers that are not there. */
  void submit(List<Item> batch) {
    List<Item> missing = missing(batch);
    if (missing.isEmpty()) {
      return;
    }
    synchronized (this) {
      open++;
    }
    threads.execute(() -> call(missing));
  }

  private List<Item> missing(List<Item> batch) {
    return batch.stream().filter(item -> !answers.has(item.prompt(), item.index())).toList();
  }

  /**
   * Waits for an answer.
   *
   * @return whether it is there and the run is to go on; if not, no call is under way any more
   * @throws DistillationException if the source failed; calls under way were waited for
   */
  boolean await(Item item) {
    boolean interrupted = false;
    try {
      synchronized (this) {
        while (open > 0 && (ending() || !answers.has(item.prompt(), item.index()))) {
          try {
            wait(POLL_MILLIS);
          } catch (InterruptedException e) {
            // calls that are under way are paid for: they are waited for
            interrupted = true;
            over = true;
          }
        }
        if (failure != null) {
          throw failed(failure);
        }
      }
      return !ending() && answers.has(item.prompt(), item.index());
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static RuntimeException failed(Throwable cause) {
    Throwables.throwIfInstanceOf(cause, Error.class);
    if (cause instanceof DistillationException known) {
      return known;
    }
    return new DistillationException(
        "teacher must answer but failed ("
            + cause
            + "); answers that had arrived are stored: mend it and run again",
        cause);
  }

  private void call(List<Item> batch) {
    begin();
    Throwable thrown = null;
    try {
      askBatch(batch);
      answers.syncNowAndThen();
    } catch (Exception | Error e) {
      thrown = e;
    }
    end(thrown);
  }

  private synchronized void begin() {
    if (underWay++ == 0) {
      since = System.nanoTime();
    }
  }

  private synchronized void end(@Nullable Throwable thrown) {
    if (--underWay == 0) {
      nanos += System.nanoTime() - since;
    }
    open--;
    if (thrown != null) {
      over = true;
      failure = failure == null ? thrown : failure;
    }
    notifyAll();
  }

  private synchronized void arrived() {
    notifyAll();
  }

  private void askBatch(List<Item> batch) throws Exception {
    List<Item> asking = batch;
    int retry = 0;
    while (!ending() && !asking.isEmpty()) {
      List<Item> now = asking;
      AtomicLong arrived = new AtomicLong();
      try {
        source.answers(
            now.stream().map(Item::question).toList(),
            (position, answer) -> {
              receive(now, position, answer);
              arrived.incrementAndGet();
            });
        requireAll(now);
        return;
      } catch (TemporaryFailureException e) {
        // an attempt that brought something starts the count anew
        retry = arrived.get() > 0 ? 1 : retry + 1;
        if (retry > retries.most()) {
          throw new DistillationException(
              "teacher must answer within "
                  + retries.most()
                  + " retries but did not ("
                  + e.getMessage()
                  + "); answers that had arrived are stored: run again later",
              e);
        }
        retried.incrementAndGet();
        sleep(retries.before(retry, e));
      }
      asking = missing(now);
    }
  }

  private void receive(List<Item> asking, int position, Answer answer) {
    Item item = asking.get(position);
    if (answers.has(item.prompt(), item.index())) {
      throw new IllegalStateException(
          "question " + position + " must be answered once but was answered twice");
    }
    answers.append(item.prompt(), item.question(), answer);
    asked.incrementAndGet();
    arrived();
  }

  private void requireAll(List<Item> batch) {
    for (Item item : missing(batch)) {
      throw new DistillationException(
          "teacher must answer every question but gave none to answer "
              + item.index()
              + " of prompt '"
              + item.prompt().id()
              + "'; hand each answer to the receiver");
    }
  }

  private void sleep(Duration wait) throws InterruptedException {
    long until = System.nanoTime() + wait.toNanos();
    for (long left = wait.toMillis(); left >= 0 && !ending(); ) {
      Thread.sleep(Math.min(POLL_MILLIS, left));
      left = (until - System.nanoTime()) / 1_000_000 - 1;
    }
  }

  /** Asks nothing more, and waits for calls that are under way: they are paid for. */
  @Override
  public void close() {
    over = true;
    threads.shutdown();
    Uninterruptibles.awaitTerminationUninterruptibly(threads);
  }
}
