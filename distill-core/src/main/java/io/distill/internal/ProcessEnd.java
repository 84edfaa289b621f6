package io.distill.internal;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * What happens when the process is asked to end, as by Ctrl-C: work that is under way is asked to
 * end in order and gets some time for it, before {@link AtomicFiles} lets no new file begin.
 */
public final class ProcessEnd {

  /** How long the end of the process waits for work that is under way. */
  private static final long WAIT_SECONDS = 60;

  private static final Set<Work> UNDER_WAY = ConcurrentHashMap.newKeySet();

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

  /** Watches over nothing. */
  public static Registration nothing() {
    return () -> {};
  }

  static void awaitWork() throws InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_SECONDS);
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
