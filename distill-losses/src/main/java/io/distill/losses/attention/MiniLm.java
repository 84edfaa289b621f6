package io.distill.losses.attention;

import ai.djl.ndarray.NDArray;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.Set;

/**
 * Divergence of attention distributions and of value relations.
 *
 * @param mapped whether the layers are those of a mapping given to this loss, and not the last
 */
public record MiniLm(boolean mapped) implements LastLayerLoss {

  private static final Formula FORMULA =
      SelfRelation.formula(
          "MiniLm",
          // queries in groups share keys
          """
          def repeated(self, keys: Tensor, queries: Tensor) -> Tensor:
            group = torch.size(queries, 1) // torch.size(keys, 1)
            result = keys
            if group > 1:
              result = torch.flatten(torch.expand(torch.unsqueeze(keys, 2), [-1, -1, group, -1, -1]), 1, 2)
            return result
          """,
          """
          def per_query(self, queries: Tensor, keys: Tensor, values: Tensor, teacher_queries: Tensor, teacher_keys: Tensor, teacher_values: Tensor, tokens: Tensor) -> Tensor:
            own = self.repeated(keys, queries)
            given = self.repeated(teacher_keys, teacher_queries)
            attention = self.divergence(queries, own, teacher_queries, given, self.before(tokens))
            return attention + self.divergence(values, values, teacher_values, teacher_values, tokens)
          """);

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    return SelfRelation.mean(context, pair, FORMULA, true);
  }

  @Override
  public DistillationLoss followingMapping() {
    return new MiniLm(true);
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.copyOf(SelfRelation.KINDS);
  }

  @Override
  public String name() {
    return "miniLm";
  }
}
