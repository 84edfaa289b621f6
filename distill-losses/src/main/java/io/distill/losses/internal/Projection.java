package io.distill.losses.internal;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.distill.loss.LossContext;
import io.distill.loss.LossSetup;

/**
 * A learned map from the student's width to the teacher's that a loss applies inside its formula.
 *
 * @param form what it computes
 * @param always whether it is there even between equal widths
 */
public record Projection(Form form, boolean always) {

  private static final long IDENTITY = 0;

  /** What a projection computes. */
  public enum Form {
    /** {@code W x}. */
    LINEAR(1),
    /** {@code W x + b}, at each position. */
    CONVOLUTION_1X1(2),
    /** {@code relu(W x + b)}. */
    LINEAR_RELU(3),
    /** {@code V relu(W x + b) + c}. */
    MLP(4);

    /** The number of its branch in {@link #METHOD}. */
    private final long code;

    Form(long code) {
      this.code = code;
    }

    private boolean hasBias() {
      return this != LINEAR;
    }
  }

  /** The method of a formula that applies a projection to {@code [..., width]}. */
  public static final String METHOD =
      """
      def project(self, x: Tensor, w: Tensor, b: Tensor, v: Tensor, c: Tensor) -> Tensor:
        y = x
        if self.projector == 1:
          y = torch.linear(x, w)
        if self.projector > 1:
          y = torch.linear(x, w, b)
        if self.projector > 2:
          y = torch.relu(y)
        if self.projector > 3:
          y = torch.linear(y, v, c)
        return y
      """;

  /** Returns this projection, there even between equal widths. */
  public Projection everywhere() {
    return new Projection(form, true);
  }

  /**
   * Declares the weights if they are needed.
   *
   * @param name the name of the first matrix; the others have it as a prefix
   * @param from the student's width
   * @param to the teacher's width
   */
  public void declare(LossSetup setup, String name, int from, int to) {
    if (from == to && !always) {
      return;
    }
    setup.parameter(name, new Shape(to, from));
    if (form.hasBias()) {
      setup.parameter(name + ".bias", new Shape(to), 0f);
    }
    if (form == Form.MLP) {
      setup.parameter(name + ".out", new Shape(to, to));
      setup.parameter(name + ".out.bias", new Shape(to), 0f);
    }
  }

  /** Returns the formula with the branch of {@link #METHOD} that applies. */
  public Formula in(Formula formula, LossContext context, String name) {
    return formula.with("projector", context.hasParameter(name) ? form.code : IDENTITY);
  }

  /**
   * Returns the four weights that {@link #METHOD} takes.
   *
   * @param unused what stands for those that do not exist
   */
  public NDArray[] weights(LossContext context, String name, NDArray unused) {
    boolean exists = context.hasParameter(name);
    boolean bias = exists && form.hasBias();
    boolean out = exists && form == Form.MLP;
    return new NDArray[] {
      exists ? context.parameter(name) : unused,
      bias ? context.parameter(name + ".bias") : unused,
      out ? context.parameter(name + ".out") : unused,
      out ? context.parameter(name + ".out.bias") : unused
    };
  }
}
