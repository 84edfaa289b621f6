package io.distill.losses;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.loss.DistillationLoss;
import io.distill.losses.feature.EmbeddingCosine;
import io.distill.losses.feature.HiddenStateMse;
import io.distill.losses.logit.AdaptiveKl;
import io.distill.losses.logit.GeneralizedJsd;
import io.distill.losses.logit.HardLabels;
import io.distill.losses.logit.LogitMse;
import io.distill.losses.logit.ReverseKl;
import io.distill.losses.logit.SkewKl;
import io.distill.losses.logit.SkewReverseKl;
import io.distill.losses.logit.SoftCrossEntropy;
import io.distill.losses.logit.SoftTargets;
import io.distill.losses.logit.SymmetricKl;
import io.distill.losses.logit.TopKKl;
import io.distill.losses.logit.TotalVariation;
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
   * log-softmax; no probability is ever logged. The student is pushed off a class that the teacher
   * rules out ({@code -inf}); one that both rule out, such as a padded one, counts nothing; one
   * that the student alone rules out makes the loss infinite. Reported as {@code softTargets}.
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
   * Matches the student's distribution to the teacher's by the divergence from the student: it may
   * leave out classes of the teacher, but not have its own.
   *
   * <pre>{@code
   * L = T² · mean_rows Σ_c q_c (log q_c − log p_c),  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>A true Kullback-Leibler divergence, KL(q‖p): 0 when both agree. It seeks the teacher's modes
   * where {@link #softTargets()} covers all of its classes.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-softmax. A class to which the teacher gives less than 1.2e-38 (float32's smallest), or
   * which it rules out, counts as if it had that: finite, and the student is pushed off it.
   * Reported as {@code reverseKl}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2306.08543">Gu et al., MiniLLM: Knowledge Distillation of
   *     Large Language Models, 2024</a>
   */
  public static DistillationLoss reverseKl() {
    return new ReverseKl();
  }

  /**
   * Matches the distributions by the weighted sum of the divergences in both directions.
   *
   * <pre>{@code
   * L = T² · mean_rows ((1 − λ) KL(p‖q) + λ KL(q‖p)),  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>{@code lambda} is the share of the reverse divergence: 0 is {@link #softTargets()}, 1 is
   * {@link #reverseKl()}. Other libraries let it weight the other side. 0 when both agree.
   *
   * <p>Defaults: lambda 0.5.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-softmax; in the reverse part no class of the teacher counts as less than 1.2e-38. Reported
   * as {@code symmetricKl}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2402.03898">Ko et al., DistiLLM: Towards Streamlined
   *     Distillation for Large Language Models, 2024</a>
   */
  public static DistillationLoss symmetricKl() {
    return symmetricKl(0.5);
  }

  /**
   * Matches the distributions by a weighted sum of the divergences in both directions, with a share
   * of its own for the reverse one.
   *
   * @param lambda the weight of KL(q‖p), the side that starts from the student; unitless, between 0
   *     and 1; default 0.5
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code lambda} is out of range
   * @see #symmetricKl()
   */
  public static DistillationLoss symmetricKl(double lambda) {
    return new SymmetricKl(lambda);
  }

  /**
   * Matches the distributions by the Jensen-Shannon divergence: those of both from their mixture.
   *
   * <pre>{@code
   * L = T² · mean_rows (β KL(p‖m) + (1 − β) KL(q‖m)),  m = β p + (1 − β) q
   *     p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>{@code beta} is the teacher's share of the mixture. At 0.5 student and teacher may be
   * swapped. As β nears 0 the loss tends to {@code β} times {@link #softTargets()}, as it nears 1
   * to {@code 1 − β} times {@link #reverseKl()}; at 0 and 1 it would be 0 everywhere, so these are
   * refused (other libraries jump to the unscaled divergences there). 0 when both agree, and never
   * above {@code log 2} times T².
   *
   * <p>Defaults: beta 0.5.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32,
   * in logarithms throughout; a class that only one model rules out is finite. Reported as {@code
   * generalizedJsd}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2306.13649">Agarwal et al., On-Policy Distillation of
   *     Language Models: Learning from Self-Generated Mistakes, 2024</a>
   */
  public static DistillationLoss generalizedJsd() {
    return generalizedJsd(0.5);
  }

  /**
   * Matches the distributions by their divergences from a mixture of both, with a share of its own
   * for the teacher.
   *
   * @param beta the share of the teacher, β; unitless, greater than 0 and less than 1; default 0.5
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code beta} is out of range
   * @see #generalizedJsd()
   */
  public static DistillationLoss generalizedJsd(double beta) {
    return new GeneralizedJsd(beta);
  }

  /**
   * Matches the distributions by the probability that has to be moved to make them equal.
   *
   * <pre>{@code
   * L = T² · mean_rows ½ Σ_c |p_c − q_c|,  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>0 when both agree, T² when they have no class in common. T² keeps to the policy of all
   * tempered losses, though gradients of this one fall only with T: at high T give it less weight.
   * A student that is certain of a wrong class gets almost no gradient.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-softmax; the gradient of a class of equal probabilities is 0. Reported as {@code
   * totalVariation}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2307.15190">Wen et al., f-Divergence Minimization for
   *     Sequence-Level Knowledge Distillation, 2023</a>
   */
  public static DistillationLoss totalVariation() {
    return new TotalVariation();
  }

  /**
   * Matches a mixture of both distributions to the teacher's: a divergence that stays bounded.
   *
   * <pre>{@code
   * L = T² · mean_rows KL(p ‖ α p + (1 − α) q),  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>A true divergence: 0 when both agree, never above {@code −log α} times T². As α nears 0 it
   * tends to {@link #softTargets()}. The gradient passes through the student's part of the mixture.
   *
   * <p>Defaults: alpha 0.1.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32,
   * in logarithms throughout. Reported as {@code skewKl}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2402.03898">Ko et al., DistiLLM: Towards Streamlined
   *     Distillation for Large Language Models, 2024</a>
   */
  public static DistillationLoss skewKl() {
    return skewKl(0.1);
  }

  /**
   * Matches a mixture of both distributions to the teacher's, with a share of its own for the
   * teacher.
   *
   * @param alpha the share of the teacher in the mixture, α; unitless, greater than 0 and less than
   *     1; default 0.1
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code alpha} is out of range
   * @see #skewKl()
   */
  public static DistillationLoss skewKl(double alpha) {
    return new SkewKl(alpha);
  }

  /**
   * Matches the student's distribution to a mixture of both: a reverse divergence that stays
   * bounded.
   *
   * <pre>{@code
   * L = T² · mean_rows KL(q ‖ (1 − α) p + α q),  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>A true divergence: 0 when both agree, never above {@code −log α} times T². As α nears 0 it
   * tends to {@link #reverseKl()}. The gradient passes through both places of the student.
   *
   * <p>Defaults: alpha 0.1.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32,
   * in logarithms throughout. Reported as {@code skewReverseKl}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2402.03898">Ko et al., DistiLLM: Towards Streamlined
   *     Distillation for Large Language Models, 2024</a>
   */
  public static DistillationLoss skewReverseKl() {
    return skewReverseKl(0.1);
  }

  /**
   * Matches the student's distribution to a mixture of both, with a share of its own for the
   * student.
   *
   * @param alpha the share of the student in the mixture, α; unitless, greater than 0 and less than
   *     1; default 0.1
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code alpha} is out of range
   * @see #skewReverseKl()
   */
  public static DistillationLoss skewReverseKl(double alpha) {
    return new SkewReverseKl(alpha);
  }

  /**
   * Matches the distributions by both divergences, row by row more by the one that acts where the
   * student is off.
   *
   * <pre>{@code
   * L = T² · mean_rows (w KL(p‖q) + (1 − w) KL(q‖p)),  p = softmax(teacher/T),  q = softmax(student/T)
   * w = g_head / (g_head + g_tail),  g = Σ |p_c − q_c| over the head or the tail
   * }</pre>
   *
   * <p>The head of a row is the smallest set of the teacher's likeliest classes that have {@code
   * headShare} of its probability; all others are the tail. Gaps in the head favour KL(p‖q), which
   * fits it first. The weights get no gradient. 0 when both agree.
   *
   * <p>Defaults: headShare 0.5.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-softmax; in the reverse part no class of the teacher counts as less than 1.2e-38. Reported
   * as {@code adaptiveKl}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2404.02657">Wu et al., Rethinking Kullback-Leibler
   *     Divergence in Knowledge Distillation for Large Language Models, 2024</a>
   */
  public static DistillationLoss adaptiveKl() {
    return adaptiveKl(0.5);
  }

  /**
   * Matches the distributions by both divergences, with a head of its own size.
   *
   * @param headShare the teacher's probability in the head; unitless, greater than 0 and less than
   *     1; default 0.5
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code headShare} is out of range
   * @see #adaptiveKl()
   */
  public static DistillationLoss adaptiveKl(double headShare) {
    return new AdaptiveKl(headShare);
  }

  /**
   * Matches the teacher's likeliest classes one by one, and all others as one.
   *
   * <pre>{@code
   * L = T² · mean_rows (Σ_{c in top k} p_c (log p_c − log q_c) + p_rest (log p_rest − log q_rest))
   *     p = softmax(teacher/T),  q = softmax(student/T),  rest = all classes outside the top k of p
   * }</pre>
   *
   * <p>A true divergence of k + 1 outcomes: 0 when both agree, and never above {@link
   * #softTargets()}, which it equals if there are no more than k classes. Unlike renormalised
   * forms, it tells the student how much the top classes have together; within the rest it is free.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-softmax over all classes on both sides; the rest is summed in logarithms. Reported as
   * {@code topKKl}.
   *
   * @param k the number of classes that stay apart; at least 1; 64 to 1024 is usual for
   *     vocabularies
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code k} is less than 1
   * @see <a href="https://arxiv.org/abs/2503.16870">Anshumann et al., Sparse Logit Sampling:
   *     Accelerating Knowledge Distillation in LLMs, 2025</a>
   */
  public static DistillationLoss topKKl(int k) {
    return new TopKKl(k);
  }

  /**
   * Trains the student on the teacher's distribution as if it were a soft label: cross-entropy.
   *
   * <pre>{@code
   * L = T² · mean_rows −Σ_c p_c log q_c,  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>Not a divergence: its least value, where both agree, is the teacher's entropy times T². It
   * has the gradient of {@link #softTargets()}, whose value is 0 there and easier to read.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-softmax. Reported as {@code softCrossEntropy}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1503.02531">Hinton et al., Distilling the Knowledge in a
   *     Neural Network, 2015</a>
   */
  public static DistillationLoss softCrossEntropy() {
    return new SoftCrossEntropy();
  }

  /**
   * Compares the student with the labels: cross-entropy over the rows that have one.
   *
   * <pre>{@code
   * L = mean_labelled −log softmax(student)_y
   * }</pre>
   *
   * <p>Rows without a label do not count; 0 if a step has none. The temperature does not matter.
   * Labels are not smoothed; see {@link #hardLabels(double)}.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]}, labels {@code [N]}; result scalar. <b>Numerics.</b>
   * float32 log-softmax. Reported as {@code hardLabels}.
   *
   * @return an immutable loss, safe to share
   */
  public static DistillationLoss hardLabels() {
    return new HardLabels(0);
  }

  /**
   * Compares the student with smoothed labels: cross-entropy with a share for all classes.
   *
   * <pre>{@code
   * L = mean_labelled ((1 − ε) (−log q_y) + ε · mean_c (−log q_c)),  q = softmax(student)
   * }</pre>
   *
   * <p>The share ε is spread evenly over all classes, the label among them. Rows without a label do
   * not count; 0 if a step has none. The temperature does not matter. The least value is the
   * entropy of the smoothed labels, not 0.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]}, labels {@code [N]}; result scalar. <b>Numerics.</b>
   * float32 log-softmax; classes that the student rules out ({@code -inf}, such as padded ones) get
   * no share. Reported as {@code hardLabels}.
   *
   * @param labelSmoothing the share of the labels' weight that goes to all classes, ε; unitless, at
   *     least 0 and less than 1; 0 is {@link #hardLabels()}; 0.1 is usual
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code labelSmoothing} is out of range
   * @see <a href="https://arxiv.org/abs/1512.00567">Szegedy et al., Rethinking the Inception
   *     Architecture for Computer Vision, 2016</a>
   */
  public static DistillationLoss hardLabels(double labelSmoothing) {
    return new HardLabels(labelSmoothing);
  }

  /**
   * Draws the student's logits to the teacher's themselves, without a softmax.
   *
   * <pre>{@code
   * L = mean_rows ½ Σ_c (student_c − teacher_c)²
   * }</pre>
   *
   * <p>Summed over classes, as the paper has it; for the mean over C classes weight it by {@code 2
   * / C}. The temperature does not matter. {@link #softTargets()} tends to this divided by C as T
   * grows, if each row's mean is taken off the logits; this loss matches the means too.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32;
   * classes that the teacher rules out ({@code -inf}) are infinitely far away and left out.
   * Reported as {@code logitMse}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1312.6184">Ba and Caruana, Do Deep Nets Really Need to be
   *     Deep?, 2014</a>
   */
  public static DistillationLoss logitMse() {
    return new LogitMse();
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
