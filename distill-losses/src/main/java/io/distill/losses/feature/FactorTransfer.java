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
import io.distill.mapping.LayerPair;
import java.util.ArrayList;
import java.util.List;

/**
 * Distance of normalised factors: the teacher's of a paraphraser, the student's of a translator.
 *
 * @param rate the width of the factors over that of the teacher
 * @param norm 1 for absolute differences, 2 for squares
 */
public record FactorTransfer(double rate, int norm) implements LayerLoss {

  private static final List<String> WEIGHTS =
      List.of("translator", "translator.out", "encoder", "encoder.out", "decoder", "decoder.out");

  private static final Formula FORMULA =
      Formula.of(
          "FactorTransfer",
          Features.with(
              """
              def network(self, x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
                return torch.linear(torch.leaky_relu(torch.linear(x, w, b), 0.1), v, c)
              """,
              """
              def direction(self, x: Tensor, real: Tensor) -> Tensor:
                counted = x * real
                square = torch.sum(counted * counted, [1, 2], True)
                return counted / torch.sqrt(torch.clamp_min(square, 1e-12))
              """,
              """
              def compare(self, student: Tensor, teacher: Tensor, mask: Tensor, tw: Tensor, tb: Tensor, tv: Tensor, tc: Tensor, ew: Tensor, eb: Tensor, ev: Tensor, ec: Tensor, dw: Tensor, db: Tensor, dv: Tensor, dc: Tensor, row_share: Tensor, share: Tensor) -> Tensor:
                s = self.positions(self.fitted(student, teacher))
                # a copy: what a teacher gives cannot be kept for a backward pass
                t = torch.clone(self.positions(self.fitted(teacher, student)))
                real = torch.unsqueeze(self.counting(student, t, mask), 2)
                factor = self.network(t, ew, eb, ev, ec)
                # the paraphraser learns from the reconstruction alone
                target = self.direction(torch.detach(factor), real)
                difference = self.direction(self.network(s, tw, tb, tv, tc), real) - target
                if self.norm == 1:
                  distance = torch.sum(torch.abs(difference))
                else:
                  distance = torch.sum(difference * difference)
                lost = self.network(factor, dw, db, dv, dc) - t
                reconstruction = self.mean_over(student, torch.mean(lost * lost, [-1]), mask, share)
                return distance * row_share + reconstruction
              """));

  /**
   * Checks the ranges.
   *
   * @param rate the width of the factors over that of the teacher; finite and greater than 0
   * @param norm 1 for absolute differences, 2 for squares
   * @throws IllegalArgumentException if an argument is out of range
   */
  public FactorTransfer {
    checkArgument(
        rate > 0 && Double.isFinite(rate),
        "rate must be finite and greater than 0 but was %s",
        rate);
    checkArgument(norm == 1 || norm == 2, "norm must be 1 or 2 but was %s", norm);
  }

  @Override
  public void prepare(LossSetup setup, LayerPair pair) {
    int student = ProjectedLoss.studentWidth(setup, pair);
    int teacher = ProjectedLoss.teacherWidth(setup, pair);
    int factors = Math.toIntExact(Math.max(1, Math.round(rate * teacher)));
    declare(setup, pair, "translator", student, factors, factors);
    declare(setup, pair, "encoder", teacher, factors, factors);
    declare(setup, pair, "decoder", factors, teacher, teacher);
  }

  private static void declare(
      LossSetup setup, LayerPair pair, String name, int from, int between, int to) {
    setup.parameter(LayerLoss.name(name, pair), new Shape(between, from));
    setup.parameter(LayerLoss.name(name + ".bias", pair), new Shape(between), 0f);
    setup.parameter(LayerLoss.name(name + ".out", pair), new Shape(to, between));
    setup.parameter(LayerLoss.name(name + ".out.bias", pair), new Shape(to), 0f);
  }

  @Override
  public NDArray distance(LossContext context, LayerPair pair) {
    OneText.check(name(), context);
    NDArray student = Features.student(context, pair);
    NDArray teacher = Features.teacher(context, pair);
    Shape widths = new Shape(width(context, "encoder", pair), width(context, "translator", pair));
    Features.check(pair, student, teacher, widths);
    List<NDArray> inputs = new ArrayList<>();
    inputs.add(student);
    inputs.add(teacher);
    inputs.add(Features.mask(context, student));
    for (String weight : WEIGHTS) {
      inputs.add(context.parameter(LayerLoss.name(weight, pair)));
      inputs.add(context.parameter(LayerLoss.name(weight + ".bias", pair)));
    }
    inputs.add(context.rowShare());
    inputs.add(Positions.share(context, student));
    return FORMULA.with("norm", norm).call("compare", inputs.toArray(NDArray[]::new));
  }

  private static long width(LossContext context, String weight, LayerPair pair) {
    return context.parameter(LayerLoss.name(weight, pair)).getShape().get(1);
  }

  @Override
  public String name() {
    return "factorTransfer";
  }
}
