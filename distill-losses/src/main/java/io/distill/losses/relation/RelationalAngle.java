package io.distill.losses.relation;

import io.distill.losses.internal.Formula;

/** Huber distance of the angles of triples of rows. */
public record RelationalAngle() implements RelationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "RelationalAngle",
          SCALED,
          UNIT,
          // [i, j, k] is the cosine of the angle at i between j and k
          """
          def angles(self, x: Tensor) -> Tensor:
            scaled = self.scaled(x)
            sides = self.unit(torch.unsqueeze(scaled, 0) - torch.unsqueeze(scaled, 1))
            return torch.bmm(sides, torch.transpose(sides, 1, 2))
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
