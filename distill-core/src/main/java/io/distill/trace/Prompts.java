package io.distill.trace;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * Prompts that can be read more than once, always the same in the same order; a lambda that opens a
 * stream is some.
 *
 * <p>A run reads them once to check them before the teacher is asked, and once to ask. They are
 * never all in memory.
 */
@FunctionalInterface
public interface Prompts {

  /**
   * Opens the prompts from the beginning.
   *
   * @return a stream, which the caller closes
   */
  Stream<Prompt> open();

  /**
   * Reads prompts from a file of JSON Lines in UTF-8, one object a line; blank lines are passed
   * over.
   *
   * <pre>{@code
   * {"id": "7", "prompt": "What is 17 + 25?", "answer": "42", "digits": 2}
   * {"messages": [{"role": "user", "content": "What is 17 + 25?"}], "answer": "42"}
   * }</pre>
   *
   * <p>{@code id} and {@code answer} may be missing, and may be numbers; other members become
   * {@linkplain Prompt#metadata() metadata}. Without an id a digest of the question is one.
   *
   * @param file the file; it is opened when the prompts are
   * @return the prompts; reading them throws {@link io.distill.exception.DistillationException}
   *     that names file and line if one is wrong
   */
  static Prompts jsonLines(Path file) {
    requireNonNull(file, "file");
    return () -> PromptFile.open(file);
  }

  /**
   * Returns given prompts.
   *
   * @param prompts the prompts
   * @return all of them
   */
  static Prompts of(List<Prompt> prompts) {
    List<Prompt> copy = List.copyOf(prompts);
    return copy::stream;
  }

  /**
   * Returns texts as prompts to be continued.
   *
   * @param texts the texts, none blank
   * @return all of them
   * @throws IllegalArgumentException if a text is blank
   */
  static Prompts texts(List<String> texts) {
    return of(texts.stream().map(Prompt::of).toList());
  }

  /**
   * Returns the first of these prompts.
   *
   * @param count how many at most, at least 1
   * @return the first ones
   * @throws IllegalArgumentException if {@code count} is below 1
   */
  default Prompts limit(long count) {
    checkArgument(count >= 1, "count must be at least 1 but was %s", count);
    return () -> open().limit(count);
  }

  /**
   * Returns these prompts after a change, such as an instruction put before each.
   *
   * @param change the change; the same whenever it is made
   * @return the changed prompts
   */
  default Prompts map(UnaryOperator<Prompt> change) {
    requireNonNull(change, "change");
    return () -> open().map(change);
  }
}
