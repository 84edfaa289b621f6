package io.distill.losses;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.loss.DistillationLoss;
import io.distill.losses.feature.EmbeddingCosine;
import io.distill.losses.feature.HiddenStateMse;
import io.distill.losses.logit.HardLabels;
import io.distill.losses.logit.SoftTargets;
import io.distill.losses.sequence.Chunked;
import io.distill.losses.sequence.PolicyAdvantage;
import io.distill.losses.sequence.TokenLevel;
import io.distill.losses.sequence.UniversalLogit;
import io.distill.schedule.TemperatureSchedule;

/**
 * The losses of knowledge distillation; import them statically.
 *
 * <pre>{@code
 * import static io.distill.losses.Losses.hardLabels;
 * import static io.distill.losses.Losses.softTargets;
 *
 * DistillationLoss loss = softTargets().weighted(0.9).plus(hardLabels().weighted(0.1));
 * }</pre>
 *
 * <p>One policy for all: sums over classes, means over valid rows or tokens of the whole optimizer
 * step, {@code T²} on tempered losses. Every loss is immutable and safe to share.
 */
public final class Losses {

  private Losses() {}

  // ---------------------------------------------------------------- logit: soft targets and
  // divergences

  /**
   * Matches the student's tempered class distribution to the teacher's, at the run's temperature.
   *
   * <pre>{@code
   * L = T² · mean_rows Σ_c p_c (log p_c − log q_c),  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>A true Kullback-Leibler divergence: 0 when both agree. {@code T²} keeps gradients comparable
   * across temperatures.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-softmax; no probability is ever logged. Reported as {@code softTargets}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1503.02531">Hinton et al., Distilling the Knowledge in a
   *     Neural Network, 2015</a>
   */
  public static DistillationLoss softTargets() {
    return new SoftTargets();
  }

  /**
   * Matches the student's tempered class distribution to the teacher's, at a temperature of its
   * own.
   *
   * @param temperature softmax temperature T; unitless, finite, greater than 0; usual range 1 to 10
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code temperature} is not finite or not greater than 0
   * @see #softTargets()
   */
  public static DistillationLoss softTargets(double temperature) {
    return softTargets().atTemperature(TemperatureSchedule.constant(temperature));
  }

  /**
   * Compares the student with the labels: cross-entropy over the rows that have one.
   *
   * <pre>{@code
   * L = mean_labelled −log softmax(student)_y
   * }</pre>
   *
   * <p>Rows without a label do not count; 0 if a step has none. The temperature does not matter.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]}, labels {@code [N]}; result scalar. <b>Numerics.</b>
   * float32 log-softmax. Reported as {@code hardLabels}.
   *
   * @return an immutable loss, safe to share
   */
  public static DistillationLoss hardLabels() {
    return new HardLabels();
  }

  // ---------------------------------------------------------------- logit: decoupled, ranked,
  // corrected

  // ---------------------------------------------------------------- feature

  /**
   * Draws the student's hidden states to the teacher's on the layers of the layer mapping.
   *
   * <pre>{@code
   * L = mean_pairs mean_tokens mean_d (W_pair student − teacher)²_d
   * }</pre>
   *
   * <p>{@code W} is a learned matrix where the widths differ, and absent where they are equal; it
   * belongs to the run and never reaches the saved student. The models must see the same tokens.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count) or {@code [N, D]};
   * result scalar. <b>Numerics.</b> float32. Reported as {@code hiddenStateMse}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1412.6550">Romero et al., FitNets, 2015</a>
   * @see <a href="https://arxiv.org/abs/1909.10351">Jiao et al., TinyBERT, 2020</a>
   */
  public static DistillationLoss hiddenStateMse() {
    return new HiddenStateMse();
  }

  // ---------------------------------------------------------------- attention

  // ---------------------------------------------------------------- relation

  // ---------------------------------------------------------------- contrastive

  /**
   * Turns the student's embedding into the direction of the teacher's.
   *
   * <pre>{@code
   * L = mean_rows (1 − cos(W student, teacher))
   * }</pre>
   *
   * <p>{@code W} is a learned matrix where the widths differ, and absent where they are equal; it
   * belongs to the run and never reaches the saved student.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]}; result scalar. <b>Numerics.</b> float32; norms are
   * at least 1e-6. Reported as {@code embeddingCosine}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2301.12005">Kim et al., EmbedDistill, 2023</a>
   */
  public static DistillationLoss embeddingCosine() {
    return new EmbeddingCosine();
  }

