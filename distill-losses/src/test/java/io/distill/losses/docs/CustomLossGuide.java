package io.distill.losses.docs;

import static io.distill.losses.Losses.softTargets;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import io.distill.signal.Signals;
import java.util.Set;

/** The losses that {@code docs/custom-loss.md} shows. */
final class CustomLossGuide {

  private CustomLossGuide() {}

  static DistillationLoss lambda() {
    DistillationLoss logitDistance =
        context -> {
          NDArray difference = context.student().logits().sub(context.teacher().logits());
          return context.meanOverRows(difference.square().sum(new int[] {1}));
        };
    return logitDistance.named("logitDistance");
  }

  record ProjectedStates() implements DistillationLoss {
    @Override
    public Set<SignalKind> requires() {
      return Set.of(SignalKind.HIDDEN_STATES); // of student and teacher
    }

    @Override
    public void prepare(LossSetup setup) {
      for (LayerPair pair : setup.layerPairs()) {
        int student = setup.student().hiddenStates().get(pair.student());
        int teacher = setup.teacher().hiddenStates().get(pair.teacher());
        setup.parameter(projector(pair), new Shape(teacher, student)); // drawn from the run's seed
      }
    }

    @Override
    public NDArray compute(LossContext context) {
      return context.overLayerPairs(
          pair -> {
            NDArray student = context.student().hiddenStates().get(pair.student());
            NDArray teacher = context.teacher().hiddenStates().get(pair.teacher());
            NDArray projected = student.matMul(context.parameter(projector(pair)).transpose());
            NDArray perToken = projected.sub(teacher).square().mean(new int[] {2});
            return context.meanOverTokens(perToken); // padding does not count
          });
    }

    private static String projector(LayerPair pair) {
      return "projector." + pair.student() + "." + pair.teacher();
    }

    @Override
    public String name() {
      return "projectedStates";
    }
  }

  record CentredSoftTargets(double momentum) implements DistillationLoss {
    @Override
    public void prepare(LossSetup setup) {
      int classes = setup.teacher().classes().orElseThrow();
      setup.buffer("centre", new Shape(1, classes), 0f); // kept with the run, not trained
    }

    @Override
    public NDArray compute(LossContext context) {
      NDArray logits = context.teacher().logits();
      NDArray centre = context.buffer("centre");
      NDArray mean = logits.mean(new int[] {0}, true);
      context.update("centre", centre.mul(momentum).add(mean.mul(1 - momentum))); // after the step
      Signals centred = context.teacher().toBuilder().logits(logits.sub(centre)).build();
      return softTargets().compute(context.withSignals(context.student(), centred));
    }

    @Override
    public String name() {
      return "centredSoftTargets";
    }
  }

  static DistillationLoss onTokens() {
    DistillationLoss nextToken = context -> softTargets().compute(context.tokens());
    return nextToken.named("nextToken");
  }

  static double byHand(NDArray student, NDArray teacher) {
    LossContext context =
        LossContext.builder(
                Signals.builder().logits(student).build(),
                Signals.builder().logits(teacher).build())
            .build();
    return lambda().compute(context).getFloat();
  }
}
