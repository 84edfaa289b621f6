package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.LayerLoss;
import io.distill.losses.internal.Positions;
import io.distill.losses.internal.Projection;
import io.distill.mapping.LayerPair;

/**
 * Partial squared distance to the teacher's features behind a margin ReLU.
 *
 * @param projection what takes the student to the teacher's width
 */
public record Overhaul(Projection projection) implements ProjectedLoss {

  /** The share of what is known about the margin that a step keeps: about the last 100 batches. */
  private static final double KEPT = 0.99;

  private static final Formula FORMULA =
      Formula.of(
              "Overhaul",
              Features.with(
                  Projection.METHOD,
                  """
                  def over_positions(self, student: Tensor, teacher: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor, seen: Tensor, mask: Tensor, share: Tensor) -> Tuple[Tensor, Tensor]:
                    s = self.project(self.positions(self.fitted(student, teacher)), w, b, v, c)
                    raw = self.positions(self.fitted(teacher, student))
                    sums = torch.select(seen, 0, 0)
                    counts = torch.select(seen, 0, 1)
                    # the mean of what was negative; 0, an ordinary ReLU, until something was
                    margin = torch.where(counts > 0., sums / torch.clamp_min(counts, 1e-6), 0.)
                    t = torch.maximum(raw, margin)
                    difference = s - t
                    squares = torch.where(torch.logical_or(s > t, t > 0.), difference * difference, 0.)
                    real = torch.unsqueeze(self.counting(student, raw, mask), 2)
                    negative = torch.where(raw < 0., real, 0.)
                    batch = torch.stack([torch.sum(raw * negative, [0, 1]), torch.sum(negative, [0, 1])])
                    value = self.mean_over(student, torch.sum(squares, [-1]), mask, share)
                    return value, torch.detach(seen * self.kept + batch)
                  """))
          .with("kept", KEPT);

  @Override
  public void prepare(LossSetup setup, LayerPair pair) {
    ProjectedLoss.super.prepare(setup, pair);
    Shape sumsAndCounts = new Shape(2, ProjectedLoss.teacherWidth(setup, pair));
    setup.buffer(negatives(pair), sumsAndCounts, 0f);
  }

  private static String negatives(LayerPair pair) {
    return LayerLoss.name("negatives", pair);
  }

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    NDArray student = Features.student(context, pair);
    NDArray seen = context.buffer(negatives(pair));
    NDArray mask = Features.mask(context, student);
    NDList results =
        call(
            context,
            pair,
            FORMULA,
            "over_positions",
            seen,
            mask,
            Positions.share(context, student));
    context.update(negatives(pair), results.get(1));
    return results.get(0);
  }

  @Override
  public String name() {
    return "overhaul";
  }
}
