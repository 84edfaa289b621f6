package io.distill.trace;

import static java.util.Objects.requireNonNull;

import io.distill.exception.DistillationException;
import java.io.Serial;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Thrown by an {@link AnswerSource} that may answer later: a rate limit, a service that is
 * overloaded, a connection that broke. The questions without an answer are asked again, see {@link
 * Retries}.
 */
public class TemporaryFailureException extends DistillationException {

  @Serial private static final long serialVersionUID = 1L;

  private final transient @Nullable Duration retryAfter;

  /**
   * Creates an exception.
   *
   * @param message what happened
   * @param cause what went wrong underneath; may be null
   */
  public TemporaryFailureException(String message, @Nullable Throwable cause) {
    super(message, cause);
    this.retryAfter = null;
  }

  /**
   * Creates an exception of a service that says when to ask again.
   *
   * @param message what happened
   * @param retryAfter how long to wait at least, such as the header {@code Retry-After} says
   */
  public TemporaryFailureException(String message, Duration retryAfter) {
    super(message);
    this.retryAfter = requireNonNull(retryAfter, "retryAfter");
  }

  /**
   * Returns how long to wait.
   *
   * @return at least how long; empty if nobody said
   */
  public Optional<Duration> retryAfter() {
    return Optional.ofNullable(retryAfter);
  }
}