  // ---------------------------------------------------------------- sequence

  /**
   * Takes a loss on rows over the tokens that a language model predicts.
   *
   * <pre>{@code
   * L = mean_tokens loss(student logits at t, teacher logits at t, label at t + 1)
   * }</pre>
   *
   * <p>The logits at one position predict the token at the next: labels and mask are shifted here,
   * once. A token counts if it has a label of at least 0; in data without labels, if the student's
   * mask has it. The mean is over the tokens that count in the whole optimizer step, and 0 if none
   * does. A sum stays a sum of terms.
   *
   * <pre>{@code
   * tokenLevel(softTargets(2).weighted(0.9).plus(hardLabels().weighted(0.1)))
   * }</pre>
   *
   * <p>On samples of the student's own (labels for the tokens that it drew, -1 for the prompt), the
   * same is the loss of on-policy distillation: {@code tokenLevel(generalizedJsd(0.5))} of GKD
   * (Agarwal et al., 2024), {@code tokenLevel(reverseKl())} of MiniLLM's exact single step.
   *
   * <p><b>Shapes.</b> Logits {@code [N, L, V]} on both sides, mask and labels {@code [N, L]};
   * result scalar. Both models must read the same tokens. <b>Numerics.</b> Those of the loss.
   * Reported under the names of its terms.
   *
   * @param loss a loss that reads nothing but logits and labels
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code loss} reads other signals than logits
   * @see <a href="https://arxiv.org/abs/2306.13649">Agarwal et al., On-Policy Distillation of
   *     Language Models, 2024</a>
   */
  public static DistillationLoss tokenLevel(DistillationLoss loss) {
    return new TokenLevel(loss, TokenLevel.ALL);
  }

  /**
   * Takes a loss on rows over the tokens that a language model predicts, without the entries that
   * pad a vocabulary.
   *
   * <p>Models of one tokenizer often pad their vocabularies to different sizes, such as 151,936 and
   * 152,064 logits for 151,669 token ids. Padded entries are cut off on both sides, which is the
   * same as logits of {@code -inf}: they get no probability.
   *
   * @param loss a loss that reads nothing but logits and labels
   * @param vocabularySize the number of token ids that exist; at least 1, at most the number of
   *     logits of either model
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code loss} reads other signals than logits, or {@code
   *     vocabularySize} is out of range
   * @see #tokenLevel(DistillationLoss)
   */
  public static DistillationLoss tokenLevel(DistillationLoss loss, int vocabularySize) {
    return new TokenLevel(loss, TokenLevel.size(vocabularySize));
  }

  /**
   * Matches the student's distribution of each next token to the teacher's.
   *
   * <pre>{@code
   * L = T² · mean_tokens KL(softmax(teacher/T) ‖ softmax(student/T))
   * }</pre>
   *
   * <p>{@link #softTargets()} over the tokens that count, see {@link
   * #tokenLevel(DistillationLoss)}.
   *
   * <p><b>Shapes.</b> Logits {@code [N, L, V]} on both sides, mask or labels {@code [N, L]}; result
   * scalar. <b>Numerics.</b> float32 log-softmax. Reported as {@code tokenLevelKl}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1606.07947">Kim and Rush, Sequence-Level Knowledge
   *     Distillation, 2016</a>
   */
  public static DistillationLoss tokenLevelKl() {
    return tokenLevel(softTargets()).named("tokenLevelKl");
  }

  /**
   * Trains the student on text that the teacher wrote: cross-entropy with the teacher's tokens.
   *
   * <pre>{@code
   * L = mean_tokens −log softmax(student at t)_{label at t + 1}
   * }</pre>
   *
   * <p>The teacher's distribution over all texts is replaced by its best one, so that no teacher is
   * asked during training. The labels are the ids of the teacher's text, negative for the prompt
   * and for padding; they are shifted here. The temperature does not matter.
   *
   * <p><b>Shapes.</b> Logits {@code [N, L, V]}, labels {@code [N, L]}; result scalar.
   * <b>Numerics.</b> float32 log-softmax. Reported as {@code sequenceLevel}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1606.07947">Kim and Rush, Sequence-Level Knowledge
   *     Distillation, 2016</a>
   */
  public static DistillationLoss sequenceLevel() {
    return tokenLevel(hardLabels()).named("sequenceLevel");
  }

