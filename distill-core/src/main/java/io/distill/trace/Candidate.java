package io.distill.trace;

import static java.util.Objects.requireNonNull;

/**
 * An answer that is being judged.
 *
 * @param prompt what was asked, with the right answer where it is known
 * @param index which answer to the prompt it is, from 0
 * @param answer what the teacher answered
 */
public record Candidate(Prompt prompt, int index, Answer answer) {

  /**
   * Checks that all is there.
   *
   * @param prompt what was asked
   * @param index which answer to the prompt it is
   * @param answer what the teacher answered
   */
  public Candidate {
    requireNonNull(prompt, "prompt");
    requireNonNull(answer, "answer");
  }

  /**
   * Returns the text that is judged.
   *
   * @return the completion
   */
  public String text() {
    return answer.text();
  }
}
