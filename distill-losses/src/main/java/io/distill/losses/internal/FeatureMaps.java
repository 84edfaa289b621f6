package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.LossContext;
import io.distill.mapping.LayerPair;

/**
 * Hidden states that have positions, tokens or pixels, for losses that compare how a layer answers
 * over its positions. Feature maps of different sizes are averaged down to the smaller height and
 * width.
 */
public final class FeatureMaps {

  /**
   * A method {@code positions(x, like)} that gives tokens {@code [N, L, D]} as they are and pixels
   * {@code [N, C, H, W]} as {@code [N, P, C]}, no more of them than {@code like} has.
   */
  public static final String POSITIONS =
      """
      def positions(self, x: Tensor, like: Tensor) -> Tensor:
        if torch.dim(x) == 4:
          height = torch.size(x, 2)
          width = torch.size(x, 3)
          if torch.size(like, 2) < height:
            height = torch.size(like, 2)
          if torch.size(like, 3) < width:
            width = torch.size(like, 3)
          pooled = x
          if torch.ne(height, torch.size(x, 2)) or torch.ne(width, torch.size(x, 3)):
            pooled = torch.adaptive_avg_pool2d(x, [height, width])
          result = torch.transpose(torch.flatten(pooled, 2), 1, 2)
        else:
          result = x
        return result
      """;

  private static final int TOKENS = 3;
  private static final int PIXELS = 4;

  private FeatureMaps() {}

  /**
   * Returns which positions count, to be spread over {@code [N, P]}: the student's token mask if
   * these are tokens, and a single 1 for pixels, all of which count.
   */
  public static NDArray mask(LossContext context, NDArray hidden) {
    return hidden.getShape().dimension() == TOKENS
        ? Positions.mask(context, hidden)
        : context.manager().ones(new Shape(1, 1), DataType.FLOAT32);
  }

  /** Requires that two layers have positions, of one kind, for the same rows. */
  public static void check(String loss, NDArray student, NDArray teacher, LayerPair pair) {
    Shape of = student.getShape();
    Shape from = teacher.getShape();
    String were =
        of
            + " (student, layer "
            + pair.student()
            + ") and "
            + from
            + " (teacher, layer "
            + pair.teacher()
            + ")";
    if (!hasPositions(of) || of.dimension() != from.dimension()) {
      throw new DistillationException(
          "student and teacher hidden states must both have shape (rows, tokens, width) or both"
              + " (rows, channels, height, width) for "
              + loss
              + " but were "
              + were
              + "; map layers that have tokens or pixels, or use hiddenStateMse()");
    }
    if (of.get(0) != from.get(0) || (of.dimension() == TOKENS && of.get(1) != from.get(1))) {
      throw new DistillationException(
          "student and teacher hidden states must have the same rows and tokens for "
              + loss
              + " but were "
              + were
              + "; give both models the same tokenizer");
    }
  }

  /** Returns the number of channels of tokens or pixels. */
  public static long channels(NDArray hidden) {
    Shape shape = hidden.getShape();
    return shape.dimension() == PIXELS ? shape.get(1) : shape.get(shape.dimension() - 1);
  }

  private static boolean hasPositions(Shape shape) {
    return shape.dimension() == TOKENS || shape.dimension() == PIXELS;
  }
}
