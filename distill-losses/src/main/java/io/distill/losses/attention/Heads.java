package io.distill.losses.attention;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Formula;
import io.distill.mapping.LayerPair;
import io.distill.signal.SignalKind;
import java.util.Locale;

/** Signals of attention heads, {@code [N, H, L, ...]}: what their losses have in common. */
final class Heads {

  private static final int DIMENSIONS = 4;

  /** Averages one value a query, {@code [N, L]}, over the real tokens. */
  static final String MEAN_OVER =
      """
      def mean_over(self, per_query: Tensor, mask: Tensor, share: Tensor) -> Tensor:
        if self.masked:
          total = torch.sum(per_query * mask)
        else:
          total = torch.sum(torch.mean(per_query, [1]))
        return total * share
      """;

  private Heads() {}

  static NDArray student(LossContext context, SignalKind kind, LayerPair pair) {
    return context.student().layers(kind).get(pair.student());
  }

  static NDArray teacher(LossContext context, SignalKind kind, LayerPair pair) {
    return context.teacher().layers(kind).get(pair.teacher());
  }

  /** Requires the same rows and tokens. */
  static void sameTokens(SignalKind kind, NDArray student, NDArray teacher, LayerPair pair) {
    Shape of = student.getShape();
    Shape from = teacher.getShape();
    if (of.dimension() != DIMENSIONS
        || from.dimension() != DIMENSIONS
        || of.get(0) != from.get(0)
        || of.get(2) != from.get(2)) {
      throw new DistillationException(
          "student and teacher "
              + words(kind)
              + " must have shape (rows, heads, tokens, ...) with the same rows and tokens but were "
              + of
              + " (student, layer "
              + pair.student()
              + ") and "
              + from
              + " (teacher, layer "
              + pair.teacher()
              + "); give both models the same tokenizer");
    }
  }

  /** Requires the same number of heads. */
  static void sameCount(SignalKind kind, NDArray student, NDArray teacher, LayerPair pair) {
    if (student.getShape().get(1) != teacher.getShape().get(1)) {
      throw new DistillationException(
          "student and teacher must have the same number of attention heads but had "
              + student.getShape().get(1)
              + " (student, layer "
              + pair.student()
              + ", "
              + words(kind)
              + " "
              + student.getShape()
              + ") and "
              + teacher.getShape().get(1)
              + " (teacher, layer "
              + pair.teacher()
              + ", "
              + words(kind)
              + " "
              + teacher.getShape()
              + "); build the student with as many heads, or use miniLmV2()");
    }
  }

  private static String words(SignalKind kind) {
    return kind.name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  /** Returns which tokens count, {@code [N, L]}: all of them if the student has no mask. */
  static NDArray mask(LossContext context, NDArray student) {
    Shape tokens = new Shape(student.getShape().get(0), student.getShape().get(2));
    if (context.student().mask().isEmpty()) {
      return context.manager().ones(tokens, DataType.FLOAT32);
    }
    NDArray mask = context.student().mask().get();
    if (!mask.getShape().equals(tokens)) {
      throw new DistillationException(
          "student's token mask must have shape "
              + tokens
              + " but had "
              + mask.getShape()
              + "; give one number a token");
    }
    return mask;
  }

  /** Returns a formula with {@link #MEAN_OVER} for models that give a mask or that give none. */
  static Formula in(Formula formula, LossContext context) {
    return formula.with("masked", context.student().mask().isPresent());
  }

  /** Returns the factor of a sum over tokens, or over rows, that makes it a mean over the step. */
  static NDArray share(LossContext context) {
    return context.student().mask().isPresent() ? context.tokenShare() : context.rowShare();
  }
}
