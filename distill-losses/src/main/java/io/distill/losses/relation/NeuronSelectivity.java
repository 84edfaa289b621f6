package io.distill.losses.relation;

import ai.djl.ndarray.NDArray;
import io.distill.loss.LossContext;
import io.distill.losses.internal.FeatureMaps;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.LayerLoss;
import io.distill.losses.internal.OneText;
import io.distill.mapping.LayerPair;

/** Maximum mean discrepancy of the activation patterns of channels. */
public record NeuronSelectivity() implements LayerLoss {

  /**
   * The kernel (xᵀy)² is the inner product of xxᵀ and yyᵀ, so the discrepancy is the squared
   * distance of the means of those matrices, {@code [P, P]}. Where there are many positions and few
   * channels, the products of channels are fewer.
   */
  private static final Formula FORMULA =
      Formula.of(
          "NeuronSelectivity",
          FeatureMaps.POSITIONS,
          """
          def patterns(self, x: Tensor, mask: Tensor) -> Tensor:
            counted = torch.where(torch.unsqueeze(mask > 0., -1), x, 0.)
            return counted / torch.clamp_min(torch.norm(counted, 2, [1], True), 1e-12)
          """,
          """
          def over_rows(self, student: Tensor, teacher: Tensor, mask: Tensor, share: Tensor) -> Tensor:
            own = self.patterns(self.positions(student, teacher), mask)
            given = self.patterns(self.positions(teacher, student), mask)
            size = torch.size(own, 1)
            few = torch.size(own, 2)
            many = torch.size(given, 2)
            across = torch.transpose(own, 1, 2)
            over = torch.transpose(given, 1, 2)
            if size * (few + many) <= few * few + many * many + few * many:
              difference = torch.matmul(own, across) / few - torch.matmul(given, over) / many
              result = torch.sum(difference * difference, [1, 2])
            else:
              result = self.kernel(across, own) + self.kernel(over, given) - 2. * self.kernel(across, given)
            return torch.sum(result) * share
          """,
          """
          def kernel(self, left: Tensor, right: Tensor) -> Tensor:
            products = torch.matmul(left, right)
            return torch.mean(products * products, [1, 2])
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
    return "neuronSelectivity";
  }
}
