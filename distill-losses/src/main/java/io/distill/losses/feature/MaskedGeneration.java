package io.distill.losses.feature;

import static com.google.common.base.Preconditions.checkArgument;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.LayerLoss;
import io.distill.losses.internal.OneText;
import io.distill.losses.internal.Positions;
import io.distill.losses.internal.Projection;
import io.distill.mapping.LayerPair;
import io.distill.schedule.Progress;

/**
 * Squared distance of the teacher's features and what is generated of a masked student's.
 *
 * @param projection what takes the student to the teacher's width
 * @param ratio the share of positions that is masked
 */
public record MaskedGeneration(Projection projection, double ratio) implements ProjectedLoss {

  private static final int TAPS = 9;

  private static final Formula FORMULA =
      Formula.of(
          "MaskedGeneration",
          Features.join(
              Features.with(Features.CONVOLUTION),
              Projection.METHOD,
              // a hash of 32 bits in numbers of 64, so that no product overflows
              """
              def mixed(self, x: Tensor) -> Tensor:
                y = torch.bitwise_and(x, 4294967295)
                for i in range(2):
                  y = torch.bitwise_xor(y, torch.bitwise_right_shift(y, 16))
                  y = torch.bitwise_and(y * 73244475, 4294967295)
                return torch.bitwise_xor(y, torch.bitwise_right_shift(y, 16))
              """,
              """
              def over_positions(self, student: Tensor, teacher: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor, mask: Tensor, rows: Tensor, key: Tensor, gw: Tensor, gb: Tensor, gv: Tensor, gc: Tensor, share: Tensor) -> Tensor:
                s = self.project(self.positions(self.fitted(student, teacher)), w, b, v, c)
                t = self.positions(self.fitted(teacher, student))
                real = torch.unsqueeze(self.counting(student, t, mask), 2)
                if torch.dim(student) == 2:
                  at = torch.reshape(torch.arange(torch.size(t, 2), device=rows.device), [1, 1, -1])
                else:
                  at = torch.reshape(torch.arange(torch.size(t, 1), device=rows.device), [1, -1, 1])
                drawn = self.mixed(self.mixed(torch.reshape(rows, [-1, 1, 1]) + key) + at)
                sides = self.sides(student, teacher)
                height, width = sides
                x = torch.where(drawn >= self.threshold, s * real, 0.)
                x = torch.relu(self.convolved(x, height, width, gw, gb)) * real
                difference = self.convolved(x, height, width, gv, gc) - t
                return self.mean_over(student, torch.mean(difference * difference, [-1]), mask, share)
              """));

  /**
   * Checks the ratio.
   *
   * @param projection what takes the student to the teacher's width
   * @param ratio the share of positions that is masked; at least 0 and below 1
   * @throws IllegalArgumentException if {@code ratio} is out of range
   */
  public MaskedGeneration {
    checkArgument(
        ratio >= 0 && ratio < 1, "ratio must be at least 0 and below 1 but was %s", ratio);
  }

  @Override
  public void prepare(LossSetup setup, LayerPair pair) {
    ProjectedLoss.super.prepare(setup, pair);
    int width = ProjectedLoss.teacherWidth(setup, pair);
    for (String layer : new String[] {"generator", "generator.out"}) {
      // one row a channel, so that the fan-in is that of the 3x3 kernel
      setup.parameter(LayerLoss.name(layer, pair), new Shape(width, (long) TAPS * width));
      setup.parameter(LayerLoss.name(layer + ".bias", pair), new Shape(width), 0f);
    }
  }

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    OneText.check(name(), context);
    NDArray student = Features.student(context, pair);
    return call(
            context,
            pair,
            FORMULA.with("threshold", Math.round(ratio * (1L << 32))),
            "over_positions",
            Features.mask(context, student),
            context.rowIndices(),
            context.manager().create(key(context.progress(), pair)),
            context.parameter(LayerLoss.name("generator", pair)),
            context.parameter(LayerLoss.name("generator.bias", pair)),
            context.parameter(LayerLoss.name("generator.out", pair)),
            context.parameter(LayerLoss.name("generator.out.bias", pair)),
            Positions.share(context, student))
        .get(0);
  }

  /** Returns 32 bits for a step of a run and a pair: masks depend on these and the row alone. */
  private static long key(Progress progress, LayerPair pair) {
    long key = mix(mix(progress.seed()) + progress.step());
    return mix(key + ((long) pair.student() << 16) + pair.teacher()) >>> 32;
  }

  private static long mix(long value) {
    long mixed = (value ^ (value >>> 30)) * 0xBF58476D1CE4E5B9L;
    mixed = (mixed ^ (mixed >>> 27)) * 0x94D049BB133111EBL;
    return mixed ^ (mixed >>> 31);
  }

  @Override
  public String name() {
    return "maskedGeneration";
  }
}
