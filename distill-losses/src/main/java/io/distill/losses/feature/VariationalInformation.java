package io.distill.losses.feature;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.LayerLoss;
import io.distill.losses.internal.Positions;
import io.distill.losses.internal.Projection;
import io.distill.mapping.LayerPair;

/**
 * Negative log-likelihood of the teacher's features under a Gaussian around the student's.
 *
 * @param projection the network of the mean; always there
 * @param variance the variance at the start
 */
public record VariationalInformation(Projection projection, double variance)
    implements ProjectedLoss {

  /** Added to the learned variance, so that it cannot become 0. */
  private static final double SMALLEST = 1e-5;

  private static final Formula FORMULA =
      Formula.of(
              "VariationalInformation",
              Features.with(
                  Projection.METHOD,
                  """
                  def over_positions(self, student: Tensor, teacher: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor, raw: Tensor, mask: Tensor, share: Tensor) -> Tensor:
                    mean = self.project(self.positions(self.fitted(student, teacher)), w, b, v, c)
                    difference = mean - self.positions(self.fitted(teacher, student))
                    variance = torch.softplus(raw) + self.smallest
                    likelihood = torch.mean(difference * difference / variance + torch.log(variance), [-1]) * 0.5
                    return self.mean_over(student, likelihood, mask, share)
                  """))
          .with("smallest", SMALLEST);

  /**
   * Checks the variance; the network of the mean is there between equal widths too.
   *
   * @param projection the network of the mean; made to be there between equal widths too
   * @param variance the variance at the start; finite and greater than 1e-5
   * @throws IllegalArgumentException if {@code variance} is out of range
   */
  public VariationalInformation {
    checkArgument(
        variance > SMALLEST && Double.isFinite(variance),
        "variance must be finite and greater than 1e-5 but was %s",
        variance);
    projection = projection.everywhere();
  }

  @Override
  public void prepare(LossSetup setup, LayerPair pair) {
    ProjectedLoss.super.prepare(setup, pair);
    // the inverse of softplus; above 20 softplus is the identity to float32
    double start = variance - SMALLEST;
    double raw = start > 20 ? start : Math.log(Math.expm1(start));
    Shape width = new Shape(ProjectedLoss.teacherWidth(setup, pair));
    setup.parameter(LayerLoss.name("variance", pair), width, (float) raw);
  }

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    NDArray raw = context.parameter(LayerLoss.name("variance", pair));
    NDArray student = Features.student(context, pair);
    NDArray share = Positions.share(context, student);
    return call(
            context, pair, FORMULA, "over_positions", raw, Features.mask(context, student), share)
        .get(0);
  }

  @Override
  public String name() {
    return "variationalInformation";
  }
}
