package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.OneText;
import io.distill.losses.internal.Projection;
import io.distill.mapping.LayerPair;

/**
 * Mean squared error of features and of their averages over 4, 2 and 1 regions a side.
 *
 * @param projection what takes the student to the teacher's width
 */
public record HierarchicalContext(Projection projection) implements ProjectedLoss {

  /**
   * Methods of formulas: {@code context_loss} takes the differences {@code [N, P, C]} of features
   * to {@code [N]}. Averages are linear, so that it averages differences.
   */
  static final String[] METHODS =
      Features.join(
          Features.with(Features.CONVOLUTION),
          // regions as in adaptive average pooling, counted over the real tokens of each row
          """
          def regions(self, real: Tensor, counts: Tensor, level: int) -> Tensor:
            rank = torch.unsqueeze(torch.cumsum(real, 1) - 1., 1)
            region = torch.reshape(torch.arange(level, device=real.device), [1, -1, 1])
            total = torch.reshape(counts, [-1, 1, 1])
            # both in float of whole numbers below 2^24 and a division by 1, 2 or 4: exact
            start = torch.floor(region * total / level)
            end = torch.ceil((region + 1) * total / level)
            inside = torch.logical_and(rank >= start, rank < end) * torch.unsqueeze(real, 1)
            return inside / torch.clamp_min(torch.sum(inside, [2], True), 1.)
          """,
          """
          def context_loss(self, student: Tensor, teacher: Tensor, difference: Tensor, mask: Tensor) -> Tensor:
            if torch.dim(student) == 4:
              sides = self.sides(student, teacher)
              height, width = sides
              pixels = torch.reshape(torch.transpose(difference, 1, 2), [torch.size(difference, 0), torch.size(difference, 2), height, width])
              loss = torch.mean(pixels * pixels, [1, 2, 3])
              weight = 1.
              weights = 1.
              for level in [4, 2, 1]:
                weight = weight / 2.
                if level < min(height, width):
                  pooled = torch.adaptive_avg_pool2d(pixels, [level, level])
                  loss = loss + torch.mean(pooled * pooled, [1, 2, 3]) * weight
                  weights = weights + weight
              loss = loss / weights
            else:
              real = self.counting(student, difference, mask)
              counts = torch.sum(real, [1])
              squares = torch.mean(difference * difference, [2])
              loss = torch.sum(squares * real, [1]) / torch.clamp_min(counts, 1.)
              if torch.dim(student) == 3:
                share = 1.
                shares = torch.ones_like(loss)
                for level in [4, 2, 1]:
                  share = share / 2.
                  applies = torch.where(counts > level, share, 0.) * torch.ones_like(loss)
                  pooled = torch.matmul(self.regions(real, counts, level), difference)
                  loss = loss + torch.mean(pooled * pooled, [1, 2]) * applies
                  shares = shares + applies
                loss = loss / shares
            return loss
          """);

  private static final Formula FORMULA =
      Formula.of(
          "HierarchicalContext",
          Features.join(
              METHODS,
              Projection.METHOD,
              """
              def over_rows(self, student: Tensor, teacher: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor, mask: Tensor, share: Tensor) -> Tensor:
                s = self.project(self.positions(self.fitted(student, teacher)), w, b, v, c)
                difference = s - self.positions(self.fitted(teacher, student))
                return torch.sum(self.context_loss(student, teacher, difference, mask)) * share
              """));

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    OneText.check(name(), context);
    NDArray mask = Features.mask(context, Features.student(context, pair));
    return call(context, pair, FORMULA, "over_rows", mask, context.rowShare()).get(0);
  }

  @Override
  public String name() {
    return "hierarchicalContext";
  }
}
