package io.distill.examples.benchmark;

/** Says to {@link NativeCalls}, which watches from outside, where a loss starts and ends. */
final class NativeCallMarks {

  private NativeCallMarks() {}

  /** The loss of this number starts. */
  static void starts() {}

  /** The loss has its value; the backward pass and the freeing of arrays follow. */
  static void computed() {}

  /** All is freed. */
  static void ends() {}
}
