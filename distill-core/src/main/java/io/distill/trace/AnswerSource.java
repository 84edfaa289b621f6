package io.distill.trace;

import static java.util.Objects.requireNonNull;

import io.distill.generation.GenerationOptions;
import io.distill.generation.TextGenerator;
import io.distill.huggingface.ChatMessage;
import io.distill.provenance.Terms;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * A teacher that writes: a model in this process, a hosted service, a person; a lambda is one.
 *
 * <pre>{@code
 * AnswerSource teacher =
 *     AnswerSource.of(batch -> batch.stream().map(q -> Answer.of(ask(q.prompt()))).toList())
 *         .named("example/teacher-7b")
 *         .sampling(Map.of("temperature", "0.7", "maximumTokens", "2048"))
 *         .declaring(Terms.spdx("Apache-2.0"));
 * }</pre>
 *
 * <p>A source is asked by as many threads at once as the pipeline's {@code concurrency} says, one
 * by default. What it throws ends the run, and all that arrived before is kept, except {@link
 * TemporaryFailureException}, after which it is asked again. A question that it will never answer
 * is answered with {@link FinishReason#REFUSED}.
 */
@FunctionalInterface
public interface AnswerSource {

  /** Takes answers, each as soon as it is there. */
  @FunctionalInterface
  interface Receiver {
    /**
     * Takes one answer.
     *
     * @param position the position of its question in the batch, from 0
     * @param answer the answer; it is written to the disk before this returns
     * @throws IndexOutOfBoundsException if the batch has no such position
     * @throws IllegalStateException if that question was answered before
     */
    void receive(int position, Answer answer);
  }

  /**
   * Answers a batch.
   *
   * @param batch at least one question
   * @return one answer for each question, in the same order
   * @throws TemporaryFailureException if it may be asked again later
   * @throws Exception if it cannot answer
   */
  List<Answer> answers(List<Question> batch) throws Exception;

  /**
   * Answers a batch and hands over each answer as soon as it is there, so that none is lost if the
   * process is killed or a later one fails. By default all come at the end.
   *
   * @param batch at least one question
   * @param receiver takes the answers, in any order and from any thread
   * @throws TemporaryFailureException if it may be asked for the missing ones later
   * @throws Exception if it cannot answer
   */
  default void answers(List<Question> batch, Receiver receiver) throws Exception {
    List<Answer> answers = answers(batch);
    if (answers.size() != batch.size()) {
      throw new IllegalStateException(
          "source must give one answer for each of "
              + batch.size()
              + " questions but gave "
              + answers.size());
    }
    for (int i = 0; i < answers.size(); i++) {
      receiver.receive(i, answers.get(i));
    }
  }

  /**
   * Returns the name of the teacher, for people and to tell its answers from another's: name the
   * version where answers differ with it.
   *
   * @return a name such as {@code Qwen/Qwen2.5-7B-Instruct}; that of the class by default
   */
  default String id() {
    return getClass().isHidden() ? "unnamed source" : getClass().getSimpleName();
  }

  /**
   * Returns a digest of the weights behind the answers, for provenance.
   *
   * @return a SHA-256 digest in hexadecimal; empty by default
   */
  default Optional<String> fingerprint() {
    return Optional.empty();
  }

  /**
   * Returns under which licence or terms the teacher answers.
   *
   * @return its terms; {@link Terms#undeclared()} by default
   */
  default Terms terms() {
    return Terms.undeclared();
  }

  /**
   * Returns how the source samples, such as temperature and largest number of tokens: everything
   * that answers depend on besides question and seed.
   *
   * @return settings by name; empty by default
   */
  default Map<String, String> sampling() {
    return Map.of();
  }

  /**
   * Lets a language model in this process answer prompts of text. If it was taught by a run of this
   * library, it answers under the terms of its teachers.
   *
   * @param generator the model
   * @param options how it writes; their seed is not looked at: each question has its own
   * @return the source
   */
  static AnswerSource of(TextGenerator generator, GenerationOptions options) {
    return new GeneratorSource(generator, options, null);
  }

  /**
   * Lets a language model in this process answer messages, too.
   *
   * @param generator the model
   * @param options how it writes; their seed is not looked at: each question has its own
   * @param template writes messages as the text that makes the model answer
   * @return the source
   */
  static AnswerSource of(
      TextGenerator generator,
      GenerationOptions options,
      Function<List<ChatMessage>, String> template) {
    return new GeneratorSource(generator, options, requireNonNull(template, "template"));
  }

  /**
   * Returns a lambda as a source, so that more can be said of it at once.
   *
   * @param source the lambda
   * @return the same
   */
  static AnswerSource of(AnswerSource source) {
    return requireNonNull(source, "source");
  }

  /**
   * Returns this source under a name.
   *
   * @param id the name; not blank
   * @return the same answers
   * @throws IllegalArgumentException if it is blank
   */
  default AnswerSource named(String id) {
    return new DescribedSource(this, id, terms(), sampling());
  }

  /**
   * Returns this source under terms. Of a model in this process that was taught by others, what
   * they forbid stays forbidden.
   *
   * @param terms the terms under which it answers
   * @return the same answers
   */
  default AnswerSource declaring(Terms terms) {
    return new DescribedSource(this, id(), terms, sampling());
  }

  /**
   * Returns this source with a description of how it samples. Nothing is set by it.
   *
   * @param sampling settings by name
   * @return the same answers
   */
  default AnswerSource sampling(Map<String, String> sampling) {
    return new DescribedSource(this, id(), terms(), new TreeMap<>(sampling));
  }
}
