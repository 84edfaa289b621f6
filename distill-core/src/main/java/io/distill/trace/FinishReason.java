package io.distill.trace;

import java.util.Locale;

/** Why an answer ends. */
public enum FinishReason {
  /** The teacher ended it, with an end-of-sequence token or a stop string. */
  STOP,
  /** It reached the number of tokens that it may have. */
  LENGTH,
  /** The teacher, or the service before it, refuses to answer. */
  REFUSED,
  /** The source does not say. */
  UNKNOWN;

  /** Returns how files write it. */
  String text() {
    return name().toLowerCase(Locale.ROOT);
  }
}
