package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.OneText;
import io.distill.losses.internal.Projection;
import io.distill.mapping.LayerPair;

/**
 * Squared distance of the directions of the first tokens.
 *
 * @param projection what takes the student to the teacher's width
 */
public record PatientKd(Projection projection) implements ProjectedLoss {

  private static final Formula FORMULA =
      Formula.of(
          "PatientKd",
          Features.with(
              Projection.METHOD,
              """
              def first(self, x: Tensor, mask: Tensor) -> Tensor:
                y = x
                if torch.dim(x) == 3:
                  length = torch.size(x, 1)
                  # the largest is the first real token, and no two are equal
                  order = torch.arange(length, 0, -1, device=mask.device)
                  at = torch.reshape(torch.argmax(mask * order, 1), [-1, 1, 1])
                  y = torch.squeeze(torch.gather(x, 1, torch.expand(at, [-1, -1, torch.size(x, 2)])), 1)
                return y
              """,
              """
              def direction(self, x: Tensor) -> Tensor:
                return x / torch.sqrt(torch.clamp_min(torch.sum(x * x, [-1], True), 1e-12))
              """,
              """
              def over_rows(self, student: Tensor, teacher: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor, mask: Tensor, share: Tensor) -> Tensor:
                s = self.project(self.first(student, mask), w, b, v, c)
                difference = self.direction(s) - self.direction(self.first(teacher, mask))
                value = torch.sum(difference * difference, [-1])
                if torch.dim(student) == 3:
                  value = value * torch.amax(mask, [1])
                return torch.sum(value) * share
              """));

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    OneText.check(name(), context);
    NDArray student = Features.student(context, pair);
    Shape shape = student.getShape();
    if (shape.dimension() > Features.TOKENS) {
      throw new DistillationException(
          "student's hidden states must have shape (rows, width) or (rows, tokens, width) for"
              + " patientKd but had "
              + shape
              + "; a map has no first token, use hint or hiddenStateMse");
    }
    NDArray mask = Features.mask(context, student);
    return call(context, pair, FORMULA, "over_rows", mask, context.rowShare()).get(0);
  }

  @Override
  public String name() {
    return "patientKd";
  }
}