  /**
   * Matches sorted probabilities, so that student and teacher may have different tokenizers.
   *
   * <pre>{@code
   * L = T² · 1/M · Σ_pairs Σ_i |p_(i) − q_(i)|,  p_(1) ≥ p_(2) ≥ … sorted softmax(teacher/T),
   *     q likewise of the student; the shorter of the two padded with 0
   * }</pre>
   *
   * <p>The Wasserstein distance between the distributions where every change of a token costs the
   * same. Token {@code k} of a row of the student is paired with token {@code k} of the same row of
   * the teacher, padding left out on either side, up to the shorter of the two; tokens beyond it
   * add 0. Texts are not aligned in any other way. {@code M} is the number of the student's tokens
   * in the whole optimizer step. A token of the student counts if it has a label of at least 0, or
   * in data without labels if its mask has it; one of the teacher if the teacher's mask has it:
   * where labels leave out a prompt, the teacher's mask must leave it out too. The paper adds
   * cross-entropy: {@code tokenLevel(hardLabels()).plus(universalLogit().weighted(1.5))}.
   *
   * <p><b>Shapes.</b> Logits {@code [N, L, V]} (student) and {@code [N, L', V']} (teacher), masks
   * {@code [N, L]} and {@code [N, L']}; result scalar. <b>Numerics.</b> float32 softmax; where both
   * agree the gradient is 0. {@code T²} as for every tempered loss; the paper's temperature is 1.
   * Reported as {@code universalLogit}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2402.12030">Boizard et al., Towards Cross-Tokenizer
   *     Distillation: the Universal Logit Distillation Loss for LLMs, 2024</a>
   */
  public static DistillationLoss universalLogit() {
    return new UniversalLogit();
  }

  /**
   * Reinforces those tokens of the student's own samples that the teacher finds likelier.
   *
   * <pre>{@code
   * L = −T² · mean_tokens ratio_t · A_t,  A_t = log p(x_t) − log q(x_t) without gradient,
   *     ratio_t = q(x_t) / (q(x_t) without gradient) = 1
   * }</pre>
   *
   * <p>A policy gradient. Its value is an estimate of the reverse divergence {@code KL(q ‖ p)},
   * which can be negative; its gradient {@code −mean A_t ∇log q(x_t)} is, in expectation over
   * tokens drawn from the student as it is now, exactly that of {@code tokenLevel(reverseKl())} on
   * the same prefixes. It is not the derivative of the value. Value and gradient are 0 where both
   * agree. Samples must be fresh: the loss does not know with what probabilities they were drawn
   * and takes the present ones, so a sample that is used again after the student has moved gives a
   * biased gradient. {@link #policyAdvantage(double, boolean)} looks further ahead.
   *
   * <p><b>Shapes.</b> Logits {@code [N, L, V]} on both sides, labels {@code [N, L]}: the ids that
   * the student drew, negative for the prompt and for padding; result scalar. <b>Numerics.</b>
   * float32 log-softmax; infinite if the teacher rules a drawn token out with {@code -inf}. The
   * temperature must be that of the sampling. Reported as {@code policyAdvantage}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2306.08543">Gu et al., MiniLLM, 2024</a>
   * @see <a href="https://arxiv.org/abs/2306.13649">Agarwal et al., On-Policy Distillation of
   *     Language Models, 2024</a>
   */
  public static DistillationLoss policyAdvantage() {
    return new PolicyAdvantage(0, false);
  }

