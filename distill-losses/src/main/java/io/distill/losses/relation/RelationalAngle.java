package io.distill.losses.relation;

import io.distill.losses.internal.Formula;

/** Huber distance of the angles of triples of rows. */
public record RelationalAngle() implements RelationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "RelationalAngle",
          SCALED,
          // [i, j, k] is the cosine of the angle at i between j and k, by the law of cosines: time
          // N² D + N³, where products of differences would take N³ D. In float64: where two rows
          // are near each other, float32 leaves nothing of the difference of the squares
          """
          def angles(self, x: Tensor) -> Tensor:
            scaled = self.scaled(torch.to(x, 7))
            side = torch.cdist(scaled, scaled, 2., 2)
            apart = side > 1e-12
            inverse = torch.where(apart, 1. / torch.where(apart, side, 1.), 0.)
            square = side * side
            near = torch.unsqueeze(square, 2) + torch.unsqueeze(square, 1)
            product = torch.unsqueeze(inverse * 0.5, 2) * torch.unsqueeze(inverse, 1)
            return torch.to((near - torch.unsqueeze(square, 0)) * product, x)
          """,
          """
          def relation(self, student: Tensor, teacher: Tensor) -> Tensor:
            return torch.smooth_l1_loss(self.angles(student), self.angles(teacher), 1, 1.)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "relationalAngle";
  }
}
