package io.distill.huggingface.internal;

import org.jspecify.annotations.Nullable;

/** What one rendering may spend, so that no template runs for ever or fills the memory. */
final class Budget {
  /** About a second; a published template needs a few hundred steps a message. */
  private static final long STEPS = 5_000_000;

  static final int LONGEST_TEXT = 1 << 26;
  static final int DEPTH = 200;
  private static final int CHARACTERS_A_STEP = 32;

  private static final ThreadLocal<@Nullable Budget> CURRENT = new ThreadLocal<>();

  private final @Nullable Budget outer = CURRENT.get();
  private long left = STEPS;
  private int depth;

  static Budget open() {
    Budget budget = new Budget();
    CURRENT.set(budget);
    return budget;
  }

  void close() {
    if (outer == null) {
      CURRENT.remove();
    } else {
      CURRENT.set(outer);
    }
  }

  static void spend(long steps) {
    Budget budget = CURRENT.get();
    if (budget == null) {
      return;
    }
    budget.left -= steps;
    if (budget.left < 0) {
      throw new TemplateException("it takes more than " + STEPS + " steps");
    }
  }

  /** Pays for a text of some length before it is made. */
  static void spendText(long length) {
    if (length > LONGEST_TEXT) {
      throw new TemplateException("it makes a text of more than " + LONGEST_TEXT + " characters");
    }
    spend(1 + length / CHARACTERS_A_STEP);
  }

  static void enter() {
    Budget budget = CURRENT.get();
    if (budget != null && ++budget.depth > DEPTH) {
      throw new TemplateException("it calls itself more than " + DEPTH + " times");
    }
  }

  static void leave() {
    Budget budget = CURRENT.get();
    if (budget != null) {
      budget.depth--;
    }
  }
}
