package io.distill.generation;

/** Is told of text while it is written; a lambda is one. */
@FunctionalInterface
public interface GenerationListener {

  /**
   * Is told of a piece of text, on the thread that generates. Pieces of a row put together are its
   * {@link Generation#text()}; what may become a stop string or a character is held back until it
   * is decided.
   *
   * @param row the index of the prompt
   * @param piece the next piece; never empty
   */
  void wrote(int row, String piece);
}
