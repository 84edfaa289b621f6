package io.distill.internal;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * What happens when the process is asked to end, as by Ctrl-C: work that is under way is asked to
 * end in order and gets some time for it, before {@link AtomicFiles} lets no new file begin.
 */
public final class ProcessEnd {

  /** How long the end of the process waits for work that is under way. */
  private static final long WAIT_SECONDS = 60;

  private static final Set<Work> UNDER_WAY = ConcurrentHashMap.newKeySet();

  private static volatile boolean ending;

  private ProcessEnd() {}

  private record Work(Runnable stop, CountDownLatch ended) {}

  /** Ends the watch over some work. */
  @FunctionalInterface
  public interface Registration extends AutoCloseable {
    @Override
    void close();
  }

  /**
   * Watches over work.
   *
   * @param stop asks it to end; must return at once
   * @param ended counted down when it has
   */
  public static Registration before(Runnable stop, CountDownLatch ended) {
    // the hook that waits stands there
    AtomicFiles.ready();
    Work work = new Work(stop, ended);
    UNDER_WAY.add(work);
    return () -> UNDER_WAY.remove(work);
  }

  /**
   * Lets the calling thread rest if the process is ending: whoever asked for the work must not take
   * what was broken off for what is done, and save it.
   */
  public static void restIfEnding() {
    while (ending) {
      LockSupport.park(ProcessEnd.class);
    }
  }

  static void awaitWork() throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
    ending = true;
    UNDER_WAY.forEach(work -> work.stop().run());
    for (Work work : UNDER_WAY) {
      boolean inTime =
          work.ended().await(Math.max(0, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
      if (!inTime) {
        return;
      }
    }
  }
}
