package io.distill.losses.attention;

import ai.djl.ndarray.NDArray;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Optional;

/**
 * How tokens relate: the softmax of scaled dot products, over the keys that are real tokens of the
 * same text.
 */
final class SelfRelation {

  /** What a formula gets of each model, in this order. */
  static final List<SignalKind> KINDS =
      List.of(SignalKind.QUERIES, SignalKind.KEYS, SignalKind.VALUES);

  /**
   * Methods {@code log_relation(left, right, keys)}, from {@code [N, H, L, d]} to {@code [N, H, L,
   * L]}, and {@code divergence(...)}, the Kullback-Leibler divergence of the student's relation
   * from the teacher's, averaged over heads, {@code [N, L]}.
   *
   * <p>{@code tokens(mask, texts)} gives these keys, {@code [N, 1, 1, L]} or {@code [N, 1, L, L]},
   * and {@code before(keys)} those of them that a causal model sees.
   *
   * <p>Keys that do not count get a score so low that the softmax gives them exactly 0. It is
   * finite so that their share of the divergence is 0 without another mask, and so that a row of
   * padding alone, which does not count, has finite gradients.
   */
  private static final String[] METHODS = {
    Heads.MEAN_OVER,
    """
    def log_relation(self, left: Tensor, right: Tensor, keys: Tensor) -> Tensor:
      scaled = left / torch.sqrt(torch.size(left, -1))
      scores = torch.matmul(scaled, torch.transpose(right, -2, -1))
      return torch.log_softmax(torch.where(keys, scores, -1e+30), -1)
    """,
    """
    def divergence(self, student_left: Tensor, student_right: Tensor, teacher_left: Tensor, teacher_right: Tensor, keys: Tensor) -> Tensor:
      log_q = self.log_relation(student_left, student_right, keys)
      log_p = self.log_relation(teacher_left, teacher_right, keys)
      per_key = torch.exp(log_p) * (log_p - log_q)
      return torch.mean(torch.sum(per_key, [-1]), [1])
    """,
    """
    def tokens(self, mask: Tensor, texts: Tensor) -> Tensor:
      keys = torch.unsqueeze(torch.unsqueeze(mask > 0, 1), 1)
      if self.causal:
        same = torch.eq(torch.unsqueeze(texts, 2), torch.unsqueeze(texts, 1))
        keys = torch.logical_and(keys, torch.unsqueeze(same, 1))
      return keys
    """,
    """
    def before(self, keys: Tensor) -> Tensor:
      seen = keys
      if self.causal:
        key = torch.arange(torch.size(keys, 3), device=keys.device)
        seen = torch.logical_and(keys, torch.ge(torch.unsqueeze(key, 1), key))
      return seen
    """
  };

  private static final String OVER_QUERIES =
      """
      def over_queries(self, queries: Tensor, keys: Tensor, values: Tensor, teacher_queries: Tensor, teacher_keys: Tensor, teacher_values: Tensor, mask: Tensor, texts: Tensor, share: Tensor) -> Tensor:
        per_query = self.per_query(queries, keys, values, teacher_queries, teacher_keys, teacher_values, self.tokens(mask, texts))
        return self.mean_over(per_query, mask, share)
      """;

  private SelfRelation() {}

  /**
   * Declares a formula.
   *
   * @param perQuery a method {@code per_query(self, queries, keys, values, teacher_queries,
   *     teacher_keys, teacher_values, tokens)}, to {@code [N, L]}, and what it calls
   */
  static Formula formula(String name, String... perQuery) {
    return Formula.of(name, METHODS).extended(name, perQuery).extended(OVER_QUERIES);
  }

  /** Averages a formula over the real tokens. */
  static NDArray mean(LossContext context, LayerPair pair, Formula formula, boolean sameHeads) {
    int kinds = KINDS.size();
    NDArray[] inputs = new NDArray[2 * kinds + 3];
    for (int i = 0; i < kinds; i++) {
      SignalKind kind = KINDS.get(i);
      inputs[i] = Heads.student(context, kind, pair);
      inputs[kinds + i] = Heads.teacher(context, kind, pair);
      Heads.sameTokens(kind, inputs[i], inputs[kinds + i], pair);
      if (sameHeads) {
        Heads.sameCount(kind, inputs[i], inputs[kinds + i], pair);
      }
    }
    Optional<NDArray> texts = context.student().texts();
    inputs[2 * kinds] = Heads.mask(context, inputs[0]);
    inputs[2 * kinds + 1] = texts.orElse(inputs[2 * kinds]);
    inputs[2 * kinds + 2] = Heads.share(context);
    return Heads.in(formula, context)
        .with("causal", texts.isPresent())
        .call("over_queries", inputs);
  }
}
