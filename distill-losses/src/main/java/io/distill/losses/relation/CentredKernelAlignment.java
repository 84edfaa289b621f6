package io.distill.losses.relation;

import io.distill.losses.internal.Formula;

/** One minus linear centred kernel alignment. */
public record CentredKernelAlignment() implements RelationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "CentredKernelAlignment",
          SCALED,
          // the first row is taken away first, so that equal rows are exactly 0 and no rounding
          // is blown up to a direction
          """
          def centred(self, x: Tensor) -> Tensor:
            moved = x - torch.detach(torch.narrow(x, 0, 0, 1))
            return self.scaled(moved - torch.mean(moved, [0], True))
          """,
          """
          def product(self, x: Tensor, y: Tensor) -> Tensor:
            both = torch.matmul(torch.t(x), y)
            return torch.sum(both * both)
          """,
          """
          def relation(self, student: Tensor, teacher: Tensor) -> Tensor:
            s = self.centred(student)
            t = self.centred(teacher)
            rows = s.size(0)
            width = s.size(1)
            other = t.size(1)
            if rows * (width + other) <= width * width + other * other + width * other:
              k = torch.matmul(s, torch.t(s))
              l = torch.matmul(t, torch.t(t))
              both = torch.sum(k * l)
              own = torch.sum(k * k)
              theirs = torch.sum(l * l)
            else:
              both = self.product(s, t)
              own = self.product(s, s)
              theirs = self.product(t, t)
            own = torch.rsqrt(torch.where(own > 0., own, 1.))
            alignment = both * own * torch.rsqrt(torch.where(theirs > 0., theirs, 1.))
            return torch.where(theirs > 0., 1. - alignment, alignment)
          """);

  @Override
  public Formula formula() {
    return FORMULA;
  }

  @Override
  public String name() {
    return "cka";
  }
}
