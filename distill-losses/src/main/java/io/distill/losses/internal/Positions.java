package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.LossContext;
import io.distill.mapping.LayerPair;

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

  /** Returns hidden states {@code [N, D]}, {@code [N, L, D]} or {@code [N, C, H, W]} so. */
  public static NDArray of(NDArray hidden) {
    Shape shape = hidden.getShape();
    return switch (shape.dimension()) {
      case ROWS -> hidden.expandDims(1);
      case TOKENS -> hidden;
      case PIXELS -> hidden.flatten(ROWS, PIXELS - 1).transpose(0, 2, 1);
      default ->
          throw new DistillationException(
              "hidden states must have shape (rows, width), (rows, tokens, width) or (rows,"
                  + " channels, height, width) but had "
                  + shape
                  + "; give a SignalReader that reshapes them");
    };
  }

  /** Returns the student's hidden states of a pair. */
  public static NDArray student(LossContext context, LayerPair pair) {
    return of(context.student().hiddenStates().get(pair.student()));
  }

  /** Returns the teacher's hidden states of a pair. */
  public static NDArray teacher(LossContext context, LayerPair pair) {
    return of(context.teacher().hiddenStates().get(pair.teacher()));
  }

  /**
   * Returns which positions count: the student's token mask if these are tokens.
   *
   * @param hidden the hidden states as the model gave them
   * @return float32 {@code [N, P]}, 1 for a position that counts and 0 for padding
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
      return mask.toType(DataType.FLOAT32, false);
    }
    long positions =
        switch (shape.dimension()) {
          case ROWS -> 1;
          case TOKENS -> shape.get(1);
          default -> shape.get(2) * shape.get(PIXELS - 1);
        };
    return context.manager().ones(new Shape(shape.get(0), positions), DataType.FLOAT32);
  }

  /**
   * Averages one value a position: over real tokens, or over rows and pixels.
   *
   * @param hidden the student's hidden states as the model gave them
   * @param perPosition float32 {@code [N, P]}
   */
  public static NDArray mean(LossContext context, NDArray hidden, NDArray perPosition) {
    if (hidden.getShape().dimension() == TOKENS) {
      return context.meanOverTokens(perPosition);
    }
    return context.meanOverRows(perPosition.mean(new int[] {1}));
  }
}
