package io.distill.losses.feature;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.exception.DistillationException;
import io.distill.loss.LossContext;
import io.distill.losses.internal.Positions;
import io.distill.mapping.LayerPair;
import java.util.Arrays;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** What the losses on hidden states share. */
final class Features {

  static final int TOKENS = 3;
  private static final int ROWS = 2;
  private static final int PIXELS = 4;

  /**
   * Methods of formulas. {@code fitted} averages a map to no more pixels than another map has,
   * {@code counting} says which positions are real; and those of {@link Positions#methods}.
   */
  private static final String[] METHODS = {
    """
    def fitted(self, x: Tensor, other: Tensor) -> Tensor:
      y = x
      if torch.dim(x) == 4 and torch.dim(other) == 4:
        height = min(torch.size(x, 2), torch.size(other, 2))
        width = min(torch.size(x, 3), torch.size(other, 3))
        if height != torch.size(x, 2) or width != torch.size(x, 3):
          y = torch.adaptive_avg_pool2d(x, [height, width])
      return y
    """,
    """
    def counting(self, student: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
      ones = torch.ones_like(torch.select(positions, 2, 0))
      counts = ones
      if torch.dim(student) == 3:
        counts = ones * mask
      return counts
    """
  };

  /**
   * Methods of formulas with 3x3 convolutions, which see tokens as a map of height 1 and vectors as
   * one pixel: {@code sides} gives height and width, {@code convolved} maps {@code [N, P, C]}.
   */
  static final String[] CONVOLUTION = {
    """
    def sides(self, x: Tensor, other: Tensor) -> Tuple[int, int]:
      height = 1
      width = 1
      if torch.dim(x) == 3:
        width = torch.size(x, 1)
      if torch.dim(x) == 4:
        height = min(torch.size(x, 2), torch.size(other, 2))
        width = min(torch.size(x, 3), torch.size(other, 3))
      return height, width
    """,
    """
    def convolved(self, x: Tensor, height: int, width: int, weight: Tensor, bias: Tensor) -> Tensor:
      kernel = torch.reshape(weight, [torch.size(weight, 0), -1, 3, 3])
      above = 1
      beside = 1
      # where there is one row or column, the others of the kernel only meet zeros
      if height == 1:
        kernel = torch.narrow(kernel, 2, 1, 1)
        above = 0
      if width == 1:
        kernel = torch.narrow(kernel, 3, 1, 1)
        beside = 0
      pixels = torch.reshape(torch.transpose(x, 1, 2), [torch.size(x, 0), torch.size(x, 2), height, width])
      y = torch.conv2d(pixels, kernel, bias, [1, 1], [above, beside])
      return torch.transpose(torch.flatten(y, 2, 3), 1, 2)
    """
  };

  private Features() {}

  /** Returns shared methods and a loss's own. */
  static String[] with(String... own) {
    return join(join(Positions.methods(), METHODS), own);
  }

  /** Returns the methods of both. */
  static String[] join(String[] some, String... more) {
    return Stream.concat(Arrays.stream(some), Arrays.stream(more)).toArray(String[]::new);
  }

  /** Returns the student's hidden states of a pair, as the model gave them. */
  static NDArray student(LossContext context, LayerPair pair) {
    return context.student().hiddenStates().get(pair.student());
  }

  /** Returns the teacher's hidden states of a pair, as the model gave them. */
  static NDArray teacher(LossContext context, LayerPair pair) {
    return context.teacher().hiddenStates().get(pair.teacher());
  }

  /**
   * Requires hidden states of one kind, of the same rows and tokens; maps may differ in height and
   * width.
   *
   * @param projector the teacher's and the student's width that weights were made for; null if
   *     there are no weights, and widths must be equal
   */
  static void check(LayerPair pair, NDArray student, NDArray teacher, @Nullable Shape projector) {
    Shape of = student.getShape();
    Shape from = teacher.getShape();
    int dimensions = of.dimension();
    if (dimensions != from.dimension() || dimensions < ROWS || dimensions > PIXELS) {
      throw misfit(
          "both have shape (rows, width), (rows, tokens, width) or (rows, channels, height, width)",
          pair,
          of,
          from,
          "pair other layers");
    }
    boolean tokens = dimensions == TOKENS;
    if (of.get(0) != from.get(0) || (tokens && of.get(1) != from.get(1))) {
      throw misfit(
          tokens ? "have the same rows and tokens" : "have the same rows",
          pair,
          of,
          from,
          tokens ? "give both models the same tokenizer" : "give both models the same batch");
    }
    int channels = tokens ? 2 : 1;
    long width = projector == null ? from.get(channels) : projector.get(1);
    long target = projector == null ? width : projector.get(0);
    if (of.get(channels) != width || from.get(channels) != target) {
      throw misfit(
          projector == null
              ? "have the same width"
              : "have the widths " + width + " and " + target + " of their projector",
          pair,
          of,
          from,
          "call prepare(...) with the widths of these layers");
    }
  }

  private static DistillationException misfit(
      String rule, LayerPair pair, Shape student, Shape teacher, String next) {
    return new DistillationException(
        "student and teacher hidden states must "
            + rule
            + " but were "
            + student
            + " (student, layer "
            + pair.student()
            + ") and "
            + teacher
            + " (teacher, layer "
            + pair.teacher()
            + "); "
            + next);
  }

  /** Returns the token mask, or anything where there are no tokens: formulas ask for those. */
  static NDArray mask(LossContext context, NDArray student) {
    return student.getShape().dimension() == TOKENS ? Positions.mask(context, student) : student;
  }
}
