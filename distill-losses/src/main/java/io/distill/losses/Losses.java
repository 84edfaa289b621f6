package io.distill.losses;

import static com.google.common.base.Preconditions.checkArgument;

import io.distill.loss.DistillationLoss;
import io.distill.losses.attention.AttentionScoreMse;
import io.distill.losses.attention.AttentionTransfer;
import io.distill.losses.attention.MiniLm;
import io.distill.losses.attention.MiniLmV2;
import io.distill.losses.contrastive.ContrastiveRepresentation;
import io.distill.losses.contrastive.EmbeddingCosine;
import io.distill.losses.contrastive.EmbeddingL2;
import io.distill.losses.contrastive.InfoNce;
import io.distill.losses.contrastive.ListwiseKl;
import io.distill.losses.contrastive.MarginMse;
import io.distill.losses.feature.ActivationBoundary;
import io.distill.losses.feature.FactorTransfer;
import io.distill.losses.feature.HiddenStateCosine;
import io.distill.losses.feature.HiddenStateMse;
import io.distill.losses.feature.HierarchicalContext;
import io.distill.losses.feature.Hint;
import io.distill.losses.feature.MaskedGeneration;
import io.distill.losses.feature.Overhaul;
import io.distill.losses.feature.PatientKd;
import io.distill.losses.feature.ReviewKd;
import io.distill.losses.feature.SimKd;
import io.distill.losses.feature.VariationalInformation;
import io.distill.losses.logit.AdaptiveKl;
import io.distill.losses.logit.CorrectedTeacher;
import io.distill.losses.logit.DecoupledKd;
import io.distill.losses.logit.Dist;
import io.distill.losses.logit.GeneralizedJsd;
import io.distill.losses.logit.HardLabels;
import io.distill.losses.logit.HingeRank;
import io.distill.losses.logit.LogisticRank;
import io.distill.losses.logit.LogitMse;
import io.distill.losses.logit.MultiLabel;
import io.distill.losses.logit.NormalizedKd;
import io.distill.losses.logit.Regression;
import io.distill.losses.logit.ReverseKl;
import io.distill.losses.logit.SkewKl;
import io.distill.losses.logit.SkewReverseKl;
import io.distill.losses.logit.SoftCrossEntropy;
import io.distill.losses.logit.SoftTargets;
import io.distill.losses.logit.Standardized;
import io.distill.losses.logit.SymmetricKl;
import io.distill.losses.logit.TopKKl;
import io.distill.losses.logit.TotalVariation;
import io.distill.losses.relation.CentredKernelAlignment;
import io.distill.losses.relation.CorrelationCongruence;
import io.distill.losses.relation.Fsp;
import io.distill.losses.relation.LayerRelation;
import io.distill.losses.relation.NeuronSelectivity;
import io.distill.losses.relation.ProbabilisticTransfer;
import io.distill.losses.relation.RelationalAngle;
import io.distill.losses.relation.RelationalDistance;
import io.distill.losses.relation.SimilarityPreserving;
import io.distill.losses.sequence.Chunked;
import io.distill.losses.sequence.PolicyAdvantage;
import io.distill.losses.sequence.TokenLevel;
import io.distill.losses.sequence.UniversalLogit;
import io.distill.schedule.TemperatureSchedule;
import java.util.OptionalDouble;
import java.util.OptionalInt;

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

  /**
   * Distils the label and the other classes apart, so that a confident teacher's order of the other
   * classes is not lost (DKD).
   *
   * <p>Defaults: alpha 1, beta 8.
   *
   * @return {@code decoupledKd(1, 8)}
   * @see #decoupledKd(double, double)
   */
  public static DistillationLoss decoupledKd() {
    return decoupledKd(1, 8);
  }

  /**
   * Distils the label and the other classes apart, with weights of their own (DKD).
   *
   * <pre>{@code
   * L = T² · mean_labelled (α TCKD + β NCKD)
   * TCKD = KL((p_y, 1 − p_y) ‖ (q_y, 1 − q_y)),  NCKD = KL(p̂ ‖ q̂)
   * p = softmax(teacher/T),  q = softmax(student/T),  p̂, q̂ = softmax over the classes other than y
   * }</pre>
   *
   * <p>Soft targets are {@code TCKD + (1 − p_y) NCKD}: there a confident teacher mutes what it
   * knows of the other classes, here it does not. 0 when both agree. With two classes NCKD is 0
   * always. Rows without a label do not count. The paper runs at T 4, adds the cross-entropy of
   * {@link #hardLabels()} and lets this loss grow over the first 20 epochs, for which {@link
   * DistillationLoss#warmUp(int) warmUp(20)} is there.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides, labels {@code [N]}; result scalar.
   * <b>Numerics.</b> In log space throughout: {@code log(1 − q_y)} is a log-sum-exp over the other
   * classes. Classes that the teacher rules out ({@code -inf}) count 0; a row in which it rules out
   * all but the label has no NCKD. Reported as {@code decoupledKd}.
   *
   * @param alpha the weight of the label's part; finite, at least 0; default 1
   * @param beta the weight of the other classes' part; finite, at least 0; default 8, usual range 1
   *     to 8
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a weight is negative or not finite
   * @see <a href="https://arxiv.org/abs/2203.08679">Zhao et al., Decoupled Knowledge Distillation,
   *     2022</a>
   */
  public static DistillationLoss decoupledKd(double alpha, double beta) {
    return new DecoupledKd(alpha, beta);
  }

  /**
   * Trains the label as much as the teacher trusts it, and the other classes among themselves
   * (NKD).
   *
   * <p>Default: gamma 1.5. The paper's temperature is 1.
   *
   * @return {@code normalizedKd(1.5)}
   * @see #normalizedKd(double)
   */
  public static DistillationLoss normalizedKd() {
    return normalizedKd(1.5);
  }

  /**
   * Trains the label as much as the teacher trusts it, and the other classes among themselves, with
   * a weight (NKD).
   *
   * <pre>{@code
   * L = mean_labelled (−p_y log q_y − γ T² Σ_{c≠y} p̂_c log q̂_c)
   * p = softmax(teacher),  q = softmax(student)                     at temperature 1
   * p̂, q̂ = softmax(teacher/T), softmax(student/T)      over the classes other than y
   * }</pre>
   *
   * <p>Two cross-entropies: not 0 when both agree. The temperature acts on the other classes alone.
   * The paper adds the plain cross-entropy with the label, which is not part of this loss: add
   * {@link #hardLabels()} with weight 1. Rows without a label do not count.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides, labels {@code [N]}; result scalar.
   * <b>Numerics.</b> float32 log-softmax. Classes that the teacher rules out ({@code -inf}) count
   * 0; a row in which it rules out all but the label has no second part. Reported as {@code
   * normalizedKd}.
   *
   * @param gamma the weight of the other classes' part; finite, at least 0; default 1.5
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code gamma} is negative or not finite
   * @see <a href="https://arxiv.org/abs/2303.13005">Yang et al., From Knowledge Distillation to
   *     Self-Knowledge Distillation: A Unified Approach with Normalized Loss and Customized Soft
   *     Labels, 2023</a>
   */
  public static DistillationLoss normalizedKd(double gamma) {
    return new NormalizedKd(gamma);
  }

  /**
   * Gives a tempered loss logits of mean 0 and standard deviation 1 on both sides, so that the
   * student need not match the teacher's scale.
   *
   * <pre>{@code
   * z ← (z − mean_c z) / (std_c z + 1e-7)   of each row, student and teacher;  then the loss
   * }</pre>
   *
   * <p>The inner loss then acts at its own temperature or the run's (the paper's is 2, with the
   * loss weighted 9). The result does not change when a row of logits is shifted or scaled by a
   * positive factor. The standard deviation is the sample's (divided by {@code C − 1}), as in the
   * authors' code; their paper writes the population's. A sum is wrapped term by term, and its
   * terms stay reported apart under their own names; wrap only the tempered terms, since {@link
   * #hardLabels()} wants logits as they are:
   *
   * <pre>{@code
   * standardized(softTargets(2)).weighted(9).plus(hardLabels())
   * }</pre>
   *
   * <p><b>Shapes.</b> Logits whose last dimension is the classes, at least 2. <b>Numerics.</b>
   * float32; classes at {@code -inf} have no part in mean and deviation and stay {@code -inf}; rows
   * of equal logits become 0. The gradient grows with one over the deviation: clip it if the
   * student starts with a last layer of zeros. Reported under the inner loss's name.
   *
   * @param loss the loss that sees the standardised logits
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2403.01427">Sun et al., Logit Standardization in Knowledge
   *     Distillation, 2024</a>
   */
  public static DistillationLoss standardized(DistillationLoss loss) {
    return new Standardized(loss);
  }

  /**
   * Correlates the student's probabilities with the teacher's, along rows and along classes (DIST).
   *
   * <p>Defaults: beta 1, gamma 1.
   *
   * @return {@code dist(1, 1)}
   * @see #dist(double, double)
   */
  public static DistillationLoss dist() {
    return dist(1, 1);
  }

  /**
   * Correlates the student's probabilities with the teacher's, along rows and along classes, with
   * weights (DIST).
   *
   * <pre>{@code
   * L = T² · (β (1 − mean_rows ρ(q_row, p_row)) + γ (1 − mean_classes ρ(q_class, p_class)))
   * p = softmax(teacher/T),  q = softmax(student/T),  ρ = Pearson's correlation
   * }</pre>
   *
   * <p>Asks for the teacher's relations and not its probabilities: 0 when both agree, and also when
   * the student's probabilities are the teacher's mixed with a uniform share. The authors' code
   * multiplies by {@code T²} and so does this loss; their formula does not. The term along classes
   * compares the rows of a batch: where a step accumulates several batches it is their mean, and
   * differs from that of one large batch. A batch of one row has no relation along classes; the
   * term is then constant.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32;
   * a row or class whose probabilities are all equal has correlation 0; classes that the teacher
   * rules out ({@code -inf}) do not count. Reported as {@code dist}.
   *
   * @param beta the weight of the relations of classes within a row; finite, at least 0; default 1
   * @param gamma the weight of the relations of rows within a class; finite, at least 0; default 1
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a weight is negative or not finite
   * @see <a href="https://arxiv.org/abs/2205.10536">Huang et al., Knowledge Distillation from A
   *     Stronger Teacher, 2022</a>
   */
  public static DistillationLoss dist(double beta, double gamma) {
    return new Dist(beta, gamma);
  }

  /**
   * Pulls classes as far apart as the teacher does, pair by pair (hinge).
   *
   * <pre>{@code
   * L = T² · mean_rows mean_{p_k > p_l} max(0, (p_k − p_l) − (q_k − q_l))
   * p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>0 as soon as every gap is at least the teacher's, hence also when both agree. Classes of
   * equal teacher probability make no pair, nor do classes that the teacher rules out ({@code
   * -inf}); a row without pairs is 0.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * softmax. Memory grows with the pairs, {@code N · C²}: some 12 MB a row of 1000 classes.
   * Reported as {@code hingeRank}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://github.com/arcee-ai/DistillKit">Arcee AI, DistillKit, 2025</a>
   */
  public static DistillationLoss hingeRank() {
    return new HingeRank(OptionalDouble.empty());
  }

  /**
   * Ranks classes as the teacher does, with a margin between each pair (hinge).
   *
   * <pre>{@code
   * L = T² · mean_rows mean_{p_k > p_l} max(0, margin − (q_k − q_l))
   * }</pre>
   *
   * <p>0 as soon as every pair that the teacher ranks is that far apart; the teacher's own gaps do
   * not matter. All else is as in {@link #hingeRank()}.
   *
   * @param margin the gap of probabilities that each pair must have; 0 to 1; 0 asks for the order
   *     alone
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code margin} is out of range
   * @see #hingeRank()
   */
  public static DistillationLoss hingeRank(double margin) {
    return new HingeRank(OptionalDouble.of(margin));
  }

  /**
   * Ranks classes as the teacher does, pair by pair (logistic).
   *
   * <pre>{@code
   * L = mean_rows mean_{t_k > t_l} log(1 + exp(−(s_k − s_l)))      s, t: logits of student, teacher
   * }</pre>
   *
   * <p>Reads the order of the teacher's classes and nothing else: the temperature does not matter,
   * and the value falls towards 0 as the student's gaps in that order grow; it is not 0 when both
   * agree. Classes of equal teacher logits make no pair, nor do classes that the teacher rules out
   * ({@code -inf}); a row without pairs is 0.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-sigmoid. Memory grows with the pairs, {@code N · C²}: some 16 MB a row of 1000 classes.
   * Reported as {@code logisticRank}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://doi.org/10.1145/1102351.1102363">Burges et al., Learning to Rank using
   *     Gradient Descent, 2005</a>
   * @see <a href="https://github.com/arcee-ai/DistillKit">Arcee AI, DistillKit, 2025</a>
   */
  public static DistillationLoss logisticRank() {
    return new LogisticRank();
  }

  /**
   * Matches the student to a teacher whose mistakes are corrected first (minifinetuning).
   *
   * <p>Default: tau 0.2.
   *
   * @return {@code correctedTeacher(0.2)}
   * @see #correctedTeacher(double)
   */
  public static DistillationLoss correctedTeacher() {
    return correctedTeacher(0.2);
  }

  /**
   * Matches the student to a teacher whose mistakes are corrected first, by a given lead
   * (minifinetuning).
   *
   * <pre>{@code
   * L = T² · mean_labelled KL(p′ ‖ q),  p′ = (1 − a) p + a onehot(y)
   * a = (p_max − p_y + τ) / (1 + p_max − p_y)  where p_max > p_y,  else 0
   * p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>Where the teacher prefers another class to the label, as much of the label is mixed in as
   * makes it lead that class by τ; the other classes keep their proportions. Rows in which the
   * teacher is right stay as they are. (NVIDIA's Model Optimizer also raises the label's
   * probability by τ where the teacher is right.) Rows without a label do not count. 0 when the
   * student gives the corrected probabilities, so {@link #hardLabels()} is not needed.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides, labels {@code [N]}; result scalar.
   * <b>Numerics.</b> float32 log-softmax of the student; classes of corrected probability 0 count
   * 0. Reported as {@code correctedTeacher}.
   *
   * @param tau the lead of a corrected label, a difference of probabilities; 0 to 1; default 0.2
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code tau} is out of range
   * @see <a href="https://arxiv.org/abs/2506.15702">Belcak et al., Minifinetuning: Low-Data
   *     Generation Domain Adaptation through Corrective Self-Distillation, 2025</a>
   */
  public static DistillationLoss correctedTeacher(double tau) {
    return new CorrectedTeacher(tau);
  }

  /**
   * Matches each class on its own as present or absent, for data whose rows have several labels.
   *
   * <pre>{@code
   * L = T² · mean_rows Σ_c (p_c log(p_c/q_c) + (1 − p_c) log((1 − p_c)/(1 − q_c)))
   * p = sigmoid(teacher/T),  q = sigmoid(student/T)
   * }</pre>
   *
   * <p>A true Kullback-Leibler divergence of each class: 0 when both agree. Each is that of {@link
   * #softTargets()} on the two logits {@code (z_c, 0)}.
   *
   * <p><b>Shapes.</b> Logits {@code [N, C]} on both sides; result scalar. <b>Numerics.</b> float32
   * log-sigmoid; no probability is ever logged. A class that both rule out ({@code -inf}) counts 0.
   * Reported as {@code multiLabel}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2308.06453">Yang et al., Multi-Label Knowledge
   *     Distillation, 2023</a>
   */
  public static DistillationLoss multiLabel() {
    return new MultiLabel();
  }

  /**
   * Draws the numbers that the student predicts to the teacher's: squared error, for regression.
   *
   * <pre>{@code
   * L = mean_rows Σ_d (student_d − teacher_d)²
   * }</pre>
   *
   * <p>The outputs stand where a classifier's logits stand. The temperature does not matter. Labels
   * are classes here and not numbers, so losses that bound the teacher by the true value are not
   * offered.
   *
   * <p><b>Shapes.</b> Outputs {@code [N, D]} on both sides; result scalar. <b>Numerics.</b>
   * float32; the outputs must be finite. Reported as {@code regression}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1312.6184">Ba and Caruana, Do Deep Nets Really Need to be
   *     Deep?, 2014</a>
   */
  public static DistillationLoss regression() {
    return new Regression(OptionalDouble.empty());
  }

  /**
   * Draws the numbers that the student predicts to the teacher's, with large errors counted
   * linearly (Huber).
   *
   * <pre>{@code
   * L = mean_rows Σ_d h(student_d − teacher_d)
   * h(e) = e²/2 where |e| ≤ δ,  δ (|e| − δ/2) elsewhere
   * }</pre>
   *
   * <p>For a teacher that is wrong by far now and then. Below δ it is half of {@link
   * #regression()}. All else is as there.
   *
   * @param delta the error from which on the loss is linear, in units of the outputs; finite,
   *     greater than 0
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code delta} is not finite or not greater than 0
   * @see <a href="https://doi.org/10.1214/aoms/1177703732">Huber, Robust Estimation of a Location
   *     Parameter, 1964</a>
   * @see #regression()
   */
  public static DistillationLoss regression(double delta) {
    return new Regression(OptionalDouble.of(delta));
  }

  // ---------------------------------------------------------------- feature

  /**
   * Draws the student's hidden states to the teacher's on the layers of the layer mapping.
   *
   * <pre>{@code
   * L = mean_pairs mean_positions mean_d (W_pair student − teacher)²_d
   * }</pre>
   *
   * <p>{@code W} is a learned matrix where the widths differ, and absent where they are equal; it
   * belongs to the run and never reaches the saved student. Models of text must see the same
   * tokens. The mean over the width makes the value independent of it; {@link #hint()} sums.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code hiddenStateMse}.
   *
   * <p>Default: {@link Projector#LINEAR}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1909.10351">Jiao et al., TinyBERT: Distilling BERT for
   *     Natural Language Understanding, 2020</a>
   */
  public static DistillationLoss hiddenStateMse() {
    return hiddenStateMse(Projector.LINEAR);
  }

  /**
   * Draws the student's hidden states to the teacher's, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #hiddenStateMse()
   */
  public static DistillationLoss hiddenStateMse(Projector projector) {
    return new HiddenStateMse(Projector.projection(projector));
  }

  /**
   * Guides layers of the student by hints of the teacher: half the squared distance of features.
   *
   * <pre>{@code
   * L = mean_pairs mean_positions ½ ‖r(student) − teacher‖²
   * }</pre>
   *
   * <p>{@code r} is the regressor of the paper, where the widths differ. The norm is the paper's:
   * {@code D/2} times {@link #hiddenStateMse()} with the same projector. The paper also sums over
   * the pixels of a map; here positions are averaged, so that the value depends neither on
   * resolution nor on length. Its regressor ends in the non-linearity of the hint's layer: for
   * hints that come out of a ReLU give {@link Projector#LINEAR_RELU}. The paper trains with hints
   * first and with soft targets afterwards; weight the terms by progress to do so.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code hint}.
   *
   * <p>Default: {@link Projector#CONVOLUTION_1X1}, an affine map at each position.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1412.6550">Romero et al., FitNets: Hints for Thin Deep
   *     Nets, 2015</a>
   */
  public static DistillationLoss hint() {
    return hint(Projector.CONVOLUTION_1X1);
  }

  /**
   * Guides layers of the student by hints of the teacher, through a regressor.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #hint()
   */
  public static DistillationLoss hint(Projector projector) {
    return new Hint(Projector.projection(projector));
  }

  /**
   * Turns the student's hidden states into the directions of the teacher's, position by position.
   *
   * <pre>{@code
   * L = mean_pairs mean_positions (1 − cos(W_pair student, teacher))
   * }</pre>
   *
   * <p>Lengths do not matter. {@code W} is a learned matrix where the widths differ, and absent
   * where they are equal, as in the paper.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32; norms are at least 1e-6. Reported as {@code
   * hiddenStateCosine}.
   *
   * <p>Default: {@link Projector#LINEAR}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1910.01108">Sanh et al., DistilBERT, a distilled version of
   *     BERT, 2019</a>
   */
  public static DistillationLoss hiddenStateCosine() {
    return hiddenStateCosine(Projector.LINEAR);
  }

  /**
   * Turns the student's hidden states into the directions of the teacher's, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #hiddenStateCosine()
   */
  public static DistillationLoss hiddenStateCosine(Projector projector) {
    return new HiddenStateCosine(Projector.projection(projector));
  }

  /**
   * Compares the directions of the first token's hidden states, layer by layer (PKD).
   *
   * <pre>{@code
   * L = mean_pairs mean_rows ‖s/‖s‖ − t/‖t‖‖²,  s = W_pair student[CLS],  t = teacher[CLS]
   * }</pre>
   *
   * <p>Between 0 and 4, and twice {@code 1 − cos}. The paper adds up the layers, here they are
   * averaged; published code also divides by the width. The first token is the first that the mask
   * has, so that padding on the left does no harm; a row of padding alone counts 0. {@code
   * LayerMapping.uniform()} is the paper's PKD-skip, {@code LayerMapping.last()} its PKD-last. The
   * paper's models have equal widths; {@code W} is a learned matrix where they differ.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]}, or {@code [N, D]}, which are compared as
   * they are; no maps; result scalar. <b>Numerics.</b> float32; norms are at least 1e-6. Reported
   * as {@code patientKd}. Rows of several texts are refused.
   *
   * <p>Default: {@link Projector#LINEAR}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1908.09355">Sun et al., Patient Knowledge Distillation for
   *     BERT Model Compression, 2019</a>
   */
  public static DistillationLoss patientKd() {
    return patientKd(Projector.LINEAR);
  }

  /**
   * Compares the directions of the first token's hidden states, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #patientKd()
   */
  public static DistillationLoss patientKd(Projector projector) {
    return new PatientKd(Projector.projection(projector));
  }

  /**
   * Raises the information that the student's features hold about the teacher's (VID).
   *
   * <pre>{@code
   * L = mean_pairs mean_positions mean_d ½ [(μ_d(student) − teacher_d)² / σ²_d + log σ²_d]
   * σ² = softplus(α) + 1e-5
   * }</pre>
   *
   * <p>The negative log-likelihood of the teacher's features, without its constant, under a
   * Gaussian whose mean is a learned function of the student's and whose variance is learned, one a
   * channel: a lower bound of the mutual information. It is <em>not</em> a distance: it can be
   * negative, and is not 0 where student and teacher agree but {@code ½ log σ²}. {@code μ} is the
   * projector, created between equal widths too. The paper's has three 1x1 convolutions.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32; softplus does not overflow. Reported as {@code
   * variationalInformation}.
   *
   * <p>Defaults: {@link Projector#MLP}, variance 5.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1904.05835">Ahn et al., Variational Information
   *     Distillation for Knowledge Transfer, 2019</a>
   */
  public static DistillationLoss variationalInformation() {
    return variationalInformation(Projector.MLP, 5);
  }

  /**
   * Raises the information that the student's features hold about the teacher's, through a network
   * and from a variance.
   *
   * @param projector the network of the mean; always there
   * @param variance σ² at the start; finite and greater than 1e-5
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code variance} is out of range
   * @see #variationalInformation()
   */
  public static DistillationLoss variationalInformation(Projector projector, double variance) {
    return new VariationalInformation(Projector.projection(projector), variance);
  }

  /**
   * Compares factors: a paraphrase of the teacher's features and its translation from the
   * student's.
   *
   * <pre>{@code
   * L = mean_pairs [mean_rows ‖F_s/‖F_s‖ − F_t/‖F_t‖‖_1 + mean_positions mean_d (decode(F_t) − teacher)²_d]
   * F_t = encode(teacher),  F_s = translate(student),  both of k · D channels
   * }</pre>
   *
   * <p>Factors are normalised over all positions and channels of a row. The paper trains the
   * paraphraser (encoder and decoder) before the student and freezes it. Here it is trained along
   * with the student by its reconstruction error, the second part; no gradient passes between the
   * parts. So the factors still move in early steps, and the value is not 0 where student and
   * teacher agree. Encoder, decoder and translator are two layers at each position with a leaky
   * ReLU of slope 0.1 in between; the paper's are three 3x3 convolutions with batch normalisation.
   * Published code divides the norm by the number of elements and weights it by hundreds.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32; norms are at least 1e-6. Reported as {@code factorTransfer}.
   * Rows of several texts are refused.
   *
   * <p>Defaults: rate k 0.5, norm 1.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1802.04977">Kim et al., Paraphrasing Complex Network:
   *     Network Compression via Factor Transfer, 2018</a>
   */
  public static DistillationLoss factorTransfer() {
    return factorTransfer(0.5, 1);
  }

  /**
   * Compares factors of a size in a norm.
   *
   * @param rate k, the width of the factors over that of the teacher; finite and greater than 0;
   *     usual range 0.5 to 4
   * @param norm 1 for the sum of absolute differences, 2 for the sum of squares
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if an argument is out of range
   * @see #factorTransfer()
   */
  public static DistillationLoss factorTransfer(double rate, int norm) {
    return new FactorTransfer(rate, norm);
  }

  /**
   * Draws each neuron of the student to the side of 0 on which the teacher's is (AB).
   *
   * <pre>{@code
   * L = mean_pairs mean_positions Σ_d h_d²,  h = relu(m − r(student)) where teacher > 0,  else relu(m + r(student))
   * }</pre>
   *
   * <p>Only signs are learned, with a margin {@code m}: it is 0 once each neuron is beyond the
   * margin on its side, also where student and teacher differ, and not 0 where both agree within
   * the margin. For hidden states <em>before</em> their activation; after a ReLU, 0 counts as
   * inactive. {@code r} is the paper's connector without batch normalisation, there where the
   * widths differ. The paper uses this loss to initialise the student, before training with labels;
   * published code weights it by 3/1000.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code activationBoundary}.
   *
   * <p>Defaults: {@link Projector#CONVOLUTION_1X1}, margin 1.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1811.03233">Heo et al., Knowledge Transfer via Distillation
   *     of Activation Boundaries Formed by Hidden Neurons, 2019</a>
   */
  public static DistillationLoss activationBoundary() {
    return activationBoundary(Projector.CONVOLUTION_1X1, 1);
  }

  /**
   * Draws each neuron of the student beyond a margin on the teacher's side of 0.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @param margin m; finite and greater than 0
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code margin} is out of range
   * @see #activationBoundary()
   */
  public static DistillationLoss activationBoundary(Projector projector, double margin) {
    return new ActivationBoundary(Projector.projection(projector), margin);
  }

  /**
   * Compares features before the ReLU where the teacher's matter behind it (overhaul, OFD).
   *
   * <pre>{@code
   * L = mean_pairs mean_positions Σ_d [0 if s_d ≤ t_d ≤ 0, else (s_d − t_d)²]
   * s = r(student),  t = max(teacher, m),  m_d = mean of teacher_d where it is negative
   * }</pre>
   *
   * <p>Negative features that the teacher's ReLU will cut need only be as low as the margin {@code
   * m}. The paper computes the margin from the teacher's batch normalisation; here it is measured,
   * channel by channel, on the teacher's features: the mean of the negative ones over about the
   * last hundred batches, 0 at the first step. It is kept with the run, so a resumed run continues
   * exactly; where an optimizer step accumulates several batches, the last one is measured. {@code
   * r} is the paper's 1x1 convolution without batch normalisation, there where the widths differ.
   * Published code weights it by 1/1000.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code overhaul}.
   *
   * <p>Default: {@link Projector#CONVOLUTION_1X1}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1904.01866">Heo et al., A Comprehensive Overhaul of Feature
   *     Distillation, 2019</a>
   */
  public static DistillationLoss overhaul() {
    return overhaul(Projector.CONVOLUTION_1X1);
  }

  /**
   * Compares features before the ReLU, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #overhaul()
   */
  public static DistillationLoss overhaul(Projector projector) {
    return new Overhaul(Projector.projection(projector));
  }

  /**
   * Generates the teacher's features from what a random mask leaves of the student's (MGD).
   *
   * <pre>{@code
   * L = mean_pairs mean_positions mean_d (G(mask · W_pair student) − teacher)²_d
   * G(x) = conv3x3(relu(conv3x3(x)))
   * }</pre>
   *
   * <p>Each pixel is masked with probability λ in all channels. Tokens are a map of height 1, so
   * that a masked token is generated from its neighbours; of {@code [N, D]} single channels are
   * masked, as the paper does for classification. The mask is a function of the run's seed, the
   * step, the pair of layers and the row, so that resumed and accumulated steps draw the same. The
   * generator is always there and holds {@code 18 D²} numbers a pair for a teacher of width {@code
   * D}, so that the value is not 0 where student and teacher agree. The paper sums where this
   * averages.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code maskedGeneration}. Rows of several texts
   * are refused.
   *
   * <p>Defaults: {@link Projector#CONVOLUTION_1X1}, ratio λ 0.65.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2205.01529">Yang et al., Masked Generative Distillation,
   *     2022</a>
   */
  public static DistillationLoss maskedGeneration() {
    return maskedGeneration(Projector.CONVOLUTION_1X1, 0.65);
  }

  /**
   * Generates the teacher's features from what a mask of a ratio leaves of the student's.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @param ratio λ, the share of positions that is masked; at least 0 and below 1; usual range 0.15
   *     to 0.75
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code ratio} is out of range
   * @see #maskedGeneration()
   */
  public static DistillationLoss maskedGeneration(Projector projector, double ratio) {
    return new MaskedGeneration(Projector.projection(projector), ratio);
  }

  /**
   * Compares features at full resolution and averaged over 4, 2 and 1 regions a side (HCL).
   *
   * <pre>{@code
   * L = mean_pairs mean_rows Σ_l w_l mean (pool_l(W_pair student) − pool_l(teacher))² / Σ_l w_l
   * w = 1, ½, ¼, ⅛ for l = full, 4, 2, 1
   * }</pre>
   *
   * <p>The distance of ReviewKD without its fusion of layers, which {@link #reviewKd()} adds. A
   * level counts where a map is larger than it. Tokens are averaged over 4, 2 and 1 stretches of
   * each row's real tokens; vectors have the full level alone.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code hierarchicalContext}. Rows of several
   * texts are refused.
   *
   * <p>Default: {@link Projector#CONVOLUTION_1X1}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2104.09044">Chen et al., Distilling Knowledge via Knowledge
   *     Review, 2021</a>
   */
  public static DistillationLoss hierarchicalContext() {
    return hierarchicalContext(Projector.CONVOLUTION_1X1);
  }

  /**
   * Compares features at several resolutions, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #hierarchicalContext()
   */
  public static DistillationLoss hierarchicalContext(Projector projector) {
    return new HierarchicalContext(Projector.projection(projector));
  }

  /**
   * Lets deeper layers of the student review shallower ones: fuses them, then compares as HCL does.
   *
   * <pre>{@code
   * L = mean_pairs HCL(conv3x3_pair(F_s), teacher)
   * F_deepest = A_deepest student,  F_s = a ⊙ A_s student + b ⊙ F_next deeper,  (a, b) = σ(attention_s[both])
   * }</pre>
   *
   * <p>{@code A} is a 1x1 convolution to the common width, the deeper map is enlarged to the
   * shallower, and attention gives two weights a pixel (ABF in the paper). {@code HCL} is {@link
   * #hierarchicalContext()}. So a shallow layer of the teacher also teaches deep layers of the
   * student. Student layers are those of the layer mapping. The networks always exist, so the value
   * is not 0 where student and teacher agree; they have no batch normalisation. The paper adds up
   * the layers, here they are averaged, and warms the loss up over 20 epochs.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count), {@code [N, D]} or
   * {@code [N, C, H, W]}, of which the larger is averaged to the smaller's height and width; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code reviewKd}. Rows of several texts are
   * refused.
   *
   * <p>Default: largest width 512.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2104.09044">Chen et al., Distilling Knowledge via Knowledge
   *     Review, 2021</a>
   */
  public static DistillationLoss reviewKd() {
    return reviewKd(512);
  }

  /**
   * Lets deeper layers of the student review shallower ones, in a width.
   *
   * @param largestWidth the most channels in which layers are fused; at least 1; the width of the
   *     deepest student layer if that is smaller
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code largestWidth} is out of range
   * @see #reviewKd()
   */
  public static DistillationLoss reviewKd(int largestWidth) {
    return new ReviewKd(largestWidth);
  }

  /**
   * Draws the student's embedding to the teacher's, so that the teacher's classifier can read it.
   *
   * <pre>{@code
   * L = mean_rows ‖P(student) − teacher‖²
   * }</pre>
   *
   * <p>The paper's student has no classifier of its own: at the end the teacher's is put on it. For
   * that give the student the teacher's embedding width and copy the weights of the teacher's
   * output layer. Where the widths differ, a projector is learned, but as it never reaches the
   * saved student, the student then needs a classifier trained by another term, as {@code
   * hardLabels()}; the paper deploys the projector too. The paper's projector has three
   * convolutions, {@link Projector#MLP} is the nearest.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]}; result scalar. <b>Numerics.</b> float32. Reported
   * as {@code simKd}.
   *
   * <p>Default: {@link Projector#MLP}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2203.14001">Chen et al., Knowledge Distillation with the
   *     Reused Teacher Classifier, 2022</a>
   */
  public static DistillationLoss simKd() {
    return simKd(Projector.MLP);
  }

  /**
   * Draws the student's embedding to the teacher's, through a projector.
   *
   * @param projector what takes the student to the teacher's width; there only where they differ
   * @return an immutable loss, safe to share
   * @see #simKd()
   */
  public static DistillationLoss simKd(Projector projector) {
    return new SimKd(Projector.projection(projector));
  }

  // ---------------------------------------------------------------- attention

  /**
   * Makes the student's layers look where the teacher's look: maps of activation energy, on the
   * layers of the layer mapping.
   *
   * <pre>{@code
   * L = mean_pairs mean_rows Σ_p (â_student − â_teacher)²_p,  a_p = mean_c f²_pc,  â = a / ‖a‖₂
   * }</pre>
   *
   * <p>A position is a token or a pixel. The value lies between 0 and 2 whatever the number of
   * positions, widths may differ, and factors on a model's hidden states do not matter. The paper
   * writes the distance without the square, which has no gradient where the maps agree; its
   * authors' code squares, averages over positions and sums over pairs, so that a factor β of
   * theirs is β · pairs / positions here. Pixel maps of different sizes are averaged down to the
   * smaller height and width.
   *
   * <p>Meant for convolutional maps. After a layer norm, as in BERT, all tokens have nearly the
   * same energy and there is little to learn.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count) or {@code [N, C, H,
   * W]}; result scalar. <b>Numerics.</b> float32; norms are at least 1e-12. Reported as {@code
   * attentionTransfer}. Rows of several texts are refused.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1612.03928">Zagoruyko and Komodakis, Paying More Attention
   *     to Attention, 2017</a>
   */
  public static DistillationLoss attentionTransfer() {
    return new AttentionTransfer();
  }

  /**
   * Matches the student's attention scores to the teacher's before the softmax, on the layers of
   * the layer mapping.
   *
   * <pre>{@code
   * L = mean_pairs mean_queries mean_heads mean_keys (student − teacher)²,  score = q·k / √d
   * }</pre>
   *
   * <p>Both models must have the same number of heads. Only pairs of real tokens count: TinyBERT's
   * own code sets the scores of padding to 0 and then averages over them as well. The keys of a
   * query are those that both models let it see, of a causal model the tokens up to its own in its
   * text; a score below -30,000 is the sign of a hidden key. Models of this library compute scores
   * outside the fused attention, which costs a little time and {@code [N, H, L, L]} of memory a
   * layer.
   *
   * <p><b>Shapes.</b> Attention scores {@code [N, H, L, L]}; result scalar. <b>Numerics.</b>
   * float32; scores of padding and of hidden keys may be {@code -inf}. Reported as {@code
   * attentionScoreMse}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1909.10351">Jiao et al., TinyBERT, 2020</a>
   */
  public static DistillationLoss attentionScoreMse() {
    return new AttentionScoreMse();
  }

  /**
   * Matches the attention distributions of the last layers, and how their values relate.
   *
   * <pre>{@code
   * L = mean_queries mean_heads [KL(A_teacher ‖ A_student) + KL(R_teacher ‖ R_student)]
   * A = softmax(Q·Kᵀ / √d),  R = softmax(V·Vᵀ / √d)
   * }</pre>
   *
   * <p>The keys of a query are all real tokens; in a causal model of this library attention has
   * those up to its own in its text, and the relation of values all of its text.
   *
   * <p>Compares the last layers whatever the run's layer mapping is; {@code onLayers(...)} chooses
   * others, one pair or several. Both models must have the same number of heads, of any width.
   * Biases that a model adds to its scores, such as those of relative positions, do not enter.
   *
   * <p><b>Shapes.</b> Queries, keys and values {@code [N, H, L, d]}; padding is neither query nor
   * key; result scalar. <b>Numerics.</b> float32 log-softmax; no probability is ever logged.
   * Reported as {@code miniLm}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2002.10957">Wang et al., MiniLM, 2020</a>
   */
  public static DistillationLoss miniLm() {
    return new MiniLm(false);
  }

  /**
   * Matches how queries, keys and values each relate among themselves in the last layers, whatever
   * the numbers of heads.
   *
   * <pre>{@code
   * L = mean_queries mean_heads Σ_{X in Q, K, V} KL(R_teacher ‖ R_student),  R = softmax(X·Xᵀ / √d)
   * }</pre>
   *
   * <p>The vectors of all attention heads are joined and split anew into relation heads, as many
   * for the student as for the teacher. By default they are the largest common divisor of both
   * widths that leaves the teacher's relation heads at least 16 wide, which gives the paper's 48
   * for BERT-base teachers and 64 for BERT-large ones. The three relations have weight 1 each.
   * Tokens relate to all real tokens of their text, in causal models too.
   *
   * <p>Compares the last layers whatever the run's layer mapping is; {@code onLayers(...)} chooses
   * others. (The paper takes the last layer of a base-size teacher and an upper middle one of a
   * large one.)
   *
   * <p><b>Shapes.</b> Queries, keys and values {@code [N, H, L, d]}; padding is neither query nor
   * key; result scalar. <b>Numerics.</b> float32 log-softmax; no probability is ever logged.
   * Reported as {@code miniLmV2}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2012.15828">Wang et al., MiniLMv2, 2021</a>
   */
  public static DistillationLoss miniLmV2() {
    return new MiniLmV2(OptionalInt.empty(), false);
  }

  /**
   * Matches how queries, keys and values each relate among themselves in the last layers, over a
   * number of relation heads.
   *
   * @param relationHeads the number of relation heads; at least 1; must divide heads times head
   *     width of both models; the paper's are 48 and 64
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code relationHeads} is below 1
   * @see #miniLmV2()
   */
  public static DistillationLoss miniLmV2(int relationHeads) {
    return new MiniLmV2(OptionalInt.of(relationHeads), false);
  }

  // ---------------------------------------------------------------- relation

  /**
   * Matches the pairwise distances of rows, in units of their mean (RKD-D).
   *
   * <pre>{@code
   * L = 1/N² Σ_ij huber(|s_i − s_j| / μ_s − |t_i − t_j| / μ_t),  μ = mean of the distances above 0
   * }</pre>
   *
   * <p>The widths of student and teacher need not agree and nothing is learned: only how the rows
   * of a batch lie to each other counts, so turning, moving or scaling all embeddings changes
   * nothing. The rows of other batches are never seen; give batches of enough rows, since a step
   * accumulated from small batches compares only rows of the same batch. The paper adds up over
   * pairs; this is the mean over {@code N²} ordered pairs, as the authors' program takes it.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for one row.
   * <b>Numerics.</b> float32; distances are taken from differences, so equal rows are at exactly 0
   * and get no gradient. Time {@code N² D}, memory {@code N²}. Reported as {@code
   * relationalDistance}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1904.05068">Park et al., Relational Knowledge Distillation,
   *     2019</a>
   */
  public static DistillationLoss relationalDistance() {
    return new RelationalDistance();
  }

  /**
   * Matches the angles that triples of rows span (RKD-A).
   *
   * <pre>{@code
   * L = 1/N³ Σ_ijk huber(cos ∠ s_j s_i s_k − cos ∠ t_j t_i t_k)
   * }</pre>
   *
   * <p>Invariant as {@link #relationalDistance()} is, and stricter on high-order structure. The
   * paper adds up over triples; this is the mean over {@code N³} ordered triples, as the authors'
   * program takes it.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for fewer than
   * three rows. <b>Numerics.</b> by the law of cosines in float64, so that rows which nearly
   * coincide keep their angles; an angle at which two rows coincide counts 0 and gets no gradient.
   * Time {@code N² D + N³}; memory several arrays of {@code N³}: 16 MB each for 128 rows, 1 GB for
   * 512. Reported as {@code relationalAngle}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1904.05068">Park et al., Relational Knowledge Distillation,
   *     2019</a>
   */
  public static DistillationLoss relationalAngle() {
    return new RelationalAngle();
  }

  /**
   * Adds the relations of distances and angles with the paper's weights (RKD-DA).
   *
   * <p>Defaults: distance 1, angle 2.
   *
   * @return {@code relationalKd(1, 2)}
   * @see #relationalKd(double, double)
   */
  public static DistillationLoss relationalKd() {
    return relationalKd(1, 2);
  }

  /**
   * Adds the relations of distances and angles (RKD-DA).
   *
   * <p>The paper weights them 1 and 2 where they stand alone, as for embeddings of metric learning,
   * and 25 and 50 beside the loss of a classifier.
   *
   * @param distance the weight of {@link #relationalDistance()}; finite and at least 0
   * @param angle the weight of {@link #relationalAngle()}; finite and at least 0
   * @return {@code relationalDistance().weighted(distance).plus(relationalAngle().weighted(angle))}
   * @throws IllegalArgumentException if a weight is out of range
   * @see <a href="https://arxiv.org/abs/1904.05068">Park et al., Relational Knowledge Distillation,
   *     2019</a>
   */
  public static DistillationLoss relationalKd(double distance, double angle) {
    return relationalDistance().weighted(distance).plus(relationalAngle().weighted(angle));
  }

  /**
   * Matches which rows activate the network alike (SP).
   *
   * <pre>{@code
   * L = 1/N² |Ĝ_s − Ĝ_t|²,  G = X Xᵀ,  Ĝ = G with rows of length 1
   * }</pre>
   *
   * <p>The paper takes the activations of a layer: {@code
   * onFlattenedHiddenStates(similarityPreserving())}, with weight 3000. Turning or scaling all
   * embeddings changes nothing. A squared norm over {@code N²} of rows of length 1 shrinks as
   * {@code 1/N}: the weight belongs to a batch size.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for one row.
   * <b>Numerics.</b> float32; embeddings are scaled before products, so that these do not overflow.
   * Reported as {@code similarityPreserving}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1907.09682">Tung and Mori, Similarity-Preserving Knowledge
   *     Distillation, 2019</a>
   */
  public static DistillationLoss similarityPreserving() {
    return new SimilarityPreserving();
  }

  /**
   * Matches the Gaussian kernel of pairs of rows, as a Taylor series (CC).
   *
   * <p>Defaults: gamma 0.4, order 2.
   *
   * @return {@code correlationCongruence(0.4, 2)}
   * @see #correlationCongruence(double, int)
   */
  public static DistillationLoss correlationCongruence() {
    return correlationCongruence(0.4, 2);
  }

  /**
   * Matches the Gaussian kernel of pairs of rows, as a Taylor series (CC).
   *
   * <pre>{@code
   * L = 1/N² |K_s − K_t|²,  K_ij = e^(−2γ) Σ_{p=0..P} (2γ)^p / p! · cos(x_i, x_j)^p
   * }</pre>
   *
   * <p>The series of {@code exp(−γ |x − y|²)} on embeddings of length 1. Order 1 is the paper's
   * bilinear kernel, scaled. This is the paper's congruence of all pairs; some programs of that
   * name compare neighbouring rows alone, and weights such as 0.02 belong to those.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for one row.
   * <b>Numerics.</b> float32; an embedding of zeros has cosine 0 with all and gets no gradient.
   * Reported as {@code correlationCongruence}.
   *
   * @param gamma the sharpness γ of the kernel; unitless, finite, greater than 0; the paper's 0.4
   * @param order the last power P of the series; at least 1; the paper's 2
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if an argument is out of range
   * @see <a href="https://arxiv.org/abs/1904.01802">Peng et al., Correlation Congruence for
   *     Knowledge Distillation, 2019</a>
   */
  public static DistillationLoss correlationCongruence(double gamma, int order) {
    return new CorrelationCongruence(gamma, order);
  }

  /**
   * Matches the probabilities with which a row picks each row as its neighbour (PKT).
   *
   * <pre>{@code
   * L = mean_i Σ_j p_ij (log p_ij − log q_ij),  p_ij = k_ij / Σ_j k_ij of the teacher, q of the student
   * k_ij = (1 + cos(x_i, x_j)) / 2
   * }</pre>
   *
   * <p>A mean over rows of true Kullback-Leibler divergences. Published programs average over the
   * {@code N²} pairs and make up for it with weights such as 30000; this loss is {@code N} times
   * theirs, so that such a weight is divided by the batch size: 30000 at 64 rows is 469 here. A row
   * is among its own neighbours, as in the author's program; the paper's equation leaves it out.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar, 0 for one row.
   * <b>Numerics.</b> float32; similarities are at least 1e-7 before the logarithm. Reported as
   * {@code probabilisticTransfer}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1803.10837">Passalis and Tefas, Learning Deep
   *     Representations with Probabilistic Knowledge Transfer, 2018</a>
   */
  public static DistillationLoss probabilisticTransfer() {
    return new ProbabilisticTransfer();
  }

  /**
   * Aligns the centred linear kernels of student and teacher (CKA).
   *
   * <pre>{@code
   * L = 1 − |YᵀX|² / (|XᵀX| |YᵀY|),  X, Y = student and teacher less their means over the rows
   * }</pre>
   *
   * <p>Between 0 and 1, and 0 where the student is the teacher turned, scaled and moved. Compares
   * whole layers of any widths: {@code onPooledHiddenStates(cka())}. Of a batch with far fewer rows
   * than widths it is biased towards 0, as alignment of few points is easy.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}; result scalar; 0 where the
   * teacher's rows are all equal, as a single row is, and 1 where only the student's are.
   * <b>Numerics.</b> float32; computed from {@code [N, N]} or {@code [D, E]} products, whichever
   * cost less. Reported as {@code cka}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1905.00414">Kornblith et al., Similarity of Neural Network
   *     Representations Revisited, 2019</a>
   */
  public static DistillationLoss cka() {
    return new CentredKernelAlignment();
  }

  /**
   * Compares relations of rows on whole hidden states instead of embeddings.
   *
   * <p>The hidden states of a row, on the layers of the layer mapping, become one vector: all
   * channels of all positions beside each other, padding as zeros. So {@link
   * #similarityPreserving()} compares layers in its paper. The models' shapes need not agree. The
   * value is the mean over pairs of layers. Long texts have longer vectors than short ones: for
   * text {@link #onPooledHiddenStates} is often the better choice.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, D]}, {@code [N, L, D]} or {@code [N, C, H, W]};
   * result scalar. Reported under the relation's name. Rows of several texts are refused.
   *
   * @param relation one of the losses of this section, or a weighted sum of some
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a term is another kind of loss
   */
  public static DistillationLoss onFlattenedHiddenStates(DistillationLoss relation) {
    return LayerRelation.of(relation, LayerRelation.Rows.FLATTENED);
  }

  /**
   * Compares relations of rows on averaged hidden states instead of embeddings.
   *
   * <p>The hidden states of a row, on the layers of the layer mapping, become one vector: the mean
   * over its real tokens or its pixels. The models' shapes need not agree, and a teacher may split
   * a text into other tokens. The value is the mean over pairs of layers.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, D]}, {@code [N, L, D]} or {@code [N, C, H, W]};
   * result scalar. Reported under the relation's name. Rows of several texts are refused.
   *
   * @param relation one of the losses of this section, or a weighted sum of some
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if a term is another kind of loss
   */
  public static DistillationLoss onPooledHiddenStates(DistillationLoss relation) {
    return LayerRelation.of(relation, LayerRelation.Rows.POOLED);
  }

  /**
   * Matches how the student gets from one layer to the next: the products of the channels of
   * consecutive layers of the layer mapping (flow of the solution procedure).
   *
   * <pre>{@code
   * L = mean_flows mean_rows mean_ij (G_student − G_teacher)²_ij,  G = f_firstᵀ · f_second / P
   * }</pre>
   *
   * <p>A flow goes from each pair of the layer mapping to the next one in its order, so the mapping
   * must have at least two pairs; {@code P} is the number of positions, tokens or pixels. Student
   * and teacher must have the same channels on mapped layers. The paper sums over the elements of G
   * where this takes their mean, so that the weight need not follow the number of channels. Pixel
   * maps of different sizes are averaged down to the smaller height and width.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count) or {@code [N, C, H,
   * W]}; result scalar. <b>Numerics.</b> float32; fourth order in the hidden states, so large
   * activations need a small weight. Reported as {@code fsp}. Rows of several texts are refused.
   *
   * @return an immutable loss, safe to share
   * @see <a
   *     href="https://openaccess.thecvf.com/content_cvpr_2017/html/Yim_A_Gift_From_CVPR_2017_paper.html">Yim
   *     et al., A Gift from Knowledge Distillation, 2017</a>
   */
  public static DistillationLoss fsp() {
    return new Fsp();
  }

  /**
   * Matches the distribution of the channels' activation patterns (neuron selectivity transfer), on
   * the layers of the layer mapping.
   *
   * <pre>{@code
   * L = mean_pairs mean_rows [mean_ij k(s_i, s_j) + mean_ij k(t_i, t_j) − 2 mean_ij k(s_i, t_j)]
   * k(x, y) = (xᵀy)²
   * }</pre>
   *
   * <p>The squared maximum mean discrepancy of channels, each a vector over positions of L2 norm 1;
   * with the teacher's own term, constant in training, so that it is 0 at agreement. Widths may
   * differ; factors on a channel and the order of channels do not matter. Pixel maps of different
   * sizes are averaged down to the smaller height and width.
   *
   * <p><b>Shapes.</b> Hidden states {@code [N, L, D]} (padding does not count) or {@code [N, C, H,
   * W]}; result scalar. <b>Numerics.</b> float32; norms are at least 1e-12. Computed over positions
   * or over channels, whichever takes fewer products; in the second form a value near 0 may come
   * out as small as −1e-7. Reported as {@code neuronSelectivity}. Rows of several texts are
   * refused.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/1707.01219">Huang and Wang, Like What You Like: Knowledge
   *     Distill via Neuron Selectivity Transfer, 2017</a>
   */
  public static DistillationLoss neuronSelectivity() {
    return new NeuronSelectivity();
  }

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

  /**
   * Draws the student's embedding to the teacher's: squared distance.
   *
   * <pre>{@code
   * L = mean_rows Σ_d (W student − teacher)²_d
   * }</pre>
   *
   * <p>Unlike {@link #embeddingCosine()} it also matches the length, which matters where scores are
   * dot products. Summed over the width, not averaged: for unit vectors it is twice the cosine
   * loss. {@code W} is a learned matrix where the widths differ, and absent where they are equal;
   * it belongs to the run and never reaches the saved student.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]}; result scalar. <b>Numerics.</b> float32. Reported
   * as {@code embeddingL2}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2301.12005">Kim et al., EmbedDistill, 2023</a>
   */
  public static DistillationLoss embeddingL2() {
    return new EmbeddingL2();
  }

  /**
   * Makes the student's embedding of a row find the teacher's embedding of that row among those of
   * the batch (InfoNCE).
   *
   * <p>Default: temperature 0.07.
   *
   * @return {@code infoNce(0.07)}
   * @see #infoNce(double)
   */
  public static DistillationLoss infoNce() {
    return infoNce(0.07);
  }

  /**
   * Makes the student's embedding of a row find the teacher's embedding of that row among those of
   * the batch, at a temperature (InfoNCE).
   *
   * <pre>{@code
   * L = mean_i −log( exp(cos(W s_i, t_i)/τ) / Σ_j exp(cos(W s_i, t_j)/τ) )
   * }</pre>
   *
   * <p>A cross-entropy over the batch: not 0 when both agree, about {@code log N} at the start, and
   * 0 for a batch of one row. One direction, as in the paper: the student's embedding is the
   * question and the teacher's are the answers. The other rows of the batch are the negatives, so
   * where a step accumulates several batches a row meets only those of its own; prefer large
   * batches, and data without duplicates. {@code τ} belongs to this loss: the run's temperature
   * does not matter. {@code W} is a learned matrix where the widths differ, and absent where they
   * are equal; it belongs to the run and never reaches the saved student.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]}; result scalar. <b>Numerics.</b> float32
   * log-softmax; norms are at least 1e-6. Reported as {@code infoNce}.
   *
   * @param temperature what cosines are divided by; finite, greater than 0; default 0.07, usual
   *     range 0.02 to 0.2
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if {@code temperature} is not finite or not greater than 0
   * @see <a href="https://arxiv.org/abs/1807.03748">van den Oord et al., Representation Learning
   *     with Contrastive Predictive Coding, 2018</a>
   * @see <a href="https://arxiv.org/abs/2307.12732">Yang et al., CLIP-KD: An Empirical Study of
   *     CLIP Model Distillation, 2023</a>
   */
  public static DistillationLoss infoNce(double temperature) {
    return new InfoNce(temperature);
  }

  /**
   * Matches how far each query's positive candidate leads its negatives, for rankers.
   *
   * <pre>{@code
   * L = mean_rows mean_{j ≥ 1} ((s_0 − s_j) − (t_0 − t_j))²
   * }</pre>
   *
   * <p>A row is a query, its logits are the scores of its candidates; candidate 0 is the positive.
   * Only margins count, so the models may score on different levels: 0 when both agree up to a
   * constant a row. Candidates whose teacher score is {@code -inf} do not exist; a row without a
   * positive or without negatives is 0. The temperature does not matter.
   *
   * <p><b>Shapes.</b> Scores {@code [N, K]} as logits on both sides, at least 2 candidates; result
   * scalar. <b>Numerics.</b> float32. Reported as {@code marginMse}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2010.02666">Hofstätter et al., Improving Efficient Neural
   *     Ranking Models with Cross-Architecture Knowledge Distillation, 2020</a>
   */
  public static DistillationLoss marginMse() {
    return new MarginMse();
  }

  /**
   * Matches the student's distribution over a query's candidates to the teacher's, for rankers.
   *
   * <pre>{@code
   * L = T² · mean_rows Σ_k p_k (log p_k − log q_k),  p = softmax(teacher/T),  q = softmax(student/T)
   * }</pre>
   *
   * <p>A row is a query, its logits are the scores of its candidates. Candidates whose teacher
   * score is {@code -inf} do not exist: unlike in {@link #softTargets()} the student spends no
   * probability on them, so queries may have different numbers of candidates. 0 when both agree; a
   * row without candidates is 0. At the run's temperature, usually 1 for rankers.
   *
   * <p><b>Shapes.</b> Scores {@code [N, K]} as logits on both sides; result scalar.
   * <b>Numerics.</b> float32 log-softmax; no probability is ever logged. Reported as {@code
   * listwiseKl}.
   *
   * @return an immutable loss, safe to share
   * @see <a href="https://arxiv.org/abs/2010.11386">Lin et al., Distilling Dense Representations
   *     for Ranking using Tightly-Coupled Teachers, 2020</a>
   */
  public static DistillationLoss listwiseKl() {
    return new ListwiseKl();
  }

  /**
   * Tells the teacher's embedding of a row from those of other rows, with memory banks (CRD).
   *
   * <p>Defaults: 16384 negatives, temperature 0.07, momentum 0.5, width 128, negatives of any
   * class.
   *
   * @return {@code contrastiveRepresentation(16384, 0.07, 0.5, 128, false)}
   * @see #contrastiveRepresentation(int, double, double, int, boolean)
   */
  public static DistillationLoss contrastiveRepresentation() {
    return contrastiveRepresentation(16384, 0.07, 0.5, 128, false);
  }

  /**
   * Tells the teacher's embedding of a row from those of other rows, with memory banks (CRD).
   *
   * <pre>{@code
   * L = mean_rows of both directions −log h(x, m⁺) − Σ_{k=1..K} log(1 − h(x, m_k))
   * h(x, m) = e^(x·m/τ) / (e^(x·m/τ) + K Z),  x = unit(W s + b), m of the teacher's bank, and back
   * }</pre>
   *
   * <p>Both models get a learned linear head; heads and banks belong to the run and never reach the
   * saved student. A bank holds an embedding of each row of the training set, partners as well as
   * negatives are read from it, and after a step the rows of the step are renewed: {@code m ← unit(
   * momentum · m + (1 − momentum) · x)}. All of it stands in memory, {@code 2 · rows · width}
   * numbers (51 MB for 50,000 rows of 128). Published results give it the weight 0.8.
   *
   * <p>The authors' program draws negatives at random and takes {@code Z} from the first batch.
   * Here negatives are a fixed function of the run's seed, the step and the row, drawn evenly with
   * replacement from all other rows, so that accumulated batches add up to the whole one and a
   * resumed run goes on exactly; and {@code Z} is what that batch's mean is expected to be before
   * training, {@code e^(1 / (2 · width · τ²))}. With at least as many negatives as other rows, each
   * of these is a negative once, and K is their number.
   *
   * <p>The paper draws negatives from other classes where there are labels: {@code otherClasses}.
   * The labels of rows become known as the run comes to see them; drawn rows of the row's own class
   * do not count, and the others count the more.
   *
   * <p><b>Shapes.</b> Embeddings {@code [N, D]} and {@code [N, E]}, labels {@code [N]}; result
   * scalar. Needs the training set's row indices. <b>Numerics.</b> float32; probabilities stay in
   * log space. Extra memory is {@code N · rows} or {@code N · K} numbers at most, in chunks of 4
   * million, never the {@code N · K · width} of drawn rows. Reported as {@code
   * contrastiveRepresentation}.
   *
   * @param negatives the number K of negatives a row and direction; at least 1; the paper's 16384
   * @param temperature what scores are divided by, τ, not the run's temperature; finite, greater
   *     than 0; the paper's 0.07
   * @param momentum the share of the old row when a bank is renewed; at least 0 and less than 1;
   *     the paper's 0.5
   * @param width the width of the common space; at least 1; the paper's 128
   * @param otherClasses whether rows of the same label are no negatives; needs labels
   * @return an immutable loss, safe to share
   * @throws IllegalArgumentException if an argument is out of range
   * @see <a href="https://arxiv.org/abs/1910.10699">Tian et al., Contrastive Representation
   *     Distillation, 2020</a>
   */
  public static DistillationLoss contrastiveRepresentation(
      int negatives, double temperature, double momentum, int width, boolean otherClasses) {
    return new ContrastiveRepresentation(negatives, temperature, momentum, width, otherClasses);
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
   * chunked(loss) = tokenLevel(loss), with logits = states · weightᵀ, some tokens at a time
   * }</pre>
   *
   * <p>Same value and gradients as {@link #tokenLevel(DistillationLoss)}, from the last hidden
   * states and the output embedding instead of the logits. One native call forms the logits of some
   * tokens, differentiates the loss of those, and lets them go before the next; what stays is one
   * number a token and the gradients of states, weight and, where it is learned, the temperature.
   * The memory is that of a few arrays of {@code chunkSize · V} numbers plus the gradient of the
   * output embedding. Chunks are of 64 tokens; up to 256 tokens are taken at once where there is no
   * teacher.
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
    return Chunked.of(loss);
  }

  /**
   * Takes a loss on rows over the tokens of a language model, some tokens at a time.
   *
   * @param loss a loss on rows of logits, or a composition of such
   * @param chunkSize the number of tokens whose logits exist at once; at least 1; more for a GPU
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
