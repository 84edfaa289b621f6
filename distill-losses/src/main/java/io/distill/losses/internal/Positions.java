package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.LossContext;

/**
 * One view of the hidden states of all kinds of models: rows of positions of channels, {@code [N,
 * P, C]}. Positions are the tokens of a text model, the pixels of a convolutional one, and a single
 * one where there are neither.
 */
public final class Positions {

  private static final int ROWS = 2;
  private static final int TOKENS = 3;
  private static final int PIXELS = 4;

  private Positions() {}

  /**
   * Returns methods of formulas. {@code positions} is this view; {@code mean_over} averages one
   * value a position, {@code [N, P]}, over real tokens, or over rows and pixels: {@code mask} says
   * which tokens are real, and {@code share} is what {@link #share} gives.
   */
  public static String[] methods() {
    return METHODS.clone();
  }

  private static final String[] METHODS = {
    """
    def positions(self, x: Tensor) -> Tensor:
      y = x
      if torch.dim(x) == 2:
        y = torch.unsqueeze(x, 1)
      if torch.dim(x) == 4:
        y = torch.transpose(torch.flatten(x, 2, 3), 1, 2)
      return y
    """,
    """
    def mean_over(self, student: Tensor, per_position: Tensor, mask: Tensor, share: Tensor) -> Tensor:
      if torch.dim(student) == 3:
        total = torch.sum(per_position * mask)
      else:
        total = torch.sum(torch.mean(per_position, [1]))
      return total * share
    """
  };

  /**
   * Returns which positions count: the student's token mask if these are tokens.
   *
   * @param hidden the hidden states as the model gave them
   * @return {@code [N, P]} of any type, 1 for a position that counts and 0 for padding
   */
  public static NDArray mask(LossContext context, NDArray hidden) {
    Shape shape = hidden.getShape();
    if (shape.dimension() == TOKENS && context.student().mask().isPresent()) {
      NDArray mask = context.student().mask().get();
      if (!mask.getShape().equals(shape.slice(0, 2))) {
        throw new DistillationException(
            "student's token mask must have shape "
                + shape.slice(0, 2)
                + " but had "
                + mask.getShape()
                + "; give one number a token");
      }
      return mask;
    }
    long positions =
        switch (shape.dimension()) {
          case ROWS -> 1;
          case TOKENS -> shape.get(1);
          case PIXELS -> shape.get(2) * shape.get(PIXELS - 1);
          default ->
              throw new DistillationException(
                  "hidden states must have shape (rows, width), (rows, tokens, width) or (rows,"
                      + " channels, height, width) but had "
                      + shape
                      + "; give a SignalReader that reshapes them");
        };
    return context.manager().ones(new Shape(shape.get(0), positions), DataType.FLOAT32);
  }

  /**
   * Returns the factor of a sum over positions that makes it their mean over the step: over real
   * tokens, or over rows.
   *
   * @param hidden the student's hidden states as the model gave them
   */
  public static NDArray share(LossContext context, NDArray hidden) {
    Shape shape = hidden.getShape();
    if (shape.dimension() != TOKENS) {
      return context.rowShare();
    }
    NDArray share = context.tokenShare();
    Shape mask = context.student().mask().orElseThrow().getShape();
    if (!mask.equals(shape.slice(0, 2))) {
      throw new DistillationException(
          "perToken must have shape "
              + mask
              + " but had "
              + shape.slice(0, 2)
              + "; reduce the other dimensions first");
    }
    return share;
  }
}
