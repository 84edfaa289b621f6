package io.distill.losses.relation;

import ai.djl.ndarray.NDArray;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.FeatureMaps;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.OneText;
import io.distill.mapping.LayerPair;
import io.distill.mapping.LayerWeighting;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Set;

/** Mean squared error of the flow between consecutive layers of the mapping. */
public record Fsp() implements DistillationLoss {

  private static final Formula FORMULA =
      Formula.of(
          "Fsp",
          FeatureMaps.POSITIONS,
          """
          def flow(self, first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
            bottom = self.positions(first, second)
            top = self.positions(second, first)
            real = torch.expand(mask, [torch.size(bottom, 0), torch.size(bottom, 1)]) > 0.
            counted = torch.where(torch.unsqueeze(real, -1), bottom, 0.)
            count = torch.clamp_min(torch.sum(real, [1]), 1)
            products = torch.matmul(torch.transpose(counted, 1, 2), top)
            return products / torch.reshape(count, [-1, 1, 1])
          """,
          """
          def over_rows(self, student_first: Tensor, student_second: Tensor, teacher_first: Tensor, teacher_second: Tensor, mask: Tensor, share: Tensor) -> Tensor:
            learned = self.flow(student_first, student_second, mask)
            given = self.flow(teacher_first, teacher_second, mask)
            return torch.sum(torch.mean((learned - given) * (learned - given), [1, 2])) * share
          """);

  @Override
  public NDArray compute(LossContext context) {
    OneText.check(name(), context);
    List<LayerPair> pairs = context.layerPairs();
    if (pairs.size() < 2) {
      throw new DistillationException(
          "layerMapping must pair at least two layers for fsp, which flows from one to the next,"
              + " but was "
              + pairs
              + "; map more layers, or use another loss");
    }
    pairs.forEach(pair -> check(context, pair));
    NDArray sum = flow(context, pairs.get(0), pairs.get(1));
    for (int i = 2; i < pairs.size(); i++) {
      sum = sum.add(flow(context, pairs.get(i - 1), pairs.get(i)));
    }
    return pairs.size() == 2 ? sum : sum.div(pairs.size() - 1);
  }

  private static NDArray flow(LossContext context, LayerPair first, LayerPair second) {
    List<NDArray> student = context.student().hiddenStates();
    List<NDArray> teacher = context.teacher().hiddenStates();
    sameKind("student", student.get(first.student()), student.get(second.student()));
    sameKind("teacher", teacher.get(first.teacher()), teacher.get(second.teacher()));
    return FORMULA.call(
        "over_rows",
        student.get(first.student()),
        student.get(second.student()),
        teacher.get(first.teacher()),
        teacher.get(second.teacher()),
        FeatureMaps.mask(context, student.get(first.student())),
        context.rowShare());
  }

  private void check(LossContext context, LayerPair pair) {
    NDArray student = context.student().hiddenStates().get(pair.student());
    NDArray teacher = context.teacher().hiddenStates().get(pair.teacher());
    FeatureMaps.check(name(), student, teacher, pair);
    long of = FeatureMaps.channels(student);
    long from = FeatureMaps.channels(teacher);
    if (of != from) {
      throw new DistillationException(
          "student and teacher hidden states must have the same number of channels for fsp but had "
              + of
              + " (student, layer "
              + pair.student()
              + ", shape "
              + student.getShape()
              + ") and "
              + from
              + " (teacher, layer "
              + pair.teacher()
              + ", shape "
              + teacher.getShape()
              + "); use neuronSelectivity() or attentionTransfer(), which compare any widths");
    }
  }

  private static void sameKind(String model, NDArray first, NDArray second) {
    if (first.getShape().dimension() != second.getShape().dimension()) {
      throw new DistillationException(
          model
              + "'s hidden states must be all of tokens or all of pixels for fsp but had shapes "
              + first.getShape()
              + " and "
              + second.getShape()
              + "; map layers of one kind");
    }
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.of(SignalKind.HIDDEN_STATES);
  }

  @Override
  public void prepare(LossSetup setup) {
    LayerWeighting weighting = setup.layerMapping().weighting();
    if (weighting != LayerWeighting.EQUAL) {
      throw new DistillationException(
          "layerMapping must weight all pairs equally for fsp, which compares one pair with the"
              + " next, but weights them by "
              + weighting
              + "; give fsp a mapping of its own with onLayers(...)");
    }
  }

  @Override
  public String name() {
    return "fsp";
  }
}
