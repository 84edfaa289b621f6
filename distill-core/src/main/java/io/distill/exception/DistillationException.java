package io.distill.exception;

import java.io.Serial;
import org.jspecify.annotations.Nullable;

/**
 * The unchecked root of everything that can go wrong while distilling: a model that cannot be read,
 * data that do not fit, a run that had to stop.
 *
 * <p>The message says what must hold, what was found instead, and the next step. Programming errors
 * at the API itself ({@code null}, a value out of range, a builder that lacks a part) stay {@link
 * NullPointerException}, {@link IllegalArgumentException} and {@link IllegalStateException}.
 */
public class DistillationException extends RuntimeException {

  @Serial private static final long serialVersionUID = 1L;

  /**
   * Creates an exception.
   *
   * @param message what must hold, what was found, and the next step
   */
  public DistillationException(String message) {
    super(message);
  }

  /**
   * Creates an exception with a cause.
   *
   * @param message what must hold, what was found, and the next step
   * @param cause what went wrong underneath
   */
  public DistillationException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
