package io.distill.training.internal;

/** Asks a run to end after its present step; any thread may. */
public final class StopSignal {

  private volatile boolean requested;

  /** Asks the run to end. */
  public void request() {
    requested = true;
  }

  /** Returns whether someone has asked. */
  public boolean requested() {
    return requested;
  }
}
