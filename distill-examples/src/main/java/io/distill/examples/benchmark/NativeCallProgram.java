package io.distill.examples.benchmark;

/**
 * Evaluates every loss a few times, and once more between two marks; {@link NativeCalls} runs it.
 */
final class NativeCallProgram {

  private NativeCallProgram() {}

  /**
   * Runs the losses.
   *
   * @param arguments none are read
   */
  public static void main(String[] arguments) {
    for (BenchmarkedLoss each : BenchmarkedLoss.all()) {
      try (LossSignals signals = each.open()) {
        // the first evaluations compile the formula and make gradients
        float unused = signals.evaluate() + signals.evaluate();
        unused += signals.evaluate(NativeCallMarks::starts, NativeCallMarks::computed);
        if (Float.isNaN(unused)) {
          throw new IllegalStateException(each + " must have a value but had none");
        }
        NativeCallMarks.ends();
      }
    }
  }
}
