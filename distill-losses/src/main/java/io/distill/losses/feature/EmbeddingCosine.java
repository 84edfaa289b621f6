package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.DistillationLoss;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;
import io.distill.signal.SignalKind;
import java.util.Set;

/** One minus the cosine of embeddings. */
public record EmbeddingCosine() implements DistillationLoss {
  private static final String PROJECTOR = "projector";
  private static final int[] WIDTH = {1};

  /** Squared norms are at least this, so that an embedding of zeros has a gradient. */
  private static final float SMALLEST_SQUARE = 1e-12f;

  @Override
  public NDArray compute(LossContext context) {
    NDArray student = Projector.apply(context, PROJECTOR, context.student().embedding());
    NDArray teacher = context.teacher().embedding();
    if (!student.getShape().equals(teacher.getShape())) {
      throw new DistillationException(
          "student and teacher embeddings must have the same shape but were "
              + student.getShape()
              + " (student) and "
              + teacher.getShape()
              + " (teacher); declare the projector in prepare(...)");
    }
    // the teacher's direction first: what a teacher gives cannot be kept for a backward pass
    NDArray direction = teacher.div(norm(teacher).expandDims(1));
    NDArray cosine = student.mul(direction).sum(WIDTH).div(norm(student));
    return context.meanOverRows(cosine.neg().add(1));
  }

  private static NDArray norm(NDArray rows) {
    return rows.square().sum(WIDTH).maximum(SMALLEST_SQUARE).sqrt();
  }

  @Override
  public Set<SignalKind> requires() {
    return Set.of(SignalKind.EMBEDDING);
  }

  @Override
  public void prepare(LossSetup setup) {
    int student = setup.student().embedding().orElseThrow();
    int teacher = setup.teacher().embedding().orElseThrow();
    if (student != teacher) {
      setup.parameter(PROJECTOR, new Shape(teacher, student));
    }
  }

  @Override
  public String name() {
    return "embeddingCosine";
  }
}
