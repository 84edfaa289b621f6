package io.distill.losses.logit;

import io.distill.losses.internal.Formula;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * What formulas of tempered distributions share. All logarithms that they work with are finite, so
 * that a class of probability 0 counts 0 in values and gradients, also in those of a learned
 * temperature.
 */
final class Tempered {

  /** Low enough to have probability 0, and finite: 0 times infinity is not a number. */
  private static final String TEMPERED =
      """
      def tempered(self, logits: Tensor, temperature: Tensor) -> Tensor:
        return torch.clamp_min(logits, -1e+30) / temperature
      """;

  /**
   * For divergences that are infinite where the teacher allows what the student rules out: they
   * stay so, to be seen, unless both rule it out.
   */
  private static final String TEMPERED_STUDENT =
      """
      def tempered_student(self, student: Tensor, teacher: Tensor, temperature: Tensor) -> Tensor:
        nobodys = torch.logical_and(student < -1e+30, teacher < -1e+30)
        return torch.masked_fill(student, nobodys, -1e+30) / temperature
      """;

  private static final String LOG_PROBABILITIES =
      """
      def log_probabilities(self, logits: Tensor, temperature: Tensor) -> Tensor:
        return torch.log_softmax(self.tempered(logits, temperature), -1)
      """;

  private static final String STUDENT_LOG_PROBABILITIES =
      """
      def student_log_probabilities(self, student: Tensor, teacher: Tensor, temperature: Tensor) -> Tensor:
        return torch.log_softmax(self.tempered_student(student, teacher, temperature), -1)
      """;

  private static final String DIVERGENCE =
      """
      def divergence(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        return torch.sum(torch.exp(log_p) * (log_p - log_q), [-1])
      """;

  /**
   * Infinite where the student allows what the teacher rules out, which would tell the student
   * nothing: no probability of the teacher counts as less than float32's smallest, 1.2e-38.
   */
  private static final String REVERSE_DIVERGENCE =
      """
      def reverse_divergence(self, log_p: Tensor, log_q: Tensor) -> Tensor:
        return self.divergence(log_q, torch.clamp_min(log_p, -87.33654475055310898))
      """;

  /** From a to {@code share a + (1 - share) b}: a function of the logarithm of b / a alone. */
  private static final String MIXTURE_DIVERGENCE =
      """
      def mixture_divergence(self, log_a: Tensor, log_b: Tensor, share: float) -> Tensor:
        log_ratio = torch.softplus(log_b - log_a + torch.log((1. - share) / share)) + torch.log(share)
        return -torch.sum(torch.exp(log_a) * log_ratio, [-1])
      """;

  private static final String SCALED =
      """
      def scaled(self, per_row: Tensor, temperature: Tensor) -> Tensor:
        return per_row * torch.reshape(temperature * temperature, [-1])
      """;

  private Tempered() {}

  /** Declares a formula whose methods may call those above. */
  static Formula formula(String name, String... methods) {
    return Formula.of(
        name,
        Stream.concat(
                Stream.of(
                    TEMPERED,
                    TEMPERED_STUDENT,
                    LOG_PROBABILITIES,
                    STUDENT_LOG_PROBABILITIES,
                    DIVERGENCE,
                    REVERSE_DIVERGENCE,
                    MIXTURE_DIVERGENCE,
                    SCALED),
                Arrays.stream(methods))
            .toArray(String[]::new));
  }
}
