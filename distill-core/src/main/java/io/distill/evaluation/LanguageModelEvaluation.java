package io.distill.evaluation;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.distill.data.Batch;
import io.distill.data.BatchSource;
import io.distill.data.DistillationDataset;
import io.distill.data.LengthGroupedSampler;
import io.distill.exception.DistillationException;
import io.distill.internal.NativeEngine;
import io.distill.model.DeployableModel;
import io.distill.model.TokenMeter;
import io.distill.signal.SignalKind;
import java.util.Arrays;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * How well a language model predicts the next token of texts, and how near it is to its teacher.
 *
 * <pre>{@code
 * crossEntropy = -1/T · sum_t log p(x_t | x_<t)      perplexity = exp(crossEntropy)
 * agreement    =  1/T · #{t : argmax p = argmax q}   kl = 1/T · sum_t KL(q_t || p_t)
 * }</pre>
 *
 * <p>over the {@code T} tokens that have a label (of conversations what the assistant says), where
 * {@code p} is the model and {@code q} its teacher. Perplexities of models with different
 * tokenizers must not be compared.
 *
 * @param rows the number of rows
 * @param tokens the number {@code T} of predicted tokens, at least 1
 * @param crossEntropy nats a token, at least 0
 * @param accuracy the share of tokens that are the likeliest one, from 0 to 1
 * @param agreement the share of tokens at which both find the same one likeliest; empty without a
 *     teacher
 * @param kl nats a token, at least 0; empty without a teacher, or if it has another vocabulary
 */
public record LanguageModelEvaluation(
    int rows,
    long tokens,
    double crossEntropy,
    double accuracy,
    OptionalDouble agreement,
    OptionalDouble kl) {

  private static final int BATCH_SIZE = 8;

  /**
   * Checks the values.
   *
   * @param rows the number of rows
   * @param tokens the number of predicted tokens, at least 1
   * @param crossEntropy nats a token, at least 0
   * @param accuracy the share of tokens that are the likeliest one, from 0 to 1
   * @param agreement the share of tokens at which both find the same one likeliest
   * @param kl nats a token, at least 0
   * @throws IllegalArgumentException if there are no tokens
   */
  public LanguageModelEvaluation {
    checkArgument(tokens >= 1, "tokens must be at least 1 but were %s", tokens);
    requireNonNull(agreement, "agreement");
    requireNonNull(kl, "kl");
  }

  /**
   * Evaluates a model.
   *
   * @param model a language model
   * @param test rows with token labels, made with the model's tokenizer, such as a {@link
   *     io.distill.conversation.ConversationDataset}
   * @return the evaluation
   * @throws DistillationException if the model gives no logits of tokens, or no token has a label
   */
  public static LanguageModelEvaluation of(DeployableModel model, DistillationDataset test) {
    return evaluate(model, null, test);
  }

  /**
   * Evaluates a student and compares it with its teacher.
   *
   * @param student a language model
   * @param teacher a language model with the same tokenizer
   * @param test rows with token labels, made with the tokenizer of both
   * @return the evaluation
   * @throws DistillationException if one gives no logits of tokens, or no token has a label
   */
  public static LanguageModelEvaluation of(
      DeployableModel student, DeployableModel teacher, DistillationDataset test) {
    return evaluate(student, requireNonNull(teacher, "teacher"), test);
  }

  private static LanguageModelEvaluation evaluate(
      DeployableModel model, @Nullable DeployableModel teacher, DistillationDataset test) {
    BatchSource source = test.inputs(model.tokenizer().orElse(null));
    BatchSource others = teacher == null ? null : test.inputs(teacher.tokenizer().orElse(null));
    TokenMeter meter = new TokenMeter();
    NativeEngine.prepareThread();
    for (int[] rows : LengthGroupedSampler.of(source, BATCH_SIZE, 0).inOrder()) {
      try (NDManager scratch = NativeEngine.newManager(model.model().device())) {
        NDArray logits = logits(model, source.batch(scratch, rows));
        NDArray compared = null;
        if (teacher != null && others != null) {
          compared = logits(teacher, others.batch(scratch, rows));
        }
        meter.add(
            logits,
            compared,
            Arrays.stream(rows).mapToObj(source::tokenLabels).toArray(int[][]::new));
      }
    }
    if (meter.tokens() == 0) {
      throw new DistillationException(
          "test must have at least one token with a label but none of its "
              + source.size()
              + " rows has one; make it with ConversationDataset.builder()");
    }
    return new LanguageModelEvaluation(
        source.size(),
        meter.tokens(),
        meter.crossEntropy(),
        meter.accuracy(),
        meter.compared() ? OptionalDouble.of(meter.agreement()) : OptionalDouble.empty(),
        meter.divergent() ? OptionalDouble.of(meter.kl()) : OptionalDouble.empty());
  }

  private static NDArray logits(DeployableModel model, Batch batch) {
    NDArray logits =
        model.model().forward(batch.inputs(), Set.of(SignalKind.LOGITS), false).logits();
    if (logits.getShape().dimension() != 3) {
      throw new DistillationException(
          "model must be a language model with logits (N, L, V) but gave "
              + logits.getShape()
              + "; use Evaluation for classifiers");
    }
    return logits;
  }

  /**
   * Returns the perplexity.
   *
   * @return the exponential of the cross-entropy; at least 1
   */
  public double perplexity() {
    return Math.exp(crossEntropy);
  }

  /** Returns the figures on one line. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT,
            "perplexity %.3f, accuracy %.1f %% on %d tokens",
            perplexity(),
            100 * accuracy,
            tokens));
    agreement.ifPresent(
        share -> text.append(String.format(Locale.ROOT, ", agreement %.1f %%", 100 * share)));
    kl.ifPresent(nats -> text.append(String.format(Locale.ROOT, ", KL %.4f", nats)));
    return text.toString();
  }
}
