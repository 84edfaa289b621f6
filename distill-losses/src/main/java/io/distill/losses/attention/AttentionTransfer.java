package io.distill.losses.attention;

import ai.djl.ndarray.NDArray;
import io.distill.loss.LossContext;
import io.distill.losses.internal.FeatureMaps;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.LayerLoss;
import io.distill.losses.internal.OneText;
import io.distill.mapping.LayerPair;

/** Squared distance of normalised maps of activation energy. */
public record AttentionTransfer() implements LayerLoss {

  private static final Formula FORMULA =
      Formula.of(
          "AttentionTransfer",
          FeatureMaps.POSITIONS,
          """
          def energy(self, x: Tensor, mask: Tensor) -> Tensor:
            energy = torch.where(mask > 0., torch.mean(x * x, [2]), 0.)
            return energy / torch.clamp_min(torch.norm(energy, 2, [1], True), 1e-12)
          """,
          """
          def over_rows(self, student: Tensor, teacher: Tensor, mask: Tensor, share: Tensor) -> Tensor:
            learned = self.energy(self.positions(student, teacher), mask)
            given = self.energy(self.positions(teacher, student), mask)
            return torch.sum((learned - given) * (learned - given)) * share
          """);

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    OneText.check(name(), context);
    NDArray student = context.student().hiddenStates().get(pair.student());
    NDArray teacher = context.teacher().hiddenStates().get(pair.teacher());
    FeatureMaps.check(name(), student, teacher, pair);
    NDArray mask = FeatureMaps.mask(context, student);
    return FORMULA.call("over_rows", student, teacher, mask, context.rowShare());
  }

  @Override
  public String name() {
    return "attentionTransfer";
  }
}
