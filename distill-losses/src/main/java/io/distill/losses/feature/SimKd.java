package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.losses.internal.Formula;
import io.distill.losses.internal.Projection;
import io.distill.signal.SignalKind;
import java.util.Set;

/**
 * Squared distance of embeddings, so that the teacher's classifier reads the student's.
 *
 * @param projection what takes the student to the teacher's width
 */
public record SimKd(Projection projection) implements DistillationLoss {

  private static final String PROJECTOR = "projector";

  private static final Formula FORMULA =
      Formula.of(
          "SimKd",
          Projection.METHOD,
          """
          def over_rows(self, student: Tensor, teacher: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor, share: Tensor) -> Tensor:
            difference = self.project(student, w, b, v, c) - teacher
            return torch.sum(difference * difference) * share
          """);

  @Override
  public NDArray compute(LossContext context) {
    NDArray student = context.student().embedding();
    NDArray teacher = context.teacher().embedding();
    check(context, student, teacher);
    NDArray[] weights = projection.weights(context, PROJECTOR, student);
    return projection
        .in(FORMULA, context, PROJECTOR)
        .call(
            "over_rows",
            student,
            teacher,
            weights[0],
            weights[1],
            weights[2],
            weights[3],
            context.rowShare());
  }

  private static void check(LossContext context, NDArray student, NDArray teacher) {
    boolean projected = context.hasParameter(PROJECTOR);
    long from = student.getShape().get(1);
    long to = teacher.getShape().get(1);
    NDArray weight = projected ? context.parameter(PROJECTOR) : student;
    if (student.getShape().get(0) != teacher.getShape().get(0)
        || (projected
            ? weight.getShape().get(1) != from || weight.getShape().get(0) != to
            : from != to)) {
      throw new DistillationException(
          "student and teacher embeddings must have the same rows and the widths that were prepared"
              + " but were "
              + student.getShape()
              + " (student) and "
              + teacher.getShape()
              + " (teacher); call prepare(...) with these widths");
    }
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.of(SignalKind.EMBEDDING);
  }

  @Override
  public void prepare(LossSetup setup) {
    projection.declare(
        setup,
        PROJECTOR,
        setup.student().embedding().orElseThrow(),
        setup.teacher().embedding().orElseThrow());
  }

  @Override
  public String name() {
    return "simKd";
  }
}
