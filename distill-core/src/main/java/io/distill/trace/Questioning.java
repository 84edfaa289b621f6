package io.distill.trace;

import static java.util.Objects.requireNonNull;

import com.google.common.base.Throwables;
import com.google.common.collect.Lists;
import io.distill.exception.DistillationException;
import java.io.Closeable;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;

/** Asks the teacher what is not known yet, and writes each answer when it arrives. */
final class Questioning implements Closeable {

  private final AnswerSource source;
  private final AnswerLog answers;
  private final Retries retries;
  private final int batchSize;
  private final ExecutorService threads;
  private final AtomicLong asked = new AtomicLong();
  private final AtomicLong retried = new AtomicLong();
  private long nanos;

  /** One answer that is wanted. */
  record Item(Prompt prompt, int index, long seed) {

    Question question() {
      return new Question(prompt.id(), prompt.text(), prompt.messages(), index, seed);
    }
  }

  Questioning(
      AnswerSource source, AnswerLog answers, Retries retries, int concurrency, int batchSize) {
    this.source = source;
    this.answers = answers;
    this.retries = retries;
    this.batchSize = batchSize;
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

  double seconds() {
    return nanos / 1e9;
  }

  /**
   * Asks for those of some answers that are not there; when this returns normally all are, unless
   * it was told to end.
   */
  void ask(List<Item> items, BooleanSupplier end) {
    List<Item> open =
        items.stream().filter(item -> !answers.has(item.prompt(), item.index())).toList();
    long start = System.nanoTime();
    AtomicBoolean over = new AtomicBoolean(end.getAsBoolean());
    List<Future<?>> calls = new ArrayList<>();
    for (List<Item> batch : Lists.partition(open, batchSize)) {
      calls.add(threads.submit(() -> askBatch(batch, over)));
    }
    RuntimeException failure = null;
    boolean interrupted = false;
    for (Future<?> call : calls) {
      boolean waiting = true;
      while (waiting) {
        try {
          call.get();
          waiting = false;
        } catch (InterruptedException e) {
          // calls that are under way are paid for: they are waited for
          interrupted = true;
          over.set(true);
        } catch (ExecutionException e) {
          waiting = false;
          over.set(true);
          failure = failure == null ? failed(requireNonNull(e.getCause())) : failure;
        }
      }
      if (end.getAsBoolean()) {
        over.set(true);
      }
    }
    answers.syncNowAndThen();
    nanos += System.nanoTime() - start;
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    if (failure != null) {
      throw failure;
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

  private void askBatch(List<Item> batch, AtomicBoolean over) {
    List<Item> open = batch;
    int retry = 0;
    while (!over.get() && !open.isEmpty()) {
      List<Item> asking = open;
      AtomicLong arrived = new AtomicLong();
      try {
        source.answers(
            asking.stream().map(Item::question).toList(),
            (position, answer) -> {
              Item item = asking.get(position);
              if (answers.has(item.prompt(), item.index())) {
                throw new IllegalStateException(
                    "question " + position + " must be answered once but was answered twice");
              }
              arrived.incrementAndGet();
              answers.append(item.prompt(), item.question(), answer);
              asked.incrementAndGet();
            });
        requireAll(asking);
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
        sleep(retries.before(retry, e).toMillis(), over);
      } catch (DistillationException e) {
        throw e;
      } catch (Exception e) {
        throw failed(e);
      }
      open = asking.stream().filter(item -> !answers.has(item.prompt(), item.index())).toList();
    }
  }

  private void requireAll(List<Item> asked) {
    for (Item item : asked) {
      if (!answers.has(item.prompt(), item.index())) {
        throw new DistillationException(
            "teacher must answer every question but gave none to answer "
                + item.index()
                + " of prompt '"
                + item.prompt().id()
                + "'; hand each answer to the receiver");
      }
    }
  }

  private static void sleep(long millis, AtomicBoolean over) {
    long until = System.nanoTime() + millis * 1_000_000;
    try {
      while (!over.get() && System.nanoTime() < until) {
        Thread.sleep(Math.min(100, Math.max(1, (until - System.nanoTime()) / 1_000_000)));
      }
    } catch (InterruptedException e) {
      over.set(true);
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
