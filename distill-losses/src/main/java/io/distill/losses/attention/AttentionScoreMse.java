package io.distill.losses.attention;

import ai.djl.ndarray.NDArray;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.LayerLoss;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.Set;

/** Mean squared error of attention scores before the softmax, of the keys that a query sees. */
public record AttentionScoreMse() implements LayerLoss {

  /**
   * What is lower is no score but the sign of a key that is hidden. Also the lowest number of
   * float16, -65,504, is below, and no score that a softmax has use for.
   */
  private static final double LOWEST_SCORE = -3e4;

  private static final Formula FORMULA =
      Formula.of(
              "AttentionScoreMse",
              Heads.MEAN_OVER,
              // hidden scores may be -inf: they are dropped before subtracting. Each query counts
              // the
              // keys it sees, so that neither later tokens nor other texts of its row change its
              // mean
              """
          def over_queries(self, student: Tensor, teacher: Tensor, mask: Tensor, share: Tensor) -> Tensor:
            keys = torch.unsqueeze(torch.unsqueeze(mask > 0, 1), 1)
            pairs = torch.logical_and(keys, torch.transpose(keys, 2, 3))
            seen = torch.logical_and(torch.ge(student, self.lowest), torch.ge(teacher, self.lowest))
            seen = torch.logical_and(seen, pairs)
            difference = torch.where(seen, student, 0.) - torch.where(seen, teacher, 0.)
            count = torch.clamp_min(torch.sum(seen, [1, 3]), 1)
            per_query = torch.sum(difference * difference, [1, 3]) / count
            return self.mean_over(per_query, mask, share)
          """)
          .with("lowest", LOWEST_SCORE);

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    SignalKind kind = SignalKind.ATTENTION_SCORES;
    NDArray student = Heads.student(context, kind, pair);
    NDArray teacher = Heads.teacher(context, kind, pair);
    Heads.sameTokens(kind, student, teacher, pair);
    Heads.sameCount(kind, student, teacher, pair);
    NDArray mask = Heads.mask(context, student);
    return Heads.in(FORMULA, context)
        .call("over_queries", student, teacher, mask, Heads.share(context));
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.of(SignalKind.ATTENTION_SCORES);
  }

  @Override
  public String name() {
    return "attentionScoreMse";
  }
}
