package io.distill.losses.relation;

import io.distill.losses.internal.Formula;

/** Huber distance of the distances of pairs of rows. */
public record RelationalDistance() implements RelationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "RelationalDistance",
          SCALED,
          // taken from differences, not from products: equal rows are at exactly 0, which pdist
          // gives no gradient
          """
          def distances(self, x: Tensor) -> Tensor:
            distance = torch.pdist(self.scaled(x), 2.)
            mean = torch.sum(distance) / torch.clamp_min(torch.sum(distance > 0.), 1)
            return distance / torch.where(mean > 0., mean, 1.)
          """,
          """
          def relation(self, student: Tensor, teacher: Tensor) -> Tensor:
            rows = student.size(0)
            each = torch.smooth_l1_loss(self.distances(student), self.distances(teacher), 0, 1.)
            return torch.sum(each) * 2. / (rows * rows)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "relationalDistance";
  }
}
