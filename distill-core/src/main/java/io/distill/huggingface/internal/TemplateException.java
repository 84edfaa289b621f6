package io.distill.huggingface.internal;

/** A template that is malformed, meets values it cannot take, or refuses them. */
public final class TemplateException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final boolean refusal;
  private int line;

  TemplateException(String message) {
    this(message, false, 0);
  }

  TemplateException(String message, boolean refusal, int line) {
    super(message);
    this.refusal = refusal;
    this.line = line;
  }

  TemplateException at(int place) {
    if (line == 0) {
      line = place;
    }
    return this;
  }

  /**
   * Returns whether the template itself refused by {@code raise_exception}.
   *
   * @return false for any other trouble
   */
  public boolean refusal() {
    return refusal;
  }

  /**
   * Returns the line of the template.
   *
   * @return counted from 1; 0 if unknown
   */
  public int line() {
    return line;
  }
}
