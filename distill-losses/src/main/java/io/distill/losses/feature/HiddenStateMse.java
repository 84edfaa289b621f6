package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.List;
import java.util.Set;

/** Mean squared error of hidden states, layer pair by layer pair. */
public record HiddenStateMse() implements DistillationLoss {
  @Override
  public NDArray compute(LossContext context) {
    List<LayerPair> pairs = context.layerPairs();
    NDArray sum = null;
    for (LayerPair pair : pairs) {
      NDArray student = context.student().hiddenStates().get(pair.student());
      NDArray teacher = context.teacher().hiddenStates().get(pair.teacher());
      NDArray value = distance(context, pair, student, teacher);
      sum = sum == null ? value : sum.add(value);
    }
    if (sum == null) {
      throw new DistillationException("layerMapping must pair at least one layer but was empty");
    }
    return sum.div(pairs.size());
  }

  private static NDArray distance(
      LossContext context, LayerPair pair, NDArray student, NDArray teacher) {
    NDArray projected = Projector.apply(context, projector(pair), student);
    if (!projected.getShape().equals(teacher.getShape())) {
      throw new DistillationException(
          "student and teacher hidden states must have the same rows and tokens but were "
              + student.getShape()
              + " (student, layer "
              + pair.student()
              + ") and "
              + teacher.getShape()
              + " (teacher, layer "
              + pair.teacher()
              + "); give both models the same tokenizer");
    }
    NDArray squares = projected.sub(teacher).square();
    int last = squares.getShape().dimension() - 1;
    NDArray mean = squares.mean(new int[] {last});
    return last == 1 ? context.meanOverRows(mean) : context.meanOverTokens(mean);
  }

  private static String projector(LayerPair pair) {
    return "projector." + pair.student() + "." + pair.teacher();
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.of(SignalKind.HIDDEN_STATES);
  }

  @Override
  public void prepare(LossSetup setup) {
    for (LayerPair pair : setup.layerPairs()) {
      int student = setup.student().hiddenStates().get(pair.student());
      int teacher = setup.teacher().hiddenStates().get(pair.teacher());
      if (student != teacher) {
        setup.parameter(projector(pair), new Shape(teacher, student));
      }
    }
  }

  @Override
  public String name() {
    return "hiddenStateMse";
  }
}
