package io.distill.losses.attention;

import ai.djl.ndarray.NDArray;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.LayerLoss;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.Set;

/** Mean squared error of attention scores before the softmax. */
public record AttentionScoreMse() implements LayerLoss {

  private static final Formula FORMULA =
      Formula.of(
          "AttentionScoreMse",
          Heads.MEAN_OVER,
          // scores of padding may be -inf in models that mask early: drop them before subtracting
          """
          def over_queries(self, student: Tensor, teacher: Tensor, mask: Tensor, share: Tensor) -> Tensor:
            real = mask > 0
            keys = torch.unsqueeze(torch.unsqueeze(real, 1), 1)
            pairs = torch.logical_and(keys, torch.transpose(keys, 2, 3))
            difference = torch.where(pairs, student, 0.) - torch.where(pairs, teacher, 0.)
            count = torch.clamp_min(torch.sum(real, [1], True), 1)
            per_query = torch.sum(torch.mean(difference * difference, [1]), [2]) / count
            return self.mean_over(per_query, mask, share)
          """);

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
