package io.distill.losses;

import static java.util.Objects.requireNonNull;

import io.distill.losses.internal.Projection;
import io.distill.losses.internal.Projection.Form;
import java.util.Arrays;

/**
 * The learned map that takes the student's hidden states to the teacher's width.
 *
 * <p>It is created only where the widths differ, unless {@link #always()} asks for it everywhere.
 * Its weights belong to the run, are trained with the student and never reach the saved student.
 * Matrices start uniform in {@code ±1/√width}, biases at 0.
 *
 * <pre>{@code
 * DistillationLoss loss = Losses.hint(Projector.MLP);
 * DistillationLoss same = Losses.hint(Projector.named("MLP"));
 * }</pre>
 *
 * <p>Immutable; equal if made alike.
 */
public final class Projector {

  /** A matrix: {@code W x}. */
  public static final Projector LINEAR = new Projector(new Projection(Form.LINEAR, false));

  /**
   * A matrix, a bias and an activation: {@code relu(W x + b)}. Reaches no negative number: for
   * teachers whose hidden states come out of a ReLU.
   */
  public static final Projector LINEAR_RELU =
      new Projector(new Projection(Form.LINEAR_RELU, false));

  /** Two layers: {@code V relu(W x + b) + c}, with the teacher's width in between. */
  public static final Projector MLP = new Projector(new Projection(Form.MLP, false));

  /**
   * A 1x1 convolution: {@code W x + b} over the channels at each pixel. On tokens and vectors it is
   * a linear map with a bias.
   */
  public static final Projector CONVOLUTION_1X1 =
      new Projector(new Projection(Form.CONVOLUTION_1X1, false));

  private final Projection projection;

  private Projector(Projection projection) {
    this.projection = projection;
  }

  /**
   * Returns the projector of a name, as a configuration gives it.
   *
   * @param name {@code LINEAR}, {@code LINEAR_RELU}, {@code MLP} or {@code CONVOLUTION_1X1}
   * @return the projector
   * @throws IllegalArgumentException if there is none of that name
   */
  public static Projector named(String name) {
    requireNonNull(name, "name");
    for (Form form : Form.values()) {
      if (form.name().equals(name)) {
        return new Projector(new Projection(form, false));
      }
    }
    throw new IllegalArgumentException(
        "name must be one of " + Arrays.toString(Form.values()) + " but was " + name);
  }

  /**
   * Returns this projector, created between equal widths too.
   *
   * @return the projector
   */
  public Projector always() {
    return new Projector(projection.everywhere());
  }

  /** Returns what the losses apply. */
  static Projection projection(Projector projector) {
    return requireNonNull(projector, "projector").projection;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Projector projector && projection.equals(projector.projection);
  }

  @Override
  public int hashCode() {
    return projection.hashCode();
  }

  @Override
  public String toString() {
    return projection.form() + (projection.always() ? ".always()" : "");
  }
}
