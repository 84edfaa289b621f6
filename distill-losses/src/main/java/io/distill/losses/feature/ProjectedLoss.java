package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.LayerLoss;
import io.distill.losses.internal.Projection;
import io.distill.mapping.LayerPair;

/** A loss that projects the student's hidden states to the teacher's width. */
interface ProjectedLoss extends LayerLoss {

  /** Returns what is applied to the student. */
  Projection projection();

  @Override
  default void prepare(LossSetup setup, LayerPair pair) {
    projection()
        .declare(setup, projector(pair), studentWidth(setup, pair), teacherWidth(setup, pair));
  }

  /**
   * Calls a method of a formula with the hidden states of a pair, the four weights of the projector
   * and more.
   *
   * @param context the batch
   * @param pair the layers
   * @param formula the formula, which has {@link Projection#METHOD}
   * @param method the name of the method
   * @param more what it takes after the weights
   * @return its results
   */
  default NDList call(
      LossContext context, LayerPair pair, Formula formula, String method, NDArray... more) {
    NDArray student = Features.student(context, pair);
    NDArray teacher = Features.teacher(context, pair);
    String name = projector(pair);
    Features.check(
        pair,
        student,
        teacher,
        context.hasParameter(name) ? context.parameter(name).getShape() : null);
    NDList inputs = new NDList(student, teacher);
    inputs.addAll(new NDList(projection().weights(context, name, student)));
    inputs.addAll(new NDList(more));
    return projection().in(formula, context, name).callAll(method, inputs.toArray(NDArray[]::new));
  }

  private static String projector(LayerPair pair) {
    return LayerLoss.name("projector", pair);
  }

  static int studentWidth(LossSetup setup, LayerPair pair) {
    return setup.student().hiddenStates().get(pair.student());
  }

  static int teacherWidth(LossSetup setup, LayerPair pair) {
    return setup.teacher().hiddenStates().get(pair.teacher());
  }
}
