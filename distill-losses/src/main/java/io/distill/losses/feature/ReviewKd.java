package io.distill.losses.feature;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.LayerLoss;
import io.distill.losses.internal.OneText;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Hierarchical context loss of the student's layers after the deeper ones were fused into each.
 *
 * @param largestWidth the most channels in which layers are fused; fewer if the deepest has fewer
 */
public record ReviewKd(int largestWidth) implements DistillationLoss {

  private static final int TAPS = 9;

  private static final Formula FORMULA =
      Formula.of(
          "ReviewKd",
          Features.join(
              HierarchicalContext.METHODS,
              // a map [N, M, h, w] of any layer, so that deeper and shallower ones can differ
              """
              def reduced(self, student: Tensor, w: Tensor, b: Tensor) -> Tensor:
                x = self.positions(student)
                y = torch.transpose(torch.linear(x, w, b), 1, 2)
                height, width = self.sides(student, student)
                return torch.reshape(y, [torch.size(y, 0), torch.size(y, 1), height, width])
              """,
              """
              def fused(self, student: Tensor, w: Tensor, b: Tensor, deeper: Tensor, aw: Tensor, ab: Tensor) -> Tensor:
                x = self.reduced(student, w, b)
                height, width = self.sides(student, student)
                d = torch.upsample_nearest2d(deeper, [height, width])
                both = torch.cat([x, d], 1)
                channels = torch.permute(both, [0, 2, 3, 1])
                share = torch.permute(torch.sigmoid(torch.linear(channels, aw, ab)), [0, 3, 1, 2])
                return x * torch.narrow(share, 1, 0, 1) + d * torch.narrow(share, 1, 1, 1)
              """,
              """
              def over_rows(self, student: Tensor, teacher: Tensor, mask: Tensor, fused: Tensor, ow: Tensor, ob: Tensor, share: Tensor) -> Tensor:
                t = self.positions(self.fitted(teacher, student))
                height, width = self.sides(student, teacher)
                x = fused
                if height != torch.size(fused, 2) or width != torch.size(fused, 3):
                  x = torch.adaptive_avg_pool2d(fused, [height, width])
                real = torch.unsqueeze(self.counting(student, t, mask), 2)
                flat = torch.transpose(torch.flatten(x, 2, 3), 1, 2) * real
                difference = self.convolved(flat, height, width, ow, ob) - t
                return torch.sum(self.context_loss(student, teacher, difference, mask)) * share
              """));

  /**
   * Checks the width.
   *
   * @param largestWidth the most channels in which layers are fused; at least 1
   * @throws IllegalArgumentException if {@code largestWidth} is out of range
   */
  public ReviewKd {
    checkArgument(largestWidth >= 1, "largestWidth must be at least 1 but was %s", largestWidth);
  }

  @Override
  public void prepare(LossSetup setup) {
    List<LayerPair> pairs = setup.layerPairs();
    int deepest = pairs.stream().mapToInt(LayerPair::student).max().orElse(0);
    int width = Math.min(largestWidth, setup.student().hiddenStates().get(deepest));
    for (LayerPair pair : pairs) {
      String layer = "." + pair.student();
      setup.parameter(
          "reduction" + layer, new Shape(width, ProjectedLoss.studentWidth(setup, pair)));
      setup.parameter("reduction" + layer + ".bias", new Shape(width), 0f);
      if (pair.student() < deepest) {
        setup.parameter("attention" + layer, new Shape(2, 2L * width));
        setup.parameter("attention" + layer + ".bias", new Shape(2), 0f);
      }
      int teacher = ProjectedLoss.teacherWidth(setup, pair);
      // one row a channel, so that the fan-in is that of the 3x3 kernel
      setup.parameter(LayerLoss.name("output", pair), new Shape(teacher, (long) TAPS * width));
      setup.parameter(LayerLoss.name("output.bias", pair), new Shape(teacher), 0f);
    }
  }

  @Override
  public NDArray compute(LossContext context) {
    OneText.check(name(), context);
    context.layerPairs().forEach(pair -> check(context, pair));
    Map<Integer, NDArray> fused = fused(context);
    return context.overLayerPairs(
        pair -> {
          NDArray student = Features.student(context, pair);
          return FORMULA.call(
              "over_rows",
              student,
              Features.teacher(context, pair),
              Features.mask(context, student),
              requireNonNull(fused.get(pair.student())),
              context.parameter(LayerLoss.name("output", pair)),
              context.parameter(LayerLoss.name("output.bias", pair)),
              context.rowShare());
        });
  }

  private static void check(LossContext context, LayerPair pair) {
    NDArray output = context.parameter(LayerLoss.name("output", pair));
    NDArray reduction = context.parameter("reduction." + pair.student());
    Shape widths = new Shape(output.getShape().get(0), reduction.getShape().get(1));
    Features.check(pair, Features.student(context, pair), Features.teacher(context, pair), widths);
  }

  /** Returns the layers of the mapping, each with the deeper ones fused in, by their index. */
  private static Map<Integer, NDArray> fused(LossContext context) {
    List<Integer> layers =
        context.layerPairs().stream().map(LayerPair::student).distinct().sorted().toList();
    Map<Integer, NDArray> fused = new HashMap<>();
    NDArray deeper = null;
    for (int i = layers.size() - 1; i >= 0; i--) {
      int layer = layers.get(i);
      NDArray student = context.student().hiddenStates().get(layer);
      NDArray weight = context.parameter("reduction." + layer);
      NDArray bias = context.parameter("reduction." + layer + ".bias");
      deeper =
          deeper == null
              ? FORMULA.call("reduced", student, weight, bias)
              : FORMULA.call(
                  "fused",
                  student,
                  weight,
                  bias,
                  deeper,
                  context.parameter("attention." + layer),
                  context.parameter("attention." + layer + ".bias"));
      fused.put(layer, deeper);
    }
    return fused;
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.of(SignalKind.HIDDEN_STATES);
  }

  @Override
  public String name() {
    return "reviewKd";
  }
}
