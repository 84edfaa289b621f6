package io.distill.data;

import static java.util.Objects.requireNonNull;

import org.jspecify.annotations.Nullable;

/**
 * A text, with or without the name of its class.
 *
 * @param text the text, not blank
 * @param label the name of the class; {@code null} or blank if there is none
 */
public record TextExample(String text, @Nullable String label) {

  /**
   * Creates an example; a blank label counts as none.
   *
   * @param text the text, not blank
   * @param label the name of the class; {@code null} or blank if there is none
   * @throws IllegalArgumentException if {@code text} is blank
   */
  public TextExample {
    requireNonNull(text, "text");
    if (text.isBlank()) {
      throw new IllegalArgumentException("text must not be blank but was '" + text + "'");
    }
    label = label == null || label.isBlank() ? null : label.strip();
  }

  /**
   * Creates a labelled example.
   *
   * @param text the text, not blank
   * @param label the name of the class, not blank
   * @return the example
   * @throws IllegalArgumentException if {@code text} or {@code label} is blank
   */
  public static TextExample labelled(String text, String label) {
    requireNonNull(label, "label");
    if (label.isBlank()) {
      throw new IllegalArgumentException(
          "label must not be blank but was '" + label + "'; use unlabelled(text)");
    }
    return new TextExample(text, label);
  }

  /**
   * Creates an example without a label.
   *
   * @param text the text, not blank
   * @return the example
   * @throws IllegalArgumentException if {@code text} is blank
   */
  public static TextExample unlabelled(String text) {
    return new TextExample(text, null);
  }
}