  /**
   * Reinforces those tokens of the student's own samples after which the teacher finds the text
   * likelier.
   *
   * <pre>{@code
   * A_t = Σ_{k ≥ t} discount^(k − t) (log p(x_k) − log q(x_k)) / n_t
   *     n_t = 1, or with lengthNormalized the number of drawn tokens from t on
   * }</pre>
   *
   * <p>With a discount of 1 and without normalisation the gradient is, in expectation, that of the
   * divergence of whole texts. Normalisation keeps short texts from being preferred. MiniLLM's code
   * uses 0.95 with normalisation, whitens advantages over the batch, which this does not, and adds
   * {@code tokenLevel(reverseKl())} as the exact single step.
   *
   * @param discount how much of the next token's advantage a token gets; from 0 to 1; the default
   *     of {@link #policyAdvantage()} is 0
   * @param lengthNormalized whether the sum is divided by the number of tokens that it runs over
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code discount} is out of range, or 0 with {@code
   *     lengthNormalized}
   * @see #policyAdvantage()
   */
  public static DistillationLoss policyAdvantage(double discount, boolean lengthNormalized) {
    return new PolicyAdvantage(discount, lengthNormalized);
  }

  /**
   * Takes a loss on rows over the tokens of a language model without ever holding all logits.
   *
   * <pre>{@code
   * chunked(loss) = tokenLevel(loss), with logits = states · weightᵀ, 128 tokens at a time
   * }</pre>
   *
   * <p>Same value and gradients as {@link #tokenLevel(DistillationLoss)}, from the last hidden
   * states and the output embedding instead of the logits. One native call forms the logits of some
   * tokens, differentiates the loss of those, and lets them go before the next; what stays is one
   * number a token and the gradients of states, weight and, where it is learned, the temperature.
   * The memory is that of a few arrays of {@code chunkSize · V} numbers plus the gradient of the
   * output embedding.
   *
   * <p>Any composition of losses that compare each row of logits on its own will do: {@code
   * chunked(softTargets(2).weighted(0.9).plus(hardLabels().weighted(0.1)))}. Temperatures may be
   * constant, scheduled, or one learned number; those that read the logits of a row cannot be had.
   *
   * <p><b>Shapes.</b> {@link io.distill.signal.LogitFactors} of both models: states {@code [N, L,
   * D]}, weights {@code [V, D]}, {@code D} may differ; mask and labels {@code [N, L]}; result
   * scalar. <b>Numerics.</b> Those of the loss. Reported under the names of its terms.
   *
   * @param loss a loss on rows of logits, or a composition of such
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a part of {@code loss} is no loss on rows of its own
   */
  public static DistillationLoss chunked(DistillationLoss loss) {
    return Chunked.of(loss, Chunked.CHUNK_SIZE, TokenLevel.ALL);
  }

  /**
   * Takes a loss on rows over the tokens of a language model, some tokens at a time.
   *
   * @param loss a loss on rows of logits, or a composition of such
   * @param chunkSize the number of tokens whose logits exist at once; at least 1; default 128; more
   *     for a GPU
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a part of {@code loss} is no loss on rows of its own, or
   *     {@code chunkSize} is out of range
   * @see #chunked(DistillationLoss)
   */
  public static DistillationLoss chunked(DistillationLoss loss, int chunkSize) {
    return Chunked.of(loss, chunkSize, TokenLevel.ALL);
  }

  /**
   * Takes a loss on rows over the tokens of a language model, some tokens at a time and without the
   * entries that pad a vocabulary.
   *
   * @param loss a loss on rows of logits, or a composition of such
   * @param chunkSize the number of tokens whose logits exist at once; at least 1
   * @param vocabularySize the number of token ids that exist; at least 1, at most the rows of
   *     either output embedding
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a part of {@code loss} is no loss on rows of its own, or a
   *     number is out of range
   * @see #chunked(DistillationLoss)
   * @see #tokenLevel(DistillationLoss, int)
   */
  public static DistillationLoss chunked(DistillationLoss loss, int chunkSize, int vocabularySize) {
    return Chunked.of(loss, chunkSize, TokenLevel.size(vocabularySize));
  }

  // ---------------------------------------------------------------- composition

  /**
   * Adds soft targets and hard labels with the usual weights.
   *
   * @param alpha the weight of the soft targets; between 0 and 1; hard labels get {@code 1 - alpha}
   * @return {@code softTargets().weighted(alpha).plus(hardLabels().weighted(1 - alpha))}
   * @throws IllegalArgumentException if {@code alpha} is out of range
   */
  public static DistillationLoss softTargetsAndHardLabels(double alpha) {
    checkArgument(alpha >= 0 && alpha <= 1, "alpha must be between 0 and 1 but was %s", alpha);
    return softTargets().weighted(alpha).plus(hardLabels().weighted(1 - alpha));
  }
}
